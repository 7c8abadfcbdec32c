"""Searches of vectors of small integers, which Lance does not compare by l2, cosine and dot: all are, here.

Of integers all sums are exact in float64, so it does not matter in which parts a table is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from engine.cancellation import current_cancellation

__all__ = ["NUMBERS_AT_ONCE", "Nearest", "has_no_null", "nearest_integers"]

NUMBERS_AT_ONCE = 1 << 19
"""Numbers of vectors that are best in a batch: as float64, and what is computed of them, some times 4 MB."""

_Numbers = np.ndarray[Any, Any]


@dataclass
class Nearest:
    """The rows nearest to one query: their addresses, and distances as float32, in that order and then by address."""

    k: int
    addresses: _Numbers = field(default_factory=lambda: np.empty(0, np.uint64))
    distances: _Numbers = field(default_factory=lambda: np.empty(0, np.float32))

    def add(self, addresses: _Numbers, distances: _Numbers) -> None:
        """Keep those that are nearer than the ones before. NaN is no distance."""
        least = self.distances[-1] if len(self.distances) == self.k else np.float32(np.inf)
        near = distances <= least
        addresses = np.concatenate([self.addresses, addresses[near]])
        distances = np.concatenate([self.distances, distances[near]])
        order = np.lexsort((addresses, distances))[: self.k]
        self.addresses, self.distances = addresses[order], distances[order]


def nearest_integers(reader: pa.RecordBatchReader, metric: str, queries: _Numbers, k: int) -> list[Nearest]:
    """The `k` rows that are nearest to each of the `queries`, vectors of float64.

    The reader gives a column of vectors and one of addresses. Rows whose vector is NULL, or has a NULL in it, are not
    found. Raises CancelledError where the statement is cancelled.
    """
    found = [Nearest(k) for _ in queries]
    distance = _DISTANCES[metric]
    for batch in reader:
        current_cancellation().check()
        there = batch.filter(batch.column(0).is_valid())
        there = there.filter(has_no_null(there.column(0)))
        addresses = there.column(1).to_numpy()
        numbers = there.column(0).flatten().to_numpy().reshape(len(addresses), queries.shape[1]).astype(np.float64)
        for nearest, query in zip(found, queries, strict=True):
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                distances = distance(numbers, query).astype(np.float32)
            nearest.add(addresses, distances)
    return found


def has_no_null(vectors: pa.Array) -> pa.Array:
    """Of each of some vectors, or lists of vectors, of which none is NULL, whether there is no NULL in it."""
    if not pt.is_fixed_size_list(vectors.type):
        inner, rows = vectors.flatten(), pc.list_parent_indices(vectors)
        good = np.ones(len(vectors), bool)
        good[rows.filter(inner.is_null()).to_numpy()] = False
        good[rows.filter(inner.is_valid()).filter(pc.invert(has_no_null(inner.drop_null()))).to_numpy()] = False
        return pa.array(good)
    numbers = vectors.flatten()
    if not numbers.null_count:
        return pa.repeat(True, len(vectors))
    return pa.array(numbers.is_valid().to_numpy(zero_copy_only=False).reshape(len(vectors), -1).all(axis=1))


def _l2(numbers: _Numbers, query: _Numbers) -> _Numbers:
    apart = numbers - query
    return np.asarray((apart * apart).sum(axis=1))


def _product(numbers: _Numbers, query: _Numbers) -> _Numbers:
    # By matrices the order in which numbers are added would depend on how many rows there are.
    return np.asarray((numbers * query).sum(axis=1))


def _cosine(numbers: _Numbers, query: _Numbers) -> _Numbers:
    lengths = np.sqrt((numbers * numbers).sum(axis=1)) * np.sqrt((query * query).sum())
    return np.asarray(1 - _product(numbers, query) / lengths)


def _dot(numbers: _Numbers, query: _Numbers) -> _Numbers:
    return np.asarray(1 - _product(numbers, query))


_DISTANCES: dict[str, Callable[[_Numbers, _Numbers], _Numbers]] = {"l2": _l2, "cosine": _cosine, "dot": _dot}
