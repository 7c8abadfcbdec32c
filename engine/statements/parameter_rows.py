"""Rows of parameters: of Arrow batches, the values that a statement runs with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import pyarrow as pa

from engine.errors import GrismError
from engine.on_error import OnError
from engine.statements.planning import Parameters

__all__ = ["parameter_rows", "sum_of_rows"]


def parameter_rows(batches: Iterable[pa.RecordBatch]) -> Parameters:
    """The rows of `batches`, each a value for each column.

    Of a union, a value is what it holds: some clients send every parameter so. NULLs without a type have the one type
    of their column's other values, where there is one.
    """
    rows: list[tuple[pa.Scalar, ...]] = []
    has_unions = False
    for batch in batches:
        has_unions = has_unions or any(map(pa.types.is_union, batch.schema.types))
        rows += zip(*map(_values, batch.columns), strict=True)
    if not has_unions:  # each of the columns has one type
        return rows
    kinds = [_kind_of_nulls(values) for values in zip(*rows, strict=True)]
    if not any(kinds):
        return rows
    return [
        tuple(
            value if kind is None or value.is_valid else pa.scalar(None, kind)
            for value, kind in zip(row, kinds, strict=True)
        )
        for row in rows
    ]


def sum_of_rows(rows: Parameters, change: Callable[[Sequence[pa.Scalar]], int]) -> int:
    """What `change` counts in all, run for each of `rows` in turn. Of several, an error tells which one it is about."""
    count = 0
    for number, row in enumerate(rows, start=1):
        with OnError(partial(_tell, number, len(rows), count)):
            count += change(row)
    return count


def _tell(number: int, rows: int, changed: int, error: BaseException) -> None:
    if not isinstance(error, GrismError) or rows == 1:
        return
    error.changed_rows = changed
    text = str(error.args[0] if error.args else type(error).__name__).removesuffix(".")
    before = "what those before it changed stays" if number > 1 else "nothing was changed"
    error.args = (f"{text}. This is row {number} of {rows} rows of parameters; {before}.",)


def _kind_of_nulls(values: Iterable[pa.Scalar]) -> pa.DataType | None:
    found = {value.type for value in values}
    told = found - {pa.null()}
    return told.pop() if len(told) == 1 and len(found) > 1 else None


def _values(column: pa.Array) -> Iterable[pa.Scalar]:
    if pa.types.is_union(column.type):
        return [pa.scalar(None) if value.value is None else value.value for value in column]
    plain: Iterable[pa.Scalar] = column
    return plain
