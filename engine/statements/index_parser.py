"""CREATE INDEX, DROP INDEX and SHOW INDEXES, from what follows these words."""

from __future__ import annotations

from engine.errors import UnsupportedError
from engine.statements.descriptions import CreateIndex, DropIndex, Show
from engine.statements.reader import Reader
from engine.storage.column_paths import path_text

__all__ = ["parse_create_index", "parse_drop_index", "parse_show_indexes"]

_DEFAULT_KIND = "BTREE"


def parse_create_index(reader: Reader) -> CreateIndex:
    """``[IF NOT EXISTS] name ON t [USING kind] (column) [WITH (option = value, ...)]``."""
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    if reader.peek() == "ON":
        raise reader.error("expected a name")
    name = reader.name()
    if reader.peek() == ".":
        raise UnsupportedError("An index is in the schema of its table; leave the schema out before its name.")
    reader.expect("ON")
    table = reader.path()
    kind = reader.name() if reader.accept("USING") else _DEFAULT_KIND
    if reader.peek() != "(":
        raise reader.error("expected a column in brackets")
    columns = _columns(reader)
    options = _options(reader) if reader.accept("WITH") else ()
    reader.end()
    return CreateIndex(name, table, kind, columns, options, if_not_exists)


def parse_drop_index(reader: Reader) -> DropIndex:
    """``[IF EXISTS] [schema.]name [ON t]``."""
    if_exists = reader.accept("IF", "EXISTS")
    name = reader.path()
    table = reader.path() if reader.accept("ON") else ()
    if not reader.accept("CASCADE"):
        reader.accept("RESTRICT")
    reader.end()
    return DropIndex(name, table, if_exists)


def parse_show_indexes(reader: Reader) -> Show:
    """``FROM t``."""
    if not reader.accept("IN"):
        reader.expect("FROM")
    table = reader.path()
    reader.end()
    return Show("INDEXES", table)


def _columns(reader: Reader) -> tuple[str, ...]:
    """Columns in brackets; an order behind one says nothing to any kind of index."""
    reader.expect("(")
    found = []
    while True:
        path = [reader.name()]
        while reader.accept("."):
            path.append(reader.name())
        found.append(path_text(path))
        if reader.peek() == "(":
            raise UnsupportedError("An index is on a column, or a field within one, not on an expression.")
        if not reader.accept("ASC"):
            reader.accept("DESC")
        if reader.accept("NULLS") and not reader.accept("FIRST"):
            reader.expect("LAST")
        if not reader.another(")"):
            break
    reader.expect(")")
    return tuple(found)


def _options(reader: Reader) -> tuple[tuple[str, str], ...]:
    reader.expect("(")
    found: list[tuple[str, str]] = []
    while True:
        name = reader.name()
        if name.lower() in {known.lower() for known, _ in found}:
            raise reader.error(f'the option "{name}" is given twice')
        reader.expect("=")
        sign = "-" if reader.accept("-") else ""
        found.append((name, sign + reader.constant()))
        if not reader.another(")"):
            break
    reader.expect(")")
    return tuple(found)
