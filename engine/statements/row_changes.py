"""UPDATE, DELETE and MERGE as the SELECTs of the rows that they change, told by their addresses.

    UPDATE t SET a = a + 1 WHERE b = 2
    SELECT t._rowaddr, true AS __grism_stays, CAST((a + 1) AS INTEGER) AS a FROM t AS t WHERE b = 2

where the second `t` is the table with the addresses of its rows. In a statement that may mean all columns of it
(``SET s = t::VARCHAR``) the addresses would be seen: `sees_all_columns` tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from engine.errors import InvalidValueError
from engine.hidden_columns import MARK, OWN
from engine.kernel import quote
from engine.schema import RowType
from engine.sql import syntax
from engine.statements.descriptions import DEFAULT_VALUE, Delete, Merge, MergeUpdate, Update
from engine.statements.rewriting import assigned_values, in_from
from engine.storage.names import names_with_schema
from engine.storage.protocol import ROW_ADDRESS, ROW_STAYS, Snapshot, TableHandle, TableName, Version

__all__ = [
    "AddressedSnapshot",
    "RowQueries",
    "RowQuery",
    "RowStatement",
    "addressed_name",
    "cast_query",
    "delete_query",
    "may_name_hidden",
    "own_values",
    "sees_all_columns",
    "update_query",
    "with_values",
]

RowStatement = Update | Delete | Merge

_ROWS = f"{MARK}rows"
_HIDDEN = re.compile(rf"(?<!\w)({ROW_ADDRESS}\b|{OWN})", re.IGNORECASE)


def addressed_name(table: TableName) -> TableName:
    """What a statement calls the table with the addresses of its rows; a name that no table has."""
    return TableName(table.schema, table.table + _ROWS)


@dataclass(frozen=True)
class AddressedSnapshot:
    """`snapshot` with a table that is read with the addresses of its rows, under its `addressed_name`."""

    snapshot: Snapshot
    handle: TableHandle

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        if name.key == addressed_name(self.handle.name).key:
            return self.handle
        return self.snapshot.table(name, version, at)


@dataclass(frozen=True)
class RowQuery:
    """A SELECT and the values of its own parameters."""

    text: str
    row: Sequence[pa.Scalar]


@dataclass(frozen=True)
class RowQueries:
    """The SELECTs of the rows that a statement changes, and of those that it adds, which may be none."""

    snapshot: AddressedSnapshot
    changed: RowQuery
    added: RowQuery | None = None


def with_values(parse: Callable[[str], Any], texts: Sequence[str], row: Sequence[pa.Scalar]) -> list[RowQuery]:
    """The SELECTs of one statement, whose parameters are numbers, each with those values of `row` that it has.

    Raises InvalidValueError where `row` has more or fewer values than the statement.
    """
    if not row and not any(mark in text for text in texts for mark in "?$"):
        return [RowQuery(text, ()) for text in texts]
    names = _names(parse, texts)
    count = len(set().union(*names))
    if count != len(row):
        raise InvalidValueError(f"Values for the statement's parameters: {count} needed, {len(row)} given.")
    return _queries(texts, names, row)


def own_values(parse: Callable[[str], Any], text: str, row: Sequence[pa.Scalar]) -> RowQuery:
    """One SELECT of a statement, with those values of `row` that it has: others are for other SELECTs."""
    (query,) = _queries([text], _names(parse, [text]), row)
    return query


def _names(parse: Callable[[str], Any], texts: Sequence[str]) -> list[list[str]]:
    return [syntax.parameter_names(syntax.Tree(parse(text))) for text in texts]


def _queries(texts: Sequence[str], names: Sequence[Sequence[str]], row: Sequence[pa.Scalar]) -> list[RowQuery]:
    return [RowQuery(text, [row[int(name) - 1] for name in own]) for text, own in zip(texts, names, strict=True)]


def update_query(statement: Update, table: TableName, columns: RowType, defaults: dict[str, str]) -> str:
    """The rows that an UPDATE changes: address, that they stay, and the values that are set."""
    alias = quote(statement.alias)
    values = assigned_values(statement, table, columns, defaults)
    items = "".join(f", {value} AS {quote(name)}" for name, value in values.items())
    row = f"{alias}.{ROW_ADDRESS}"
    rows = in_from(table, statement.alias, addressed_name(table))
    if statement.source is None:
        select = f"SELECT {row}, true AS {ROW_STAYS}{items} FROM {rows}"
    else:  # of several rows of the source that belong to one of the table, some one counts
        select = f"SELECT DISTINCT ON ({row}) {row}, true AS {ROW_STAYS}{items} FROM {rows}, {statement.source}"
    return f"{statement.ctes} {select} WHERE {_condition(statement.where)}"


def delete_query(statement: Delete, table: TableName) -> str:
    """The rows that a DELETE removes: address, and that they go."""
    alias = quote(statement.alias)
    gone = _condition(statement.where)
    if statement.source is not None:
        gone = f"EXISTS (SELECT 1 FROM {statement.source} WHERE {gone})"
    rows = in_from(table, statement.alias, addressed_name(table))
    return f"{statement.ctes} SELECT {alias}.{ROW_ADDRESS}, false AS {ROW_STAYS} FROM {rows} WHERE {gone}"


def _condition(where: str | None) -> str:
    """What stands behind WHERE: as it is written, so that a storage or an index may answer it."""
    return "true" if where is None else f"({where})"


def cast_query(table: TableName, column: str, value: str) -> str:
    """Addresses and new values of one column for all rows, in the order of the addresses."""
    alias = quote(table.table)
    rows = in_from(table, table.table, addressed_name(table))
    return f"SELECT {alias}.{ROW_ADDRESS}, {value} AS {quote(column)} FROM {rows} ORDER BY 1"


def sees_all_columns(
    parse: Callable[[str], Any], statement: RowStatement, table: TableName, columns: Iterable[str]
) -> bool:
    """Whether a statement may mean all columns of its table at once.

    So do a place that stands in no subquery, the table's own star wherever it stands, and so the table's name where it
    stands alone or with its schema, unless one of its `columns` has that name.
    """
    source = "" if statement.source is None else f" FROM {statement.source}"
    tree = parse(f"SELECT {', '.join(['1', *_texts(statement)])}{source}")["node"]
    alias = statement.alias.lower()
    own = {column.lower() for column in columns}
    with_schema = names_with_schema(table) | {tuple(map(str.lower, statement.table))}
    pending: list[tuple[object, bool]] = [(tree["select_list"], False), (tree["from_table"], True)]
    while pending:
        value, nested = pending.pop()
        if isinstance(value, list):
            pending.extend((item, nested) for item in value)
        elif isinstance(value, dict):
            kind = value.get("class")
            if kind == "POSITIONAL_REFERENCE" and not nested:
                return True
            if kind == "STAR" and alias == value["relation_name"].lower():
                return True
            if alias not in own and alias == _relation(value):
                return True
            if kind == "COLUMN_REF" and tuple(map(str.lower, value["column_names"])) in with_schema:
                return True
            nested = nested or kind == "SUBQUERY"
            pending.extend((item, nested) for item in value.values())
    return False


def may_name_hidden(statement: RowStatement, columns: Iterable[str] = ()) -> bool:
    """Whether a statement, or one of the `columns`, may name what only the SELECTs of this module have.

    A literal, or a name with more words, may hold such a name, too.
    """
    return any(map(_HIDDEN.search, [*_texts(statement), statement.source or "", *columns]))


def _relation(node: syntax.Node) -> str | None:
    """What may be a relation's name, in lower case: a column that is written as one word, and a method's receiver."""
    match node:
        case {"class": "COLUMN_REF", "column_names": [str(name)]}:
            return name.lower()
        case {"class": "FUNCTION", "qualified_name": {"path": [str(name), _]}}:
            return name.lower()
    return None


def _texts(statement: RowStatement) -> Iterator[str]:
    """The expressions of a statement in which columns of its table can be named."""
    given: list[str | None] = []
    match statement:
        case Update(assignments=assignments, where=where):
            given = [where, *(text for _, text in assignments)]
        case Delete(where=where):
            given = [where]
        case Merge(condition=condition, clauses=clauses):
            given = [condition, *(clause.condition for clause in clauses)]
            for clause in clauses:
                if isinstance(clause.action, MergeUpdate):
                    given += [text for _, text in clause.action.assignments]
    return (text for text in given if text is not None and text.upper() != DEFAULT_VALUE)
