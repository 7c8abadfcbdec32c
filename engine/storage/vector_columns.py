"""Columns of vectors: what their numbers are, by which metrics they are compared, and queries in their types.

A column holds one vector in each row, or, as a list of vectors, several. Lance compares floats, and bytes by the bits
in which they differ; small integers are compared here, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from engine.errors import InvalidValueError, TypeMismatchError, UnsupportedError
from engine.storage.protocol import TableName
from engine.storage.search import VectorRequest

__all__ = ["COSINE", "HAMMING", "VectorColumn", "vector_column"]

COSINE = "cosine"
HAMMING = "hamming"
_OF_NUMBERS = ("l2", COSINE, "dot")


@dataclass(frozen=True)
class VectorColumn:
    """A column whose vectors have `dimensions` numbers of the type `items`; with `is_multiple`, some in each row."""

    name: str
    items: pa.DataType
    dimensions: int
    is_multiple: bool

    @property
    def metrics(self) -> tuple[str, ...]:
        """What its vectors are compared by, first of all by the first."""
        if not pt.is_uint8(self.items):
            return _OF_NUMBERS
        return (HAMMING,) if self.is_multiple else (HAMMING, *_OF_NUMBERS)

    def is_compared_by_lance(self, metric: str) -> bool:
        """Whether Lance compares the vectors by `metric`."""
        return pt.is_floating(self.items) or metric == HAMMING

    def encode(self, request: VectorRequest, metric: str) -> np.ndarray[Any, Any] | None:
        """The query in the type of the vectors, in float64 where they are compared here; None for NULL.

        One vector has one dimension, several have two. Raises InvalidValueError for another number of dimensions, and
        for numbers that do not fit.
        """
        if request.query is None:
            return None
        numbers = np.frombuffer(request.query, np.float64)
        if request.vectors is not None and not self.is_multiple:
            raise InvalidValueError(
                f'The query has several vectors, and column "{self.name}" one in each row: search for each by LATERAL.'
            )
        if request.vectors:
            numbers = numbers.reshape(request.vectors, -1)
        if numbers.shape[-1] != self.dimensions:
            raise InvalidValueError(
                f'The query has {numbers.shape[-1]} dimensions, the vectors of column "{self.name}" have '
                f"{self.dimensions}."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            vector = numbers.astype(self.items.to_pandas_dtype()) if self.is_compared_by_lance(metric) else numbers
        if not np.isfinite(numbers).all() or not np.isfinite(vector).all():
            raise InvalidValueError(
                f"The query has a number that is NaN, infinite or too large for the {self.items} of column "
                f'"{self.name}".'
            )
        if metric == HAMMING and not np.array_equal(vector, numbers):
            raise InvalidValueError(
                f'The query has a number that is no whole one from 0 to 255, as the bytes of column "{self.name}" are.'
            )
        return vector

    def require_metric(self, table: TableName, metric: str | None) -> None:
        """Raise TypeMismatchError for a metric that the vectors are not compared by."""
        if metric is not None and metric not in self.metrics:
            raise TypeMismatchError(
                f'The vectors of column "{self.name}" of table "{table}" are of {self.items}, which are compared by '
                f"{_list_words(self.metrics)}, not by {metric}."
            )


def vector_column(table: TableName, field: pa.Field) -> VectorColumn:
    """The vectors of a column.

    Raises TypeMismatchError for a column that holds none, and UnsupportedError for vectors that are not compared.
    """
    kind = field.type
    is_multiple = (pt.is_list(kind) or pt.is_large_list(kind)) and pt.is_fixed_size_list(kind.value_type)
    if is_multiple:
        kind = kind.value_type
    items = kind.value_type if pt.is_fixed_size_list(kind) else None
    if items is not None and (pt.is_floating(items) or pt.is_uint8(items)):
        if pt.is_large_list(field.type):
            raise UnsupportedError(
                f'Column "{field.name}" of table "{table}" has large lists of vectors, which Lance does not search; '
                f"store them as lists, {field.name}::FLOAT[{kind.list_size}][]."
            )
        return VectorColumn(field.name, items, kind.list_size, is_multiple)
    if items is not None and not is_multiple and (pt.is_int8(items) or pt.is_int16(items)):
        return VectorColumn(field.name, items, kind.list_size, False)
    if items is not None and pt.is_integer(items) and is_multiple:
        raise UnsupportedError(
            f'Column "{field.name}" of table "{table}" has lists of vectors of {items}, which are not searched; store '
            f"them as FLOAT[{kind.list_size}][]."
        )
    if items is not None and pt.is_integer(items):
        raise UnsupportedError(
            f'Column "{field.name}" of table "{table}" has vectors of {items}, which are not searched; store them as '
            f"FLOAT[{kind.list_size}], or ORDER BY array_distance({field.name}::FLOAT[{kind.list_size}], ...) LIMIT k."
        )
    raise TypeMismatchError(
        f'Column "{field.name}" of table "{table}" has type {field.type} and no vectors of a fixed size; '
        "a vector search takes columns such as FLOAT[128], or FLOAT[128][] with several in each row."
    )


def _list_words(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
