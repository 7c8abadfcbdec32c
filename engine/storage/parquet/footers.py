"""What is known of each file: its rows, where its row groups end, and of which kind it is.

Footers are read by pyarrow, which is quick, and by the kernel where pyarrow refuses what the kernel reads. They are
kept by (path, time of change, size).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import pyarrow.parquet as pq

from engine.cache import LruCache
from engine.cancellation import current_cancellation, require_answer
from engine.errors import DataCorruptError, GrismError
from engine.storage.listing import ParquetFile
from engine.storage.parquet.inspection import Inspector
from engine.storage.parquet.trust import WRONG_DICTIONARIES
from engine.storage.protocol import TableName

__all__ = ["Footer", "Footers", "damage_error"]

KEPT_FOOTERS = 20_000
FOOTER_THREADS = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Footer:
    """Rows, uncompressed bytes, where the row groups end, and the `kind`: equal for files of one writer with the same
    columns."""

    rows: int
    bytes: int
    ends: tuple[int, ...]
    kind: str


class Footers:
    """The footers of files. Thread-safe."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._kept: OrderedDict[tuple[str, int, int], Footer] = OrderedDict()
        self._told: LruCache[tuple[str, int, int], bool] = LruCache(KEPT_FOOTERS)  # damaged files in the log
        self._lock = threading.Lock()

    def read(self, table: TableName, files: Sequence[ParquetFile]) -> list[Footer]:
        """The footers of all files, in order. Raises DataCorruptError where one cannot be read."""
        keys = [(f.path, f.mtime_ns, f.size) for f in files]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = [key for key in keys if key not in found]
        if missing:
            cancellation = current_cancellation()

            def footer(key: tuple[str, int, int]) -> Footer:
                with cancellation.scope():
                    return self._footer(table, key)

            with ThreadPoolExecutor(min(FOOTER_THREADS, len(missing))) as pool:
                found.update(zip(missing, pool.map(footer, missing), strict=True))
        with self._lock:
            for key in keys:
                self._kept[key] = found[key]
                self._kept.move_to_end(key)
            while len(self._kept) > KEPT_FOOTERS:
                self._kept.popitem(last=False)
        return [found[key] for key in keys]

    def _footer(self, table: TableName, key: tuple[str, int, int]) -> Footer:
        try:
            return _read(key[0])
        except Exception as refused:  # of many kinds where a file is damaged
            try:
                groups, kind = self._inspector.footer(key[0])
            except GrismError as error:
                require_answer(error)
                if self._told.get(key) is None:
                    self._told.put(key, True)
                    log.warning("A Parquet file of table %s cannot be read: %s; %s", table, refused, error)
                raise damage_error(table) from None
        ends = tuple(accumulate(rows for rows, _ in groups))
        return Footer(ends[-1] if ends else 0, sum(size for _, size in groups), ends, _digest(kind))


def damage_error(table: TableName) -> DataCorruptError:
    """The error for a table with a file that cannot be read."""
    return DataCorruptError(f'Table "{table}" cannot be read: one of its Parquet files is damaged.')


def _read(path: str) -> Footer:
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    ends = tuple(accumulate(group.num_rows for group in groups))
    return Footer(metadata.num_rows, sum(group.total_byte_size for group in groups), ends, _digest(_kind(metadata)))


def _kind(metadata: pq.FileMetaData) -> tuple[object, ...]:
    """What files of one kind have in common: the writer, the schema, and what `inspection` looks at beside them."""
    schema = str(metadata.schema).partition("\n")[2]  # behind the object's own name
    told = WRONG_DICTIONARIES in metadata.created_by  # for others it differs from file to file, and says nothing
    return metadata.created_by, schema, (metadata.metadata or {}).get(b"ARROW:schema") if told else None


def _digest(kind: object) -> str:
    return hashlib.sha256(repr(kind).encode(errors="surrogatepass")).hexdigest()[:32]
