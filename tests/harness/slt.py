"""sqllogictest files: parsed into tables and records, checked, and rewritten from the oracle.

A file is a sequence of blocks, separated by empty lines; ``#`` begins a comment line between blocks::

    table people
    SELECT * FROM (VALUES (1, 'Ada'), (2, NULL)) AS t(id, name)

    query IT rowsort
    SELECT id, name FROM people
    ----
    1	Ada
    2	NULL

    statement error UnknownColumnError nmae
    SELECT nmae FROM people

    onlyif ray
    statement ok
    SELECT 1

``storage KIND...`` before everything else keeps the file to these kinds of storage, where its types fit no other.
``table NAME`` gives the file a table: its SELECT, evaluated by the oracle, over the tables above it. ``query`` has a
letter for each result column, then how results are compared: ``nosort`` (the order counts, the default), ``rowsort``
or ``valuesort`` (as sets of rows or of cells). ``statement error`` has the name of a class of `engine.errors`, and
then a regular expression that the message has to match somewhere. Cells are separated by tabs, in the text of
`tests.harness.compare.render`. Letters: B boolean, I integer, R real or decimal, T text or binary, D date, P timestamp,
X anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from tests.harness.compare import Row, has_floats, render_rows, rows_differ, sort_rows

__all__ = ["Record", "SltFile", "SltSyntaxError", "TableBlock", "check", "expected_lines", "letters", "parse"]

DIGITS = 12
SEPARATOR = "----"
SORT_MODES = ("nosort", "rowsort", "valuesort")


class SltSyntaxError(Exception):
    """The file does not follow the format."""


@dataclass(frozen=True)
class TableBlock:
    """One ``table`` block."""

    name: str
    sql: str
    line: int


@dataclass(frozen=True)
class Record:
    """One ``statement`` or ``query`` block. `start` is the block's first line, `results` its lines of results."""

    line: int
    sql: str
    error: str | None = None
    message: str = ""
    types: str | None = None
    sort: str = "nosort"
    label: str = ""
    expected: tuple[str, ...] | None = None
    results: tuple[int, int] = (0, 0)
    skip: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()

    def runs_on(self, runtime: str) -> bool:
        """Whether the record is meant for the runtime."""
        return runtime not in self.skip and (not self.only or runtime in self.only)


@dataclass
class SltFile:
    """A parsed file: its lines, tables and records, each in order."""

    path: Path
    lines: list[str]
    tables: list[TableBlock] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    storages: tuple[str, ...] = ()


def parse(path: Path) -> SltFile:
    """Read a file. Raises SltSyntaxError with the line that is wrong."""
    parsed = SltFile(path, path.read_text(encoding="utf-8").split("\n"))
    for start, end in _blocks(parsed.lines):
        _parse_block(parsed, start, end)
    return parsed


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """Ranges of lines between empty ones, without leading comments."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    for number, line in enumerate([*lines, ""]):
        if line == "":
            if start is not None:
                found.append((start, number))
            start = None
        elif start is None and not line.startswith("#"):
            start = number
    return found


def _parse_block(parsed: SltFile, start: int, end: int) -> None:
    if parsed.lines[start].startswith("storage "):
        parsed.storages = tuple(parsed.lines[start].split()[1:])
        return
    skip: set[str] = set()
    only: set[str] = set()
    head = start
    while (words := parsed.lines[head].split())[0] in ("skipif", "onlyif"):
        (skip if words[0] == "skipif" else only).add(words[1])
        head += 1
    body = parsed.lines[head + 1 : end]
    if not body:
        raise SltSyntaxError(f"{parsed.path}:{head + 1}: the block has no SQL")
    if words[0] == "table":
        parsed.tables.append(TableBlock(parsed.lines[head][len("table ") :], "\n".join(body), head + 1))
        return
    record = _parse_record(parsed, head + 1, end, words, body)
    parsed.records.append(replace(record, skip=frozenset(skip), only=frozenset(only)))


def _parse_record(parsed: SltFile, line: int, end: int, words: list[str], body: list[str]) -> Record:
    if words[:2] == ["statement", "ok"]:
        return Record(line, "\n".join(body))
    if words[:2] == ["statement", "error"] and len(words) > 2:
        return Record(line, "\n".join(body), error=words[2], message=" ".join(words[3:]))
    if words[0] != "query":
        raise SltSyntaxError(f"{parsed.path}:{line}: {parsed.lines[line - 1]!r} is not the head of a block")
    words = words[1:]
    types = words.pop(0) if words and words[0] not in SORT_MODES else None
    sort = words.pop(0) if words else "nosort"
    if sort not in SORT_MODES:
        raise SltSyntaxError(f"{parsed.path}:{line}: {sort!r} is not one of {', '.join(SORT_MODES)}")
    split = body.index(SEPARATOR) if SEPARATOR in body else len(body)
    expected = tuple(body[split + 1 :]) if split < len(body) else None
    results = (line + split, end)
    label = words[0] if words else ""
    sql = "\n".join(body[:split])
    return Record(line, sql, types=types, sort=sort, label=label, expected=expected, results=results)


def letters(schema: pa.Schema) -> str:
    """One letter for each column of a result."""
    return "".join(_letter(column.type) for column in schema)


def _letter(kind: pa.DataType) -> str:
    tests = {
        "B": pa.types.is_boolean,
        "I": pa.types.is_integer,
        "R": lambda k: pa.types.is_floating(k) or pa.types.is_decimal(k),
        "T": lambda k: pa.types.is_string(k) or pa.types.is_binary(k),
        "D": pa.types.is_date,
        "P": pa.types.is_timestamp,
    }
    return next((letter for letter, holds in tests.items() if holds(kind)), "X")


def _arrange(rows: Sequence[Row], floats: Sequence[bool], sort: str) -> tuple[list[Row], list[bool]]:
    """The rows in the order in which the sort mode compares them, with the flags for inexact columns."""
    if sort == "nosort":
        return list(rows), list(floats)
    if sort == "rowsort":
        return sort_rows(rows, floats), list(floats)
    inexact = any(floats)
    return sort_rows([(cell,) for row in rows for cell in row], [inexact]), [inexact]


def expected_lines(table: pa.Table, sort: str) -> list[str]:
    """The lines of results that a file holds for a result."""
    floats = [has_floats(column.type) for column in table.schema]
    rows, _ = _arrange(render_rows(table, DIGITS), floats, sort)
    return ["\t".join(row) for row in rows]


def check(record: Record, table: pa.Table) -> str | None:
    """How a result differs from what the record expects, as a message; None where it agrees."""
    found = letters(table.schema)
    if record.types is not None and record.types != found:
        return f"column letters are {found}, expected {record.types}"
    if record.expected is None:
        return "the record has no results; regenerate the file"
    floats = [has_floats(column.type) for column in table.schema]
    got, compared = _arrange(render_rows(table, DIGITS), floats, record.sort)
    want = [tuple(line.split("\t")) for line in record.expected]
    if record.sort == "rowsort" and all(len(row) == len(floats) for row in want):
        want = sort_rows(want, floats)
    return rows_differ(got, want, compared)
