"""A column of a Lance dataset that is new, or gets other values for all rows, while the others stay.

The new values lie in one more file for each fragment, as a field of a new number under the old name and in the old
place. The file that has the old field keeps it; nobody reads it any more::

    before   a: field 0, b: field 1    fragment 0: 1.lance (0, 1)
    after    a: field 2, b: field 1    fragment 0: 1.lance (0, 1), 2.lance (2)
    again    a: field 3, b: field 1    fragment 0: 1.lance (0, 1), 3.lance (3)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from engine.errors import StorageError
from engine.storage.alignment import unslice
from engine.storage.conform import Incoming
from engine.storage.lance_fields import field_ids, files_of, with_field
from engine.storage.protocol import ROW_ADDRESS

__all__ = ["ColumnCast", "ColumnFiles", "NewColumn"]

_NEW = "__grism_new"


@dataclass
class ColumnFiles(ABC):
    """The values of `column` for all rows of the version that `dataset` is, out of `rows`; a file for each fragment."""

    dataset: Any
    column: pa.Field
    rows: Incoming
    files: list[str] = field(default_factory=list)
    """What was written so far, within the dataset."""
    _ahead: pa.RecordBatch | None = None

    def operation(self) -> Any:
        """Write the files, which no version names yet; raises what reading the rows raises."""
        batches = iter(self.rows)
        before = {fragment.fragment_id: fragment for fragment in self.dataset.get_fragments()}
        after: dict[int, Any] = {}
        ids: list[int] = []
        for number in sorted(before):
            after[number], schema = before[number].merge_columns(self._values(before[number], batches))
            self.files += [file for file in files_of(after[number]) if file not in files_of(before[number].metadata)]
            ids = list(field_ids([each for each in schema.fields() if each.name() == _NEW]))
        schema = with_field(self.dataset.lance_schema, self.column, ids)
        live = set(field_ids(schema.fields()))
        return lance.LanceOperation.Merge([_with_live_files(after[number], live) for number in before], schema)

    def _values(self, fragment: Any, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
        number, rows = fragment.fragment_id, fragment.metadata.num_rows  # while it takes values it does not tell
        schema = pa.schema([self.column.with_name(_NEW).remove_metadata()])
        made = (pa.RecordBatch.from_arrays([values], schema=schema) for values in self._cut(number, rows, batches))
        return pa.RecordBatchReader.from_batches(schema, made)

    def _cut(self, number: int, missing: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Array]:
        """The values of all rows of a fragment; what follows is kept for the next one."""
        last = -1
        while missing:
            batch = self._ahead or next(batches, None)
            self._ahead = None
            here, last = (0, last) if batch is None else self._own(batch, number, missing, last)
            if batch is None or not here:
                raise StorageError(f'The rows of table "{self.rows.table}" did not come in their order; try again.')
            missing -= here
            if here < batch.num_rows:
                self._ahead = batch.slice(here)
            yield unslice(batch.column(batch.num_columns - 1).slice(0, here))

    @abstractmethod
    def _own(self, batch: pa.RecordBatch, number: int, missing: int, last: int) -> tuple[int, int]:
        """How many of the first rows are the fragment's, 0 where that is wrong; and the address of the last of them.

        The rows before had `last`, or -1.
        """


class ColumnCast(ColumnFiles):
    """A column that is there: `rows` have the addresses, in order, and the column."""

    def _own(self, batch: pa.RecordBatch, number: int, missing: int, last: int) -> tuple[int, int]:
        addresses = batch.column(ROW_ADDRESS).to_numpy()
        own = addresses[: np.searchsorted(addresses, np.uint64((number + 1) << 32))].astype(np.int64)
        if not 0 < len(own) <= missing or own[0] >> 32 != number or own[0] <= last or np.any(np.diff(own) <= 0):
            return 0, last
        return len(own), int(own[-1])


class NewColumn(ColumnFiles):
    """A column behind the others, of which any row may have any value of `rows`."""

    def _own(self, batch: pa.RecordBatch, number: int, missing: int, last: int) -> tuple[int, int]:
        del number
        return min(missing, batch.num_rows), last


def _with_live_files(fragment: Any, live: set[int]) -> Any:
    """The fragment without files of which no field is read any more, as those of an earlier cast."""
    return replace(fragment, files=[file for file in fragment.files if not live.isdisjoint(file.fields)])
