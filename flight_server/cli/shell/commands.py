"""The shell's own commands, which begin with a backslash."""

from __future__ import annotations

from collections.abc import Callable

from flight_server.cli.failures import CommandError
from flight_server.cli.output import FORMATS
from flight_server.cli.shell.pieces import Piece
from flight_server.cli.shell.state import Leave, Shell

__all__ = ["COMMANDS", "run_piece"]

_HELP = f"""\
SELECT ...;          run a statement; it may take several lines, up to its semicolon
\\d                   list tables and views
\\d NAME              list the columns of a table or view
\\timing [on|off]     show how long each statement takes
\\o FILE              write rows to a file from now on; .csv, .json and .arrow name their format
\\o                   write rows to the terminal again
\\format FORMAT       how rows are written: {", ".join(FORMATS)}
\\?                   this help
\\q                   leave, as do exit, quit and Ctrl-D
Tab completes keywords, tables and columns; Ctrl-C clears the line, or ends the statement that runs."""


def run_piece(shell: Shell, piece: Piece) -> None:
    """Run a statement or a command. Raises CommandError, GrismError, and Leave for `\\q`."""
    if not piece.is_command:
        shell.run(piece.text)
        return
    name, _, argument = piece.text.partition(" ")
    if name not in COMMANDS:
        raise CommandError(f"There is no {name}; \\? lists the commands.")
    COMMANDS[name](shell, argument.strip())


def _describe(shell: Shell, argument: str) -> None:
    if argument:
        shell.describe(argument)
    else:
        shell.list_tables()


def _timing(shell: Shell, argument: str) -> None:
    match argument.lower():
        case "":
            shell.timing = not shell.timing
        case "on" | "off":
            shell.timing = argument.lower() == "on"
        case _:
            raise CommandError(f"\\timing takes on or off, not {argument!r}.")
    shell.tell(f"Timing is {'on' if shell.timing else 'off'}.")


def _output(shell: Shell, argument: str) -> None:
    path = _unquote(argument)
    shell.redirect(path or None)
    shell.tell(f"Rows go to {path or 'the terminal'}.")


def _format(shell: Shell, argument: str) -> None:
    if argument and argument not in FORMATS:
        raise CommandError(f"There is no format {argument!r}; there are {', '.join(FORMATS)}.")
    if argument:
        shell.set_format(argument)
    shell.tell(f"Format is {shell.format}.")


def _help(shell: Shell, argument: str) -> None:
    del argument
    shell.tell(_HELP)


def _leave(shell: Shell, argument: str) -> None:
    del shell, argument
    raise Leave


def _unquote(path: str) -> str:
    return path[1:-1] if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"" else path


COMMANDS: dict[str, Callable[[Shell, str], None]] = {
    "\\d": _describe,
    "\\timing": _timing,
    "\\o": _output,
    "\\format": _format,
    "\\?": _help,
    "\\q": _leave,
}
