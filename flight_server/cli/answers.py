"""Answers to statements: rows as `output` writes them, and what a statement with effects has done."""

from __future__ import annotations

import sys
from typing import BinaryIO

from engine.sql.tokens import first_words
from flight_server.cli.output import count_line, write
from flight_server.cli.source import Answer

__all__ = ["print_answer"]

_DEFINITIONS = ("ALTER", "CREATE", "DROP")


def print_answer(answer: Answer, text: str, format: str, out: BinaryIO | None = None) -> int | None:
    """Write the answer to the statement `text` to `out`, stdout by default; gives the number of rows written.

    Of a statement with effects, people get a line that says how many rows changed, and gives None. Programs, which read
    another format than the table, get no rows there, and the line stands on stderr.
    """
    if answer.changed is None:
        return write(answer.reader, format, out)
    line = _effect(text, answer.changed)
    if format == "table":
        out = sys.stdout.buffer if out is None else out
        out.write(line.encode() + b"\n")
        out.flush()
    else:
        write(answer.reader, format, out)
        print(line, file=sys.stderr, flush=True)
    return None


def _effect(text: str, changed: int) -> str:
    """Definitions tell of rows only where they have made some, as CREATE TABLE AS does."""
    if not changed and first_words(text, 1)[0] in _DEFINITIONS:
        return "(done)"
    return count_line(changed, " changed")
