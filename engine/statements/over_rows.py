"""INSERTs of rows of parameters as one statement of the kernel over these rows as a relation.

    INSERT INTO t VALUES (?, upper(?))
    SELECT CAST(p1 AS BIGINT), CAST(upper(p2) AS VARCHAR) FROM bound

That means the same, since each parameter has the type that its value has as a constant.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from engine.errors import PlanningError
from engine.hidden_columns import MARK
from engine.kernel import Kernel, quote
from engine.kernel_errors import execution_error
from engine.literals import type_text
from engine.logical.nodes import LogicalPlan, Project, Rename, Scan, SqlQuery, in_operators, walk
from engine.schema import Column, RowType
from engine.schema_inference import plan_columns
from engine.sql import syntax
from engine.statements.context import StatementContext
from engine.statements.descriptions import Insert
from engine.statements.planning import Planning
from engine.statements.rewriting import InsertText, full_name
from engine.storage.alignment import align
from engine.storage.memory_tables import MEMORY
from engine.storage.protocol import DEFAULT_SCHEMA, Snapshot, TableHandle, TableName, Version
from engine.storage.stored_types import storable_type
from engine.travel_types import Boundary

__all__ = ["OverRows", "is_plain", "over_rows", "storable_columns"]

_ROWS = 16_384
_BOUND = TableName(DEFAULT_SCHEMA, f"{MARK}bound")  # which no statement can name
_ROW_BY_ROW = (Project, Rename, Scan)


class OverRows:
    """Runs one text of the kernel's over rows of parameters, which are the table `name` in it.

    Where it `is_lasting` it is right at any time, for whatever values.
    """

    at_once = _ROWS

    def __init__(self, kernel: Kernel, text: str, name: str, columns: RowType, is_lasting: bool) -> None:
        self._kernel, self._text, self._name = kernel, text, name
        self._columns = columns
        self.columns = storable_columns(columns)
        self.is_lasting = is_lasting

    def make(self, context: StatementContext, given: pa.Table) -> Iterator[pa.RecordBatch]:
        """The rows for those of `given`, of which there are at most `at_once`. Raises the execution errors."""
        names = [_column(place) for place in range(given.num_columns)]
        named = pa.Table.from_batches(map(align, given.to_batches())).rename_columns(names)
        try:
            stream = self._kernel.stream(
                self._text,
                {self._name: named},
                context.cancellation,
                boundary=Boundary.STORAGE,
                columns=self._columns,
            )
            context.watch(stream.counters)
            with closing(stream.reader) as reader:
                yield from reader
        except (pa.ArrowException, OSError) as error:
            context.cancellation.check()
            raise execution_error(error) from None


def over_rows(
    planning: Planning, context: StatementContext, snapshot: Snapshot, text: InsertText, schema: pa.Schema
) -> OverRows | None:
    """The statement over rows of parameters as a relation; None where that might mean something else."""
    kernel, session = planning.frontend.kernel, context.session
    bare = _bare_parameters(kernel, text.statement)
    parameters = (
        None if bare is None else _references(kernel, schema, bare, planning.told_types(session, text.in_text(1)))
    )
    if parameters is None:
        return None
    empty = pa.Table.from_batches([], _with_place_names(schema))
    handle = MEMORY.handle(_BOUND, MEMORY.hold((uuid.uuid4().hex,), "1", empty))
    over = text.over(full_name(_BOUND), parameters)
    try:
        plan = planning.logical(session, over, snapshot=_WithBound(snapshot, handle))
    except PlanningError:  # of which a constant may be the remedy; else it is told with the client's own text
        return None
    query = plan.input if isinstance(plan, Rename) else plan
    if not isinstance(query, SqlQuery) or not _is_row_by_row(plan):
        return None
    ((name, _),) = query.inputs
    return OverRows(kernel, query.query, name, plan_columns(plan, kernel), planning.remembers(session, over))


def _is_row_by_row(plan: LogicalPlan) -> bool:
    """Whether each row comes of one row of the only table, and of nothing else."""
    operators = in_operators(plan)
    return operators is not plan and all(isinstance(node, _ROW_BY_ROW) for node in walk(operators))


def _bare_parameters(kernel: Kernel, statement: Insert) -> frozenset[str] | None:
    """The parameters that are items of a SELECT as they stand; None where it is more than its list."""
    if statement.ctes or len(statement.rows) > 1:
        return None
    if statement.query is None:
        return frozenset()
    tree = syntax.Tree(kernel.parse(statement.query))
    node = tree.root["node"]
    clauses = ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify", "modifiers")
    if node.get("type") != "SELECT_NODE" or any(node.get(clause) for clause in clauses):
        return None
    if (node.get("from_table") or {}).get("type") != "EMPTY" or syntax.cte_names(tree):
        return None
    if tree.expressions("STAR", "SUBQUERY", "WINDOW"):
        return None
    return frozenset(str(item["identifier"]) for item in node["select_list"] if item.get("class") == "PARAMETER")


def _references(
    kernel: Kernel, schema: pa.Schema, bare: frozenset[str], told: dict[str, str | None]
) -> list[str] | None:
    """What stands for each parameter; None where a column gives values of other types than constants would be.

    A text is a constant without a type, which takes that of its place.
    """
    if any(not is_plain(field.type) for field in schema):
        return None
    found = []
    types = kernel.column_types(pa.Table.from_batches([], _with_place_names(schema)))
    for place, (field, own) in enumerate(zip(schema, types, strict=True)):
        reference, kind = quote(_column(place)), told.get(str(place + 1))
        if pa.types.is_null(field.type):
            found.append("NULL")
            continue
        if own.type != type_text(field.type):
            return None
        if own.type == "VARCHAR":
            kind = kind or ("VARCHAR" if str(place + 1) in bare else None)
            if kind is None:
                return None
            reference = reference if kind == "VARCHAR" else f"CAST({reference} AS {kind})"
        found.append(reference)
    return found


def is_plain(kind: pa.DataType) -> bool:
    """Whether a type is one of single values, which are what they lie in."""
    nested = pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType)
    return not nested and not pa.types.is_date64(kind)


def _column(place: int) -> str:
    return f"{MARK}p{place + 1}"


def _with_place_names(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(_column(place), field.type) for place, field in enumerate(schema)])


@dataclass(frozen=True)
class _WithBound:
    """`snapshot` with the rows of parameters as a table."""

    snapshot: Snapshot
    handle: TableHandle

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        return self.handle if name == _BOUND else self.snapshot.table(name, version, at)


def storable_columns(columns: RowType) -> RowType:
    """The columns in the types in which they are stored. Raises SchemaMismatchError for one that cannot be."""
    return tuple(Column(c.name, storable_type(c)) for c in columns)
