"""The runtimes and the kinds of storage that the suites run on.

A new runtime is one more entry in `RUNTIMES`; every suite then runs on it too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import lance
import pyarrow as pa
import pyarrow.parquet as pq

from engine.runtime import Runtime
from engine.sql.frontend import SqlFrontend
from engine.storage import DirectoryStorage, InMemoryStorage
from engine.storage.protocol import DEFAULT_SCHEMA, Storage, TableName, WriteMode
from local_runtime import LocalRuntime
from ray_runtime.cluster import ClusterOptions
from ray_runtime.executor import ExecutorOptions
from ray_runtime.planner import DistributedOptions
from ray_runtime.runtime import RayOptions, RayRuntime
from ray_runtime.scheduler import SchedulerOptions

__all__ = ["RUNTIMES", "STORAGES", "SqlRuntime", "Tables", "make_tables", "query"]


class SqlRuntime(Runtime, Protocol):
    """A runtime that also plans SQL, as both do."""

    @property
    def frontend(self) -> SqlFrontend:
        """Plans SQL text over the runtime's storage."""


class Tables(Protocol):
    """A storage that a test fills with Arrow tables."""

    storage: Storage

    def put(self, name: str, table: pa.Table) -> pa.Table:
        """Store the table; returns it as the storage's format keeps it, which the oracle is to read."""

    def remove(self, name: str) -> None:
        """Drop the table."""


class _Written:
    """Tables that go through `Storage.write`."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def put(self, name: str, table: pa.Table) -> pa.Table:
        self.storage.write(TableName(DEFAULT_SCHEMA, name), table.to_reader(), WriteMode.REPLACE)
        return table

    def remove(self, name: str) -> None:
        self.storage.drop(TableName(DEFAULT_SCHEMA, name))


class _Lance(_Written):
    """Lance datasets in a directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(DirectoryStorage(str(directory)))
        self._directory = directory

    def put(self, name: str, table: pa.Table) -> pa.Table:
        super().put(name, table)
        return lance.dataset(str(self._directory / f"{name}.lance")).to_table()


class _Parquet:
    """Parquet files in a directory, written beside the storage as any program may do."""

    def __init__(self, directory: Path) -> None:
        self.storage: Storage = DirectoryStorage(str(directory))
        self._directory = directory

    def put(self, name: str, table: pa.Table) -> pa.Table:
        path = self._directory / f"{name}.parquet"
        pq.write_table(table, path)
        return pq.read_table(path)

    def remove(self, name: str) -> None:
        (self._directory / f"{name}.parquet").unlink()


STORAGES: dict[str, Callable[[Path], Tables]] = {
    "memory": lambda _: _Written(InMemoryStorage()),
    "parquet": _Parquet,
    "lance": _Lance,
}

# Splits and thresholds so small that small tables really distribute: several partitions in every Exchange. The tasks of
# a scan are at most two for each slot: a query's time goes by its tasks, and more of them show nothing new.
SPREAD = RayOptions(
    executor=ExecutorOptions(ClusterOptions(workers=2, slots=2), SchedulerOptions(task_bytes=0)),
    planning=DistributedOptions(
        partitions=2,
        broadcast_bytes=64,
        gather_bytes=64,
        split_rows=4,
        slot_splits=2,
        sort_gather_bytes=64,
        reduced_bytes=0,
        written_bytes=64,
    ),
)

RUNTIMES: dict[str, Callable[[Storage], SqlRuntime]] = {
    "local": lambda storage: LocalRuntime(storage, threads=2),
    "ray": lambda storage: RayRuntime(storage, SPREAD, threads=1),
}


def make_tables(kind: str, directory: Path) -> Tables:
    """An empty storage of a kind, which may use the directory."""
    return STORAGES[kind](directory)


def query(runtime: SqlRuntime, sql: str) -> pa.Table:
    """The whole result of one statement."""
    result = runtime.execute(runtime.plan(runtime.frontend.plan(sql)))
    try:
        return pa.Table.from_batches(list(result), result.schema)
    finally:
        result.close()
