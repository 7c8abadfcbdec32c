"""Statements from standard input, run without a prompt up to the first that fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from engine.errors import GrismError
from flight_server.cli.failures import CommandError
from flight_server.cli.interrupts import interruptible
from flight_server.cli.shell.commands import run_piece
from flight_server.cli.shell.pieces import Piece, cut, last_piece
from flight_server.cli.shell.state import Leave, Shell

__all__ = ["pieces", "run_script"]


def run_script(shell: Shell, lines: Iterable[str]) -> None:
    """Run a script. Raises CommandError with the line of the statement that fails."""
    for piece in pieces(lines):
        try:
            interruptible(partial(run_piece, shell, piece), shell.source.cancel)
        except Leave:
            return
        except (CommandError, GrismError) as error:
            raise CommandError(f"line {piece.line + 1}: {error}") from None


def pieces(lines: Iterable[str]) -> Iterator[Piece]:
    """The statements and commands of a script, each as soon as its last line is there. The last needs no semicolon."""
    pending, first = "", 0
    for line in lines:
        begins = not pending.strip()
        pending += line
        if ";" in line or begins:  # nothing else ends a statement or is a command
            found, rest = cut(pending)
            yield from (Piece(piece.text, first + piece.line) for piece in found)
            first += pending.count("\n", 0, len(pending) - len(rest))
            pending = rest
    found, rest = cut(pending)
    if rest:
        last = last_piece(rest)
        found.append(Piece(last.text, pending.count("\n", 0, len(pending) - len(rest)) + last.line))
    yield from (Piece(piece.text, first + piece.line) for piece in found)
