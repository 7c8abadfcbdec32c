"""Whether a filter finds so few rows of a large table that its indexes are worth to be asked.

An index tells rows one by one. Where they lie all over the table, to fetch them takes longer than to look through all
of it, from some hundredths of the rows on; where they lie together there is something to be gained by it up to about
half of the rows. How many they are, and where, is estimated by a sample of rows of the columns that the filter names,
which is kept while the table has about as many rows. A question for single values is taken to find few, until it is
seen to find more.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc

from engine.cache import LruCache
from engine.storage.lance_opened import OpenedVersion
from engine.storage.pushdown import PushedFilter

__all__ = ["Estimates", "sample_rows"]

SMALL = 100_000  # rows of a table of which it does not matter
SAMPLE = 1_000  # rows
LEAST = 100  # rows of a sample, where rows are large
SAMPLE_BYTES = 4 << 20  # of whole rows, as stored
FEW = 0.02  # share of the rows
TOGETHER = 0.5  # share of the rows between the first and the last that is found
MOST = 0.5  # share of the rows from which on there is nothing to be gained
_KEPT = 64
_POSITION = "__position"

_Key = tuple[str, pa.Schema]


@dataclass(frozen=True)
class _Sample:
    """Some `size` rows with their positions, in memory; of a table that had so many `rows`."""

    rows: int
    size: int
    dataset: Any

    def is_of(self, rows: int) -> bool:
        """Whether a table of so many rows is still about the same."""
        return 0.8 * self.rows <= rows <= 1.25 * self.rows


class Estimates:
    """What is known of the rows of tables. Thread-safe."""

    def __init__(self) -> None:
        self._samples: LruCache[_Key, _Sample] = LruCache(_KEPT)
        self._found_many: LruCache[_Key, bool] = LruCache(_KEPT)

    def is_worth_asking(self, table: OpenedVersion, pushed: PushedFilter) -> bool:
        """Whether the indexes that answer a filter are expected to spare reading much of the table."""
        rows = table.rows
        if rows < SMALL or pushed.text is None or (pushed.finds_few and not len(self._found_many)):
            return True
        key = _key(table, pushed.text)
        if pushed.finds_few and not self._found_many.get(key):
            return True
        sample = self._samples.get(key)
        if sample is None or not sample.is_of(rows):
            count = sample_rows(rows, table.facts.bytes)
            sample = _Sample(rows, count, _sample(table.dataset, rows, count, key[1].names))
            self._samples.put(key, sample)
        found = sample.dataset.to_table(columns=[_POSITION], filter=pushed.text)[_POSITION]
        share = len(found) / sample.size
        if share <= FEW:
            return True
        first, last = (value.as_py() for value in pc.min_max(found).values())
        return share <= MOST and share * rows >= TOGETHER * (last - first)

    def note(self, table: OpenedVersion, pushed: PushedFilter, found: int | None) -> None:
        """Learn how many rows a filter has found; None are too many to be counted."""
        few = FEW * table.rows
        if table.rows >= SMALL and pushed.text is not None and pushed.finds_few and (found is None or found > few):
            self._found_many.put(_key(table, pushed.text), True)


def _key(table: OpenedVersion, text: str) -> _Key:
    """The table, and the columns that the filter names."""
    return table.dataset.uri, pa.schema([field for field in table.schema if f"`{field.name}`" in text])


def sample_rows(rows: int, size: int | None) -> int:
    """How many rows of a table of so many rows and bytes are looked at: the fewer, the larger they are."""
    return min(rows, SAMPLE if size is None else max(LEAST, min(SAMPLE, SAMPLE_BYTES * rows // max(1, size))))


def _sample(dataset: Any, rows: int, count: int, columns: list[str]) -> Any:
    positions = sorted(random.Random(rows).sample(range(rows), count))
    taken = dataset.take(positions, columns=columns)
    return lance.write_dataset(taken.append_column(_POSITION, pa.array(positions, pa.int64())), "memory://")
