"""The disk form of an output: one file of segments, each the rows of one partition as an Arrow IPC stream of its own.

A file is written in runs. Within a run the segments stand in the order of their partitions, so a run is partition-major
and a range of partitions is one contiguous read. The index (where each segment starts, its length, rows and checksum)
stays in memory with the store: outputs do not outlive the process that committed them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import ipc

from engine.errors import StorageError
from engine.full_disk import full_error

__all__ = ["Compression", "Segment", "SegmentReader", "SegmentWriter", "storage_errors"]

Compression = Literal["lz4", "zstd"]


@dataclass(frozen=True)
class Segment:
    """Where some rows of one partition stand in the file."""

    partition: int
    start: int
    length: int
    rows: int
    checksum: int


class _File:
    """A binary file, written only, that counts and checks the bytes of the segment it is in."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.position = 0
        self.checksum = 0
        self.closed = False

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:
        with memoryview(data) as view:
            self._file.write(view)
            self.checksum = zlib.crc32(view, self.checksum)
            self.position += view.nbytes
            return view.nbytes

    def tell(self) -> int:
        return self.position

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self.closed = True


class SegmentWriter:
    """Writes runs to `path`. Raises StorageError where the disk is full or the file cannot be written."""

    def __init__(self, path: Path, schema: pa.Schema, compression: Compression | None) -> None:
        self._schema = schema
        self._options = ipc.IpcWriteOptions(compression=compression)
        with storage_errors():
            path.parent.mkdir(exist_ok=True)  # where the store's own is gone, it was given up for dead
            self._file = _File(path)
            self._sink = pa.PythonFile(self._file, "w")

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._file.position

    def write_run(self, rows: Iterable[tuple[int, list[pa.RecordBatch]]]) -> list[Segment]:
        """Append one run: partitions in ascending order with their batches."""
        with storage_errors():
            return [self._write(partition, batches) for partition, batches in rows if batches]

    def close(self) -> None:
        """Hand everything to the operating system and close the file."""
        with storage_errors():
            self._file.close()

    def _write(self, partition: int, batches: list[pa.RecordBatch]) -> Segment:
        self._file.checksum = 0
        start = self._file.position
        with ipc.new_stream(self._sink, self._schema, options=self._options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        rows = sum(batch.num_rows for batch in batches)
        return Segment(partition, start, self._file.position - start, rows, self._file.checksum)


class SegmentReader:
    """Reads segments from a mapped file: batches share its pages unless they are compressed."""

    def __init__(self, path: Path, size: int) -> None:
        """Raises OSError where the file is not there, and ValueError where it does not have `size` bytes."""
        found = path.stat().st_size
        if found != size:
            raise ValueError(f"has {found} bytes on disk, {size} were committed")
        self._map = pa.memory_map(str(path))

    def read(self, segment: Segment) -> list[pa.RecordBatch]:
        """The batches of a segment. Raises ValueError where they are not what was written."""
        self._map.seek(segment.start)
        content = self._map.read_buffer(segment.length)
        if content.size != segment.length or zlib.crc32(content) != segment.checksum:
            raise ValueError(f"partition {segment.partition} does not have the checksum that was committed")
        with ipc.open_stream(content) as reader:
            return list(reader)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turns the operating system's errors into StorageError, which names no path."""
    try:
        yield
    except OSError as error:
        what = "The exchange could not write its output"
        reason = os.strerror(error.errno) if error.errno else "the write failed"
        raise full_error(what, error, "or raise --exchange-memory") or StorageError(f"{what}: {reason}.") from None
