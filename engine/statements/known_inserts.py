"""What makes the rows of INSERTs that have run before, with other values: one statement of the kernel over the values.

Clients insert single rows by one text with parameters, or by texts that differ in literals alone (`literal_rows`). Each
would be a text of its own to the kernel, to be parsed and bound anew. From the second on they are rows of parameters of
one text, as many rows are (`over_rows`), where that means the same. Values that columns hold as they come are passed
on, as those of uploads are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import pyarrow as pa

from engine.cache import LruCache
from engine.errors import PlanningError
from engine.ingestion import is_cast_by_arrow
from engine.schema import RowType
from engine.sql.text_memory import is_lasting
from engine.sql.views import Names
from engine.statements.context import StatementContext
from engine.statements.descriptions import DEFAULT_VALUE, Insert
from engine.statements.literal_rows import literal_rows
from engine.statements.over_rows import OverRows, is_plain, over_rows
from engine.statements.planning import Parameters, Planning
from engine.statements.rewriting import InsertText
from engine.storage.stored_types import stored_fields

__all__ = ["KnownInserts", "table_of"]

_CACHED = 256
_MOST = 1_000_000  # characters of all statements
_PARAMETER = re.compile(r"\$[0-9]+|CAST\(\$[0-9]+ AS [A-Z]+\)")
_PLAIN = re.compile(
    r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BOOLEAN|FLOAT|DOUBLE|DECIMAL\(.*\)|VARCHAR|BLOB|UUID|JSON|ENUM\(.*\)"
    r"|DATE|TIME(_NS| WITH TIME ZONE)?|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?|INTERVAL",
    re.DOTALL,
)
"""Types to which a literal is cast as any value of its type is."""

_Shape = tuple[Insert, RowType, tuple[tuple[str, str], ...], Names]
_Key = tuple[_Shape, tuple[pa.DataType, ...]]


@dataclass
class _Passed:
    """What was passed on, as those who watch see it."""

    rows: int
    bytes: int
    is_finished: bool = True


@dataclass(frozen=True)
class _KnownInsert:
    """Makes rows of the fields `schema`: by the kernel, or of the parameters in `places`, None for NULLs."""

    maker: OverRows
    schema: pa.Schema
    places: Sequence[int | None] | None

    def rows(self, context: StatementContext, given: pa.Table) -> pa.Table:
        """The rows for those of `given`. Raises the execution errors."""
        if self.places is not None:
            with suppress(pa.ArrowInvalid):  # as of values that have to be rounded
                return self._pass_on(context, self.places, given)
        batches = []
        for start in range(0, given.num_rows, self.maker.at_once):
            context.cancellation.check()
            for batch in self.maker.make(context, given.slice(start, self.maker.at_once)):
                columns = [column.cast(field.type) for column, field in zip(batch.columns, self.schema, strict=True)]
                batches.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        return pa.Table.from_batches(batches, self.schema)

    def _pass_on(self, context: StatementContext, places: Sequence[int | None], given: pa.Table) -> pa.Table:
        columns = [
            pa.nulls(given.num_rows, field.type) if place is None else given.column(place).cast(field.type)
            for place, field in zip(places, self.schema, strict=True)
        ]
        made = pa.Table.from_arrays(columns, schema=self.schema)
        context.watch(_Passed(made.num_rows, made.nbytes))
        return made


class KnownInserts:
    """Remembers what makes the rows of INSERTs, by these and the types of values, once one runs again. Thread-safe."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning
        # True for what has run once, False for what has to be planned for each value.
        self._known: LruCache[_Key, _KnownInsert | bool] = LruCache(_CACHED, _characters, _MOST)
        self._types: LruCache[_Shape, tuple[pa.DataType, ...]] = LruCache(_CACHED, _characters_of_shape, _MOST)

    def rows(self, context: StatementContext, text: InsertText, rows: Parameters) -> pa.Table | None:
        """The rows that an INSERT appends, in their stored forms; None where nothing is known that makes them.

        Raises the execution errors.
        """
        names = self._planning.catalog.names(context.session)
        if not is_lasting(names):  # nor is anything kept of a session that has temporary tables
            return None
        values = _values(text, rows)
        if values is None:
            return None
        text, given = values
        shape = text.statement, text.columns, tuple(text.defaults.items()), names
        if _are_values_of_columns(text):
            given = self._with_types(shape, given)
        found = self._find(context, shape, text, given.schema)
        return None if found is None else found.rows(context, given)

    def _find(
        self, context: StatementContext, shape: _Shape, text: InsertText, given: pa.Schema
    ) -> _KnownInsert | None:
        key = shape, tuple(given.types)
        known = self._known.get(key)
        if known is None:
            self._known.put(key, True)
        elif known is True:
            known = self._make(context, text, given)
            self._known.put(key, known or False)
        return known if isinstance(known, _KnownInsert) else None

    def _make(self, context: StatementContext, text: InsertText, given: pa.Schema) -> _KnownInsert | None:
        snapshot = self._planning.catalog.snapshot(context.session)
        try:
            maker = over_rows(self._planning, context, snapshot, text, given)
        except PlanningError:
            return None
        if maker is None or not maker.is_lasting:
            return None
        schema = stored_fields(self._planning.frontend.kernel, maker.columns)
        return _KnownInsert(maker, schema, _places(text, given, schema))

    def _with_types(self, shape: _Shape, given: pa.Table) -> pa.Table:
        """Rows of a statement whose parameters are values of columns, with NULLs of the types that others have had."""
        own = tuple(given.schema.types)
        before = self._types.get(shape)
        if own == before:
            return given
        types = [old if pa.types.is_null(kind) else kind for old, kind in zip(before or own, own, strict=True)]
        self._types.put(shape, tuple(types))
        return given.cast(pa.schema(list(zip(given.schema.names, types, strict=True))))


def _values(text: InsertText, rows: Parameters) -> tuple[InsertText, pa.Table] | None:
    """A statement with parameters, and their values; None where these are not alike in all rows."""
    if any(rows):
        given = table_of(rows)
        return None if given is None else (text, given)
    if len(rows) != 1 or not all(_PLAIN.fullmatch(column.type) for column in text.named):
        return None
    literals = literal_rows(text.statement)
    return None if literals is None else (replace(text, statement=literals.statement), literals.given)


def table_of(rows: Parameters) -> pa.Table | None:
    """Rows of parameters as a table; None where a parameter's values are not alike in all rows, or none."""
    columns = [_array(column) for column in zip(*rows, strict=True)]
    found = [column for column in columns if column is not None]
    if not found or len(found) < len(columns):
        return None
    return pa.Table.from_arrays(found, [str(number) for number in range(1, len(found) + 1)])


def _are_values_of_columns(text: InsertText) -> bool:
    """Whether each parameter is all of a column's value, so that NULL is NULL there, of whatever type it is."""
    values = [value for row in text.statement.rows for value in row]
    is_plain = all(_PLAIN.fullmatch(column.type) for column in text.named)
    return bool(values) and is_plain and all(_PARAMETER.fullmatch(value) or "$" not in value for value in values)


def _places(text: InsertText, given: pa.Schema, stored: pa.Schema) -> Sequence[int | None] | None:
    """Which parameter is all of each column's value, in a type that Arrow makes the column's; None where others are."""
    if len(text.statement.rows) != 1 or text.statement.ctes:
        return None
    values = {column.name: value for column, value in zip(text.named, text.statement.rows[0], strict=True)}
    places: list[int | None] = []
    for column, field in zip(text.columns, stored, strict=True):
        value = values.get(column.name, DEFAULT_VALUE)
        if value == DEFAULT_VALUE and column.name not in text.defaults:
            places.append(None)
            continue
        if not value.startswith("$") or not value[1:].isdecimal():
            return None
        place = int(value[1:]) - 1
        if not is_cast_by_arrow(given.field(place), field, column):
            return None
        places.append(place)
    return places


def _array(values: Sequence[pa.Scalar]) -> pa.Array | None:
    kinds = {value.type for value in values}
    return pa.array(values, kinds.pop()) if len(kinds) == 1 and all(map(is_plain, kinds)) else None


def _characters(key: _Key, _: object) -> int:
    return _characters_of_shape(key[0], None)


def _characters_of_shape(shape: _Shape, _: object) -> int:
    """How long the texts of a statement are."""
    statement = shape[0]
    return len(statement.query or "") + sum(len(text) for row in statement.rows for text in row)
