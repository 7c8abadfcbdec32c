"""Changes of single rows of a Lance dataset, in one version.

Rows are told by their addresses in the version that a statement read: the fragment in the upper 32 bits, the row's
place in it in the lower ones. Where few rows of a fragment change, they are deleted where they are and written anew at
the end, with what they have in the columns that the change does not name, in the form in which it lies. Where many do,
the changed columns of the whole fragment are written anew, and the others stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import write_fragments

from engine.errors import ConflictError, InvalidValueError, StorageError, UnsupportedError
from engine.storage.alignment import unslice
from engine.storage.conform import Incoming
from engine.storage.dictionary_keys import DictionaryKeys
from engine.storage.lance_blobs import is_blob, lies_in_files, take_rows, written_fields
from engine.storage.lance_columns import with_columns
from engine.storage.lance_commits import run_write
from engine.storage.lance_fields import files_of
from engine.storage.protocol import ROW_ADDRESS, ROW_STAYS, TableName

__all__ = ["RowChange"]

Addresses = np.ndarray[Any, np.dtype[np.uint64]]

HELD = 256 << 20  # bytes of new values that are held until it is known of how many rows of each fragment they are
_TAKEN = 65_536  # rows whose other columns are read at once
_VARIABLE = 32.0  # bytes that a value without a fixed width is taken to have


@dataclass
class RowChange:
    """What becomes of the rows of `dataset`, which is at the version that the statement read.

    `changed` has the addresses, whether the row stays, and new values of some columns; `added` has whole rows.
    """

    name: TableName
    path: Path
    dataset: Any
    changed: Incoming
    added: Incoming | None
    error: BaseException | None = None
    """What ended the reading of the rows, which Lance does not raise as it is."""
    files: list[str] = field(default_factory=list)
    """What was written so far, within the dataset."""
    _gone: list[Addresses] = field(default_factory=list)
    _patched: dict[int, Any] = field(default_factory=dict)
    _modified: set[int] = field(default_factory=set)

    def operation(self) -> Any | None:
        """Write the files of the change, which no version names yet; None where nothing changes."""
        schema = written_fields(self.dataset.schema.remove_metadata())
        reader = pa.RecordBatchReader.from_batches(schema, self._rows_to_write())
        new = write_fragments(reader, self.dataset, mode="append", return_transaction=True).operation.fragments
        self._note(*new)
        DictionaryKeys(self.name, self.dataset.schema).require_readable(self.path, new)
        removed, fewer = self._delete_rows()
        updated = [*self._patched.values(), *fewer]
        if not (new or removed or updated):
            return None
        return lance.LanceOperation.Update(removed, updated, new, sorted(self._modified))

    def require_current(self, newest: Any) -> None:
        """Raise ConflictError where `newest` is not what the change was made for.

        What was appended meanwhile does no harm, but where the change adds rows: those may be among them.
        """
        if newest.version == self.dataset.version:
            return
        then = {fragment.fragment_id: fragment.metadata.to_json() for fragment in self.dataset.get_fragments()}
        now = {fragment.fragment_id: fragment.metadata.to_json() for fragment in newest.get_fragments()}
        touched = _fragments(self._gone) | set(self._patched)
        same = all(now.get(number) == then[number] for number in touched)
        if self.added is not None or not same or not newest.schema.equals(self.dataset.schema, check_metadata=True):
            raise ConflictError(f'Table "{self.name}" was changed by somebody else meanwhile; try again.')

    # ---- rows

    def _rows_to_write(self) -> Iterator[pa.RecordBatch]:
        """The rows to be written, those that change first; the others are taken down on the way."""
        keys = DictionaryKeys(self.name, self.dataset.schema)
        try:
            for rows in self._moved_rows():
                for whole in self._whole(rows):
                    keys.count(whole)
                    yield whole
            for new in self.added or ():
                keys.count(new)
                yield new
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            raise

    def _moved_rows(self) -> Iterator[pa.RecordBatch]:
        """The new values of rows that are written anew, while those of other fragments are written in their place."""
        held: list[pa.RecordBatch] = []
        size = 0
        stays = self._stays()
        for rows in stays:
            held.append(rows)
            size += rows.nbytes
            if size > HELD:
                self._require_movable()
                yield from held
                yield from stays
                return
        if held:
            yield from self._unpatched_rows(pa.Table.from_batches(held).combine_chunks())

    def _stays(self) -> Iterator[pa.RecordBatch]:
        """The changed rows that stay. Those that do not are gone."""
        for batch in self.changed:
            stays = batch.column(ROW_STAYS)
            if stays.true_count < batch.num_rows:
                self._gone.append(batch.filter(pa.compute.invert(stays)).column(ROW_ADDRESS).to_numpy())
                batch = batch.filter(stays)
            if batch.num_rows:
                yield batch.drop_columns([ROW_STAYS])

    def _unpatched_rows(self, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        """The rows of fragments of which few rows change; the columns of the other fragments are written."""
        numbers = rows[ROW_ADDRESS].to_numpy() >> np.uint64(32)
        if np.any(numbers[1:] < numbers[:-1]):
            order = np.argsort(numbers, kind="stable")
            rows, numbers = rows.take(pa.array(order)), numbers[order]
        others = _fragments(self._gone)
        share = sum(_width(f) for f in rows.schema if f.name != ROW_ADDRESS) / sum(map(_width, self.dataset.schema))
        found, starts, counts = np.unique(numbers, return_index=True, return_counts=True)
        for number, start, count in zip(map(int, found), map(int, starts), map(int, counts), strict=True):
            fragment = self.dataset.get_fragment(number)
            part = rows.slice(start, count)
            many = count >= share * fragment.metadata.num_rows and number not in others
            may_patch = many and not self._changes_blobs and self._has_keys(fragment, part)
            if self._must_stay or self._may_stay or may_patch:
                self._patch(number, fragment, part)
            else:
                yield from part.to_batches()

    def _patch(self, number: int, fragment: Any, rows: pa.Table) -> None:
        if self._changes_blobs:
            self._require_changeable_in_place(rows.column_names)
        self._require_keys(fragment, rows)
        addresses = rows[ROW_ADDRESS].combine_chunks()
        values = rows.drop_columns([ROW_ADDRESS])
        self._patched[number], fields = run_write(
            self.name, None, lambda: with_columns(self.path, fragment, addresses, values)
        )
        self._modified.update(fields)
        self._note(self._patched[number])

    def _whole(self, values: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Rows with the columns that the change does not name."""
        schema = written_fields(self.dataset.schema.remove_metadata())
        others = [column for column in schema.names if column not in values.schema.names]
        for start in range(0, values.num_rows, _TAKEN):
            part = values.slice(start, _TAKEN)
            addresses = part.column(ROW_ADDRESS)
            self._gone.append(addresses.to_numpy())
            done = 0
            for found in self._take_rows(addresses, others) if others else [part]:
                own = part.slice(done, found.num_rows)
                done += found.num_rows
                if own.num_rows == found.num_rows:
                    columns = {column: own.column(column) for column in own.schema.names}
                    columns |= {column: found.column(column) for column in others}
                    yield pa.RecordBatch.from_arrays([unslice(columns[name]) for name in schema.names], schema=schema)
            if done != part.num_rows:
                raise StorageError(f'Rows of table "{self.name}" are gone that were there a moment ago; try again.')

    def _take_rows(self, addresses: pa.Array, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        parts = take_rows(self.dataset, addresses, columns)
        while (found := run_write(self.name, None, lambda: next(parts, None))) is not None:
            yield found

    def _note(self, *fragments: Any) -> None:
        """Take down the files of fragments that are not those of the version which was read."""
        for fragment in fragments:
            then = self.dataset.get_fragment(fragment.id) if fragment.id in self._numbers else None
            known = () if then is None else files_of(then.metadata)
            self.files += [file for file in files_of(fragment) if file not in known]

    @cached_property
    def _numbers(self) -> set[int]:
        return {fragment.fragment_id for fragment in self.dataset.get_fragments()}

    # ---- what cannot move

    @cached_property
    def _must_stay(self) -> bool:
        """Whether rows stay where they are, for they would get other stable ids."""
        return bool(self.dataset.has_stable_row_ids)

    @cached_property
    def _changes_blobs(self) -> bool:
        names = self.changed.schema.names
        return any(is_blob(field) and field.name in names for field in self.dataset.schema)

    @cached_property
    def _may_stay(self) -> bool:
        """Whether rows stay where they are rather than that their blobs are written once more.

        Or their dictionaries with short keys, which may not tell apart what several fragments have.
        """
        keyed = DictionaryKeys(self.name, self.dataset.schema).columns
        if keyed and set(keyed).isdisjoint(self.changed.schema.names):
            return True
        return not self._changes_blobs and any(map(is_blob, self.dataset.schema))

    def _has_keys(self, fragment: Any, rows: pa.Table) -> bool:
        """Whether the keys of dictionaries suffice for what a fragment has with these new values."""
        try:
            self._require_keys(fragment, rows)
        except InvalidValueError:
            return False
        return True

    def _require_keys(self, fragment: Any, rows: pa.Table) -> None:
        keys = DictionaryKeys(self.name, rows.schema)
        if keys.columns:
            scanner = fragment.scanner(columns=keys.columns, with_row_address=True)
            present = run_write(self.name, None, scanner.to_table)
            is_new = pa.compute.is_in(present[ROW_ADDRESS], rows[ROW_ADDRESS].combine_chunks())
            for part in (present.filter(pa.compute.invert(is_new)), rows):
                for batch in part.to_batches():
                    keys.count(batch)

    def _require_changeable_in_place(self, columns: Sequence[str]) -> None:
        for column in columns:
            if column != ROW_ADDRESS and lies_in_files(self.dataset.schema.field(column)):
                raise UnsupportedError(
                    f'Table "{self.name}" has stable row ids, and blobs of its column "{column}" are not changed in '
                    "their place; DELETE the rows, and INSERT them with the other values."
                )

    def _require_movable(self) -> None:
        if self._must_stay:
            raise UnsupportedError(
                f'Table "{self.name}" has stable row ids, and so many rows of it are not changed at once; '
                "change fewer in one statement."
            )

    def _delete_rows(self) -> tuple[list[int], list[Any]]:
        """The fragments of which no row is left, and those that have fewer rows."""
        gone = np.sort(np.concatenate(self._gone)) if self._gone else np.empty(0, np.uint64)
        if np.any(gone[1:] == gone[:-1]):
            raise StorageError(f'A row of table "{self.name}" would be changed twice by one statement.')
        numbers = gone >> np.uint64(32)
        removed: list[int] = []
        fewer = []
        for number in np.unique(numbers):
            rows = (gone[numbers == number] & np.uint64(0xFFFFFFFF)).tolist()
            left = self.dataset.get_fragment(int(number)).delete_rows(rows)
            if left is None:
                removed.append(int(number))
                continue
            self._note(left)
            patched = self._patched.pop(int(number), None)  # other rows of the fragment that change in their place
            fewer.append(left if patched is None else replace(left, files=patched.files))
        return removed, fewer


def _fragments(addresses: Sequence[Addresses]) -> set[int]:
    return {int(number) for part in addresses for number in np.unique(part >> np.uint64(32))}


def _width(field: pa.Field) -> float:
    try:
        return float(field.type.bit_width) / 8
    except ValueError:
        return _VARIABLE
