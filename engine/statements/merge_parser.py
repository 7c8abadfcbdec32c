"""MERGE, from text to its description."""

from __future__ import annotations

from engine.errors import SchemaMismatchError, UnsupportedError
from engine.hidden_columns import MARK
from engine.kernel import quote
from engine.statements.descriptions import Merge, MergeClause, MergeDelete, MergeInsert, MergeUpdate
from engine.statements.reader import Reader

__all__ = ["assignments", "parse_merge"]

_SOURCE = f"{MARK}source"


def assignments(reader: Reader, *ends: str) -> tuple[tuple[str, str], ...]:
    """What follows SET: columns and the texts of the values that they are set to."""
    found = _assigned(reader, *ends)
    while reader.another(*ends):
        found += _assigned(reader, *ends)
    return tuple(found)


def _assigned(reader: Reader, *ends: str) -> list[tuple[str, str]]:
    """One column and its value, or columns in brackets and those of a row, or the one value of all of them."""
    columns = reader.names()
    if not columns:
        column = reader.name()
        if reader.peek() in (".", "(", "["):
            raise UnsupportedError("SET takes whole columns of the table, by their bare names.")
        reader.expect("=")
        return [(column, reader.until(",", *ends))]
    reader.expect("=")
    values = reader.row(",", *ends)
    if values is None:
        values = (reader.until(",", *ends),) * len(columns)
    if len(values) != len(columns):
        raise SchemaMismatchError(f"There are {len(values)} values for {len(columns)} columns; give one for each.")
    return list(zip(columns, values, strict=True))


def parse_merge(reader: Reader) -> Merge:
    """What follows MERGE. Raises SqlSyntaxError and UnsupportedError."""
    reader.expect("INTO")
    path = reader.path()
    alias = path[-1]
    if reader.accept("AS") or reader.peek() != "USING":
        alias = reader.name()
    reader.expect("USING")
    source, source_alias = _source(reader)
    if reader.accept("ON"):
        condition = reader.until("WHEN")
    else:
        reader.expect("USING")
        pairs = (f"{quote(alias)}.{quote(name)} = {quote(source_alias)}.{quote(name)}" for name in reader.names())
        condition = " AND ".join(pairs)
    clauses: list[MergeClause] = []
    while reader.peek() == "WHEN":
        unreachable = reader.error("a clause without a condition has all these rows already")
        reader.expect("WHEN")
        clause = _clause(reader)
        if any(before.rows == clause.rows and before.condition is None for before in clauses):
            raise unreachable
        clauses.append(clause)
    if reader.peek() == "RETURNING":
        raise UnsupportedError("RETURNING is not handled; ask for the rows with a SELECT.")
    if not clauses:
        raise reader.error("expected WHEN")
    reader.end()
    return Merge(path, alias, source, source_alias, condition, tuple(clauses))


def _source(reader: Reader) -> tuple[str, str]:
    """A table or a query in brackets, with an alias; the text and the alias."""
    if reader.peek() == "(":
        text, alias, is_called = reader.bracketed_text(), _SOURCE, True
    else:
        path = reader.path()
        text, alias, is_called = ".".join(map(quote, path)), path[-1], False
        if reader.peek() == "(":  # a function
            text, is_called = text + reader.bracketed_text(), True
    if reader.accept("AS") or reader.peek() not in ("ON", "USING"):
        alias, is_called = reader.name(), True
    names = reader.names()
    columns = f"({', '.join(map(quote, names))})" if names else ""
    return f"{text} AS {quote(alias)}{columns}" if is_called or names else text, alias


def _clause(reader: Reader) -> MergeClause:
    rows = "both"
    if reader.accept("NOT"):
        reader.expect("MATCHED")
        rows = "source"
        if reader.accept("BY"):
            rows = "target" if reader.accept("SOURCE") else rows
            if rows == "source":
                reader.expect("TARGET")
    else:
        reader.expect("MATCHED")
    condition = reader.until("THEN") if reader.accept("AND") else None
    reader.expect("THEN")
    if reader.accept("DO", "NOTHING"):
        return MergeClause(rows, condition)
    if reader.peek() == "ERROR":
        raise UnsupportedError("THEN ERROR is not handled in MERGE.")
    if rows == "source":
        reader.expect("INSERT")
        return MergeClause(rows, condition, _insert(reader))
    if reader.accept("DELETE"):
        return MergeClause(rows, condition, MergeDelete())
    reader.expect("UPDATE")
    update = _update(reader)
    if rows == "target" and not update.assignments:
        raise reader.error("expected SET")
    return MergeClause(rows, condition, update)


def _update(reader: Reader) -> MergeUpdate:
    if reader.accept("BY", "NAME"):
        return MergeUpdate(by_name=True)
    if reader.accept("BY", "POSITION") or reader.accept("SET", "*") or reader.is_at_end or reader.peek() == "WHEN":
        return MergeUpdate()
    reader.expect("SET")
    return MergeUpdate(assignments(reader, "WHEN", "RETURNING"))


def _insert(reader: Reader) -> MergeInsert:
    if reader.accept("BY", "NAME"):
        return MergeInsert(by_name=True)
    if reader.accept("BY", "POSITION") or reader.accept("*") or reader.is_at_end or reader.peek() == "WHEN":
        return MergeInsert()
    if reader.accept("DEFAULT", "VALUES"):
        return MergeInsert(default_values=True)
    columns = reader.names()
    reader.expect("VALUES")
    return MergeInsert(columns, reader.values())
