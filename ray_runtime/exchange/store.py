"""What a worker's map tasks wrote, kept for the readers: in memory up to a budget, beyond it in files.

::

    writer = store.writer(OutputKey(query, stage, task, attempt), schema, partitions)
    for piece in grouped(reader, partitions):
        writer.append(piece)
    summary = writer.commit()            # now, and whole, there for readers
    ...
    store.read(summary.key, partitions)  # batches
    store.remove_query(query)

The memory budget is shared by all queries of the worker. A writer that gets no more of it writes what it holds to its
file, as one run, and goes on; what was committed to memory stays there.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.errors import CancelledError, ExecutionError, ResourceExhaustedError, StorageError
from engine.owned_directory import OwnedDirectory, sweep
from ray_runtime.exchange.batches import Piece, join_batches
from ray_runtime.exchange.budget import ByteBudget, Reservation
from ray_runtime.exchange.identity import OutputFailedError, OutputKey, OutputSummary, WorkerId
from ray_runtime.exchange.segments import Compression, Segment, SegmentReader, SegmentWriter, storage_errors

__all__ = ["OWNED", "ExchangeStore", "OutputWriter"]

log = logging.getLogger(__name__)

OWNED = "exchange-"
"""How the names of the directories of workers begin."""

_REMEMBERED_QUERIES = 10_000


@dataclass
class _Output:
    """A committed output. Rows of a partition are first in the file, in the order of `segments`, then in memory."""

    schema: pa.Schema
    summary: OutputSummary
    memory: dict[int, list[pa.RecordBatch]]
    segments: dict[int, list[Segment]]
    file_size: int
    reservations: list[Reservation]
    path: Path | None = None

    def read(self, partitions: Iterable[int]) -> Iterator[pa.RecordBatch]:
        """Batches in order. Raises OSError or ValueError where the file is not what was committed."""
        file: SegmentReader | None = None
        for partition in partitions:
            for segment in self.segments.get(partition, ()):
                assert self.path is not None
                file = file or SegmentReader(self.path, self.file_size)
                yield from file.read(segment)
            yield from self.memory.get(partition, ())

    def free(self) -> None:
        """Give up memory and file; readers that hold batches keep them."""
        self.memory = {}
        for reservation in self.reservations:
            reservation.release()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class ExchangeStore:
    """The outputs of one worker.

    `memory_budget` and `disk_budget` are bytes. `directory` is where files go, in a directory of this store's own; what
    crashed processes left there is removed first. `owner` is a name for that directory, for `disown`.
    Every method may be called from any thread.
    """

    def __init__(
        self,
        worker: WorkerId,
        directory: Path,
        memory_budget: int,
        disk_budget: int | None = None,
        compression: Compression | None = None,
        owner: str = "",
    ) -> None:
        self.worker = worker
        if swept := sweep(directory, OWNED):
            log.info("removed %d directories that crashed processes left in %s", swept, directory)
        self.memory = ByteBudget(memory_budget)
        self.disk = ByteBudget(disk_budget)
        self.compression = compression
        self._directory = OwnedDirectory(directory, OWNED + owner)
        self._lock = threading.Lock()
        self._outputs: dict[OutputKey, _Output] = {}
        self._written: set[OutputKey] = set()
        self._removed: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def current_usage(self) -> int:
        """Bytes of the memory budget in use."""
        return self.memory.current_usage

    @property
    def disk_usage(self) -> int:
        """Bytes in files."""
        return self.disk.current_usage

    def writer(self, key: OutputKey, schema: pa.Schema, partitions: int) -> OutputWriter:
        """Begin an output, once for each key. Raises CancelledError where the query is over already."""
        with self._lock:
            self.check_query(key.query)
            if key in self._outputs or key in self._written:
                raise ExecutionError(f"The output of {key} is there already; each attempt writes once.")
            self._written.add(key)
        return OutputWriter(self, key, schema, partitions)

    def read(self, key: OutputKey, partitions: range, rows: int) -> list[pa.RecordBatch]:
        """The batches of some partitions of an output, which together have `rows` rows.

        Batches share memory with the store, or with the pages of its file. Raises OutputFailedError where the output is
        absent, damaged, or does not have exactly `rows` rows there.
        """
        output = self._find(key)
        if partitions and not 0 <= partitions[0] <= partitions[-1] < output.summary.partitions:
            raise OutputFailedError(self.worker, (key,), f"An exchange output has no partitions {partitions}")
        try:
            batches = list(output.read(partitions))
        except (OSError, ValueError) as error:
            self._find(key)
            raise OutputFailedError(self.worker, (key,), f"An exchange output is damaged ({_reason(error)})") from None
        found = sum(batch.num_rows for batch in batches)
        if found != rows:
            raise OutputFailedError(self.worker, (key,), f"An exchange output has {found} rows instead of {rows}")
        size = sum(output.summary.bytes[partition] for partition in partitions)
        return join_batches(batches, size / max(1, rows))

    def schema(self, key: OutputKey) -> pa.Schema:
        """The Arrow schema of an output. Raises OutputFailedError where it is absent."""
        return self._find(key).schema

    def outputs(self, query: str) -> list[OutputKey]:
        """The committed outputs of a query."""
        with self._lock:
            return sorted(key for key in self._outputs if key.query == query)

    def remove(self, key: OutputKey) -> None:
        """Drop a committed output; none there is fine."""
        with self._lock:
            output = self._outputs.pop(key, None)
        if output is not None:
            output.free()

    def remove_query(self, query: str) -> None:
        """Drop all outputs of a query, now and from here on: what still writes for it gets CancelledError."""
        with self._lock:
            self._removed[query] = None
            while len(self._removed) > _REMEMBERED_QUERIES:
                self._removed.popitem(last=False)
            outputs = [self._outputs.pop(key) for key in list(self._outputs) if key.query == query]
        for output in outputs:
            output.free()
        shutil.rmtree(self.folder(query), ignore_errors=True)

    def close(self) -> None:
        """Drop everything and remove the store's directory."""
        with self._lock:
            outputs, self._outputs = list(self._outputs.values()), {}
        for output in outputs:
            output.free()
        self._directory.remove()

    def folder(self, query: str) -> Path:
        """Where the files of a query are."""
        return self._directory.path / hashlib.sha256(query.encode()).hexdigest()[:32]

    def check_query(self, query: str) -> None:
        """Raise CancelledError where the query was removed."""
        if query in self._removed:
            raise CancelledError("The query is over; its outputs were removed.")

    def publish(self, output: _Output, file: Path | None) -> None:
        """Make an output readable; its file moves to its final name. For writers."""
        key = output.summary.key
        with self._lock:
            self.check_query(key.query)
            if file is not None:
                output.path = file.with_suffix(".arrows")
                with storage_errors():
                    file.rename(output.path)
            self._outputs[key] = output
            self._written.discard(key)

    def forget_writer(self, key: OutputKey) -> None:
        """An attempt was aborted and may begin again. For writers."""
        with self._lock:
            self._written.discard(key)

    def _find(self, key: OutputKey) -> _Output:
        with self._lock:
            output = self._outputs.get(key)
        if output is None:
            raise OutputFailedError(self.worker, (key,), "An exchange output is absent")
        return output


class OutputWriter:
    """Collects one output. Used by one thread; ends with `commit` or `abort`, or by leaving a `with` block (abort)."""

    def __init__(self, store: ExchangeStore, key: OutputKey, schema: pa.Schema, partitions: int) -> None:
        self.key = key
        self.schema = schema
        self._store = store
        self._rows = array("q", bytes(8 * partitions))
        self._bytes = array("q", bytes(8 * partitions))
        self._held: dict[int, list[pa.RecordBatch]] = {}
        self._segments: dict[int, list[Segment]] = {}
        self._file: SegmentWriter | None = None
        self._path = store.folder(key.query) / f"{key.stage}-{key.task}-{key.attempt}.tmp"
        self._memory: list[Reservation] = []
        self._disk: list[Reservation] = []
        self._ended = False

    def append(self, piece: Piece) -> None:
        """Add rows.

        Raises ResourceExhaustedError where neither memory nor disk may take more, StorageError where the disk cannot,
        CancelledError where the query is over.
        """
        self._check()
        row_bytes = piece.bytes / max(1, sum(batch.num_rows for _, batch in piece.slices))
        for partition, batch in piece.slices:
            self._held.setdefault(partition, []).append(batch)
            self._rows[partition] += batch.num_rows
            self._bytes[partition] += round(batch.num_rows * row_bytes)
        granted = self._store.memory.try_reserve(piece.bytes)
        if granted is None:
            self._spill()
        else:
            self._memory.append(granted)

    def commit(self) -> OutputSummary:
        """Make the output readable, whole; where this raises, nothing of it is there."""
        self._check()
        try:
            summary = OutputSummary(self.key, self._rows, self._bytes)
            file, size = None, 0
            if self._file is not None:
                self._file.close()
                file, size = self._path, self._file.size
            output = _Output(self.schema, summary, self._held, self._segments, size, self._memory + self._disk)
            self._store.publish(output, file)
        except BaseException:
            self.abort()
            raise
        self._ended = True
        return summary

    def abort(self) -> None:
        """Drop what was written. Does nothing after `commit` or a first `abort`."""
        if self._ended:
            return
        self._ended = True
        self._held = {}
        for reservation in self._memory + self._disk:
            reservation.release()
        try:
            if self._file is not None:
                self._file.close()
        except StorageError:
            log.warning("the file of an abandoned output did not close cleanly", exc_info=True)
        finally:
            self._path.unlink(missing_ok=True)
            self._store.forget_writer(self.key)

    def __enter__(self) -> OutputWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def _check(self) -> None:
        if self._ended:
            raise ExecutionError(f"The output of {self.key} has ended; begin another attempt.")
        self._store.check_query(self.key.query)

    def _spill(self) -> None:
        """Write what is held to the file, as one run, and give its memory back."""
        self._file = self._file or SegmentWriter(self._path, self.schema, self._store.compression)
        before = self._file.size
        for segment in self._file.write_run(
            (partition, join_batches(self._held[partition], self._bytes[partition] / self._rows[partition]))
            for partition in sorted(self._held)
        ):
            self._segments.setdefault(segment.partition, []).append(segment)
        granted = self._store.disk.try_reserve(self._file.size - before)
        if granted is None:
            raise ResourceExhaustedError(
                f"What tasks send each other takes more than the {self._store.disk.limit} bytes of disk that a"
                f" worker has for it ({self.key}): ask for less, run fewer queries at once, or raise --exchange-disk."
            )
        self._disk.append(granted)
        self._held = {}
        for reservation in self._memory:
            reservation.release()
        self._memory = []


def _reason(error: OSError | ValueError) -> str:
    return str(error) if isinstance(error, ValueError) else "its file cannot be read"
