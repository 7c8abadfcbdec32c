"""Arguments, and how failures are told: one line on stderr, status 2 for a wrong call, 1 for anything else."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from engine.errors import GrismError, nearest
from engine.process_start import pause_collector
from flight_server.cli.connect import add_arguments
from flight_server.cli.failures import CommandError, complain
from flight_server.cli.stdout import discard_output
from flight_server.cli.tty import is_at_terminal
from flight_server.config import options
from flight_server.options import ConfigError

__all__ = ["main"]

_RUNTIMES = ("local", "ray")
_FORMATS = ("table", "csv", "json", "arrow")  # those of `output`, which needs Arrow


class _Parser(argparse.ArgumentParser):
    """Refuses a wrong option in one line, with the options that there are."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message[:1].upper() + message[1:] + ("" if message.endswith((".", ")")) else "."))


def main(argv: Sequence[str] | None = None) -> int:
    """Run `grism` with `argv` (the process's arguments by default); returns the exit status."""
    given = sys.argv[1:] if argv is None else argv
    try:
        arguments = _parse(given or (["shell"] if is_at_terminal() else []))
        status: int = arguments.run(arguments)
    except ConfigError as error:
        return _fail(error, 2)
    except GrismError as error:
        return _fail(error.message, 1)
    except CommandError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        discard_output()
        return _fail("interrupted", 130)
    except BrokenPipeError:  # whoever read our output has seen enough
        discard_output()
        return 1
    return status


def _fail(message: object, status: int) -> int:
    complain("grism:", message)
    return status


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        command = next(c for c in parser.commands if c.prog.startswith(f"grism {arguments.command}"))
        allowed = sorted(flag for action in command._actions for flag in action.option_strings if flag.startswith("--"))
        near = nearest(unknown[0], allowed)
        hint = f" Did you mean {near}?" if near else ""
        raise ConfigError(f"grism {arguments.command} has no {unknown[0]!r}.{hint} Allowed: {', '.join(allowed)}.")
    return arguments


class _Version(argparse.Action):
    """Looks the version up where somebody asks for it: the library that knows it is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print("grism", version("grism"))
        parser.exit()


class _Root(_Parser):
    commands: list[argparse.ArgumentParser]


def _parser() -> _Root:
    root = _Root(prog="grism", description="An Arrow Flight data service.", allow_abbrev=False)
    root.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    root.commands = [_serve(commands), _shell(commands), _query(commands), _tables(commands), _explain(commands)]
    root.commands += [_health(commands), *_user(commands)]
    return root


def _serve(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "serve",
        help="serve the tables of a folder",
        description="Serve the tables of a folder. Options may also stand in GRISM_* variables and in a TOML file.",
        allow_abbrev=False,
    )
    command.add_argument("--config", metavar="FILE", help="a TOML file with options (GRISM_CONFIG)")
    for option in options():
        if option.is_switch:
            command.add_argument(option.flag, action="store_const", const=True, help=option.help)
        else:
            command.add_argument(option.flag, metavar=option.takes, help=option.help)
    command.set_defaults(run=_when_called("start", "run"))
    return command


def _shell(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "shell",
        help="type statements; `grism` alone on a terminal is the same",
        description="Type statements at a prompt, or run those from standard input, up to the first that fails.",
        allow_abbrev=False,
    )
    _common(command)
    command.set_defaults(run=_when_called("shell", "run"))
    return command


def _query(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "query", help="run a statement and print its rows, or how many it changed", allow_abbrev=False
    )
    command.add_argument("sql", metavar="SQL")
    _common(command)
    command.set_defaults(run=_when_called("client", "query"))
    return command


def _tables(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser("tables", help="list the tables and views", allow_abbrev=False)
    _common(command)
    command.set_defaults(run=_when_called("client", "tables"))
    return command


def _explain(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser("explain", help="print the plan of a statement, which is not run", allow_abbrev=False)
    command.add_argument("sql", metavar="SQL")
    add_arguments(command)
    command.add_argument("--runtime", choices=_RUNTIMES, help="with --data: whose plan is shown (local)")
    command.set_defaults(run=_when_called("client", "explain"))
    return command


def _health(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "health", help="ask a server's health port; status 0 if it serves", allow_abbrev=False
    )
    command.add_argument("address", metavar="HOST:PORT", help="where the server was started with --health-port PORT")
    command.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="how long to wait (5)")
    command.set_defaults(run=_when_called("health", "run"))
    return command


def _user(commands: argparse._SubParsersAction[_Parser]) -> list[argparse.ArgumentParser]:
    group = commands.add_parser("user", help="add, list and remove users", allow_abbrev=False)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    add = actions.add_parser("add", help="add a user, or change one; the password comes from stdin", allow_abbrev=False)
    add.add_argument("--role", action="append", help="a role, as often as there are any (reader)")
    remove = actions.add_parser("remove", help="remove a user", allow_abbrev=False)
    listing = actions.add_parser("list", help="list users and their roles", allow_abbrev=False)
    for command, run in ((add, "add"), (remove, "remove"), (listing, "list_users")):
        if command is not listing:
            command.add_argument("name", metavar="NAME")
        default = os.environ.get("GRISM_USERS")
        command.add_argument(
            "--users", metavar="FILE", default=default, required=default is None, help="the users file (GRISM_USERS)"
        )
        command.set_defaults(run=_when_called("user", run))
    return [add, remove, listing]


def _when_called(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """A command's function, of a module beside this one that is imported for it: no command waits for the others'."""

    def run(arguments: argparse.Namespace) -> int:
        with pause_collector():
            imported = import_module(f"flight_server.cli.{module}")
        status: int = getattr(imported, function)(arguments)
        return status

    return run


def _common(command: argparse.ArgumentParser) -> None:
    add_arguments(command)
    command.add_argument("--runtime", choices=_RUNTIMES, help="with --data: what runs statements (local)")
    command.add_argument("--format", choices=_FORMATS, default="table", help="how rows are printed (table)")
