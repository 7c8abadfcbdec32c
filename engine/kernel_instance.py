"""One locked DuckDB instance: how it is opened and closed, its cursors, and the statements that run on them.

The instance is closed to the outside before the first statement runs: no file outside the data directories, no
extension, no Python variable and no setting can be reached by SQL.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from engine import borrowed_functions, value_bounds
from engine.cancellation import Cancellation
from engine.errors import ExecutionError
from engine.helper_threads import HelperThreads
from engine.kernel_cursor import KernelCursor
from engine.kernel_progress import Watch
from engine.memory_return import memory_returner
from engine.memory_watch import MemoryWatch
from engine.owned_directory import OwnedDirectory, sweep
from engine.run_progress import ResourceUse

__all__ = ["Execution", "Instance", "KernelConfig"]

_FAULTY_OPTIMIZER = "projection_pullup"
"""Of DuckDB 2.0.1: with it a query fails with an internal error that reads nothing but rows, or what a condition needs,
of a lateral relation with a computed column."""
_SPILL = "grism-spill-"  # and the process id
_INSIST_SECONDS = 0.01
_CLOSE_SECONDS = 10.0
_IDLE_CURSORS = 8
_PROGRESS = "SET enable_progress_bar = true; SET enable_progress_bar_print = false"
_PROFILE = "SET enable_profiling = 'no_output'"
_METRICS = "SET tracked_metrics = '[system.total_bytes_spilled, system.peak_buffer_memory]'"
_SETTINGS = {
    Watch.USE: "; ".join((_PROGRESS, _PROFILE, _METRICS)),
    Watch.OPERATORS: "; ".join((_PROGRESS, _PROFILE)),
}
"""Settings of one cursor, and of none once the configuration is locked. USE costs a statement 0.03 ms."""


@dataclass(frozen=True)
class KernelConfig:
    """What a kernel may use. `memory_limit` is in bytes, `threads` a count; None lets the kernel choose.

    Files are read only below `directories`. Spill files go to a folder of this kernel's own below `spill_directory`
    (the system's temporary folder where None) and are removed with it; a kernel for small things never `spills`, and
    leaves nothing behind where nobody closes it. Where the whole process has more than `process_memory` bytes, the
    statement that most of them came with ends. So many statements at a time are `observed`: they can be asked how far
    they are, and what they have used. So many are `profiled`: they tell of their operators.
    """

    directories: tuple[str, ...] = ()
    memory_limit: int | None = None
    threads: int | None = None
    spill_directory: str | None = None
    process_memory: int | None = None
    observed: int = 0
    profiled: int = 0
    spills: bool = True


class Execution:
    """A cursor with a statement on it: an interrupt reaches it whenever it comes, and does nothing after its end.

    What is watched, or `keeps` its cursor, is on one that serves others after it.
    """

    def __init__(
        self,
        cursor: KernelCursor,
        helpers: HelperThreads,
        cancellation: Cancellation | None = None,
        watch: Watch = Watch.NOTHING,
        keeps: bool = False,
    ) -> None:
        self.cursor, self.connection = cursor, cursor.connection
        self.keeps = keeps or watch is not Watch.NOTHING
        self._helpers = helpers
        self.grown = 0.0  # bytes of the process that count for it
        self.watch = watch
        self._registered: list[str] = []
        self._loaded: list[str] = []
        self._used_before: ResourceUse | None = None  # by what was loaded
        self._cancellation = cancellation
        self.begun = False  # or over
        self._lock = threading.Lock()
        self._closed = False

    def interrupt(self) -> None:
        """Stop the statement, from any thread."""
        if self._interrupt() and not self.begun:
            # The kernel forgets an interrupt that comes before the statement runs.
            self._helpers.begin(self._insist, "grism-interrupt")

    def exceed(self) -> None:
        """End it because it takes too much memory."""
        if self._cancellation is not None:
            self._cancellation.exceed()

    def register(self, name: str, data: object) -> None:
        """Let the statement read `data` by this name."""
        self.connection.register(name, data)
        self._registered.append(name)

    def load(self, name: str, data: pa.RecordBatchReader) -> None:
        """Take `data` into the kernel's own memory, where the statement reads it by this name."""
        stream = f"{name}_stream"
        self.register(stream, data)
        self._loaded.append(name)
        self.connection.execute(f'CREATE TEMP TABLE "{name}" AS FROM "{stream}"')
        self._used_before = self.resource_use()
        self.connection.abort()
        self.connection.unregister(stream)
        self._registered.remove(stream)

    def share(self) -> float | None:
        """How much is done, as the kernel says; see `ObservedStatement`."""
        with self._lock:
            if self._closed or self.watch is Watch.NOTHING:
                return None
            try:
                percent = float(self.connection.query_progress())
            except duckdb.Error:  # its instance is lost or closed
                return None
        return None if percent < 0 else min(percent / 100, 1.0)

    def resource_use(self) -> ResourceUse | None:
        """What the statement has used, before its cursor is freed; see `ObservedStatement`."""
        told = self._profiling_text(self.watch is not Watch.NOTHING)
        system = None if told is None else json.loads(told).get("system")  # missing where rows were left
        if system is None:
            return None
        used = ResourceUse(system["total_bytes_spilled"], system["peak_buffer_memory"])
        return used if self._used_before is None else used + self._used_before

    def profile(self) -> str | None:
        """What the operators of the statement did; see `ObservedStatement`."""
        return self._profiling_text(self.watch is Watch.OPERATORS)

    def _profiling_text(self, asked: bool) -> str | None:
        """What the kernel noted; None where it was not asked to, or is lost."""
        try:
            return str(self.connection.get_profiling_information()) if asked else None
        except duckdb.Error:
            return None

    def end(self) -> None:
        """The statement is over: no interrupt reaches the cursor any more."""
        with self._lock:
            self._closed = True
        self.begun = True

    def clear(self) -> None:
        """Leave nothing of the statement on the cursor, which another is to have. Raises what the kernel does."""
        self.connection.abort()
        for name in self._registered:
            self.connection.unregister(name)
        for name in self._loaded:
            self.connection.execute(f'DROP TABLE IF EXISTS temp."{name}"')
            self.connection.abort()

    def _insist(self) -> None:
        while not self.begun and self._interrupt():
            time.sleep(_INSIST_SECONDS)

    def _interrupt(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            try:
                self.connection.interrupt()
            except duckdb.ConnectionException:  # its instance is closed, and with it what ran on it
                return False
            return True


class Instance:
    """An instance that is open. Thread-safe; `close()` interrupts what runs and removes the spill files.

    With `optimizers` it has these only.
    """

    def __init__(self, config: KernelConfig, optimizers: Collection[str] | None = None) -> None:
        self._spill = _spill_directory(config) if config.spills else None
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._retires = False  # and waits for what runs to end
        self._running: set[Execution] = set()
        self._helpers = HelperThreads()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._ready: dict[Watch, list[KernelCursor]] = {watch: [] for watch in Watch}
        self._closed = False
        try:
            self._database = _connect(config, self._spill, optimizers)
        except BaseException:
            self._remove_spill()
            raise
        for watch, count in ((Watch.USE, config.observed), (Watch.OPERATORS, config.profiled)):
            for _ in range(count):
                cursor = KernelCursor(self._database.cursor())
                cursor.connection.execute(_SETTINGS[watch])
                self._ready[watch].append(cursor)
        self._database.execute("SET GLOBAL lock_configuration = true")
        self._watch = None
        if config.process_memory is not None:
            self._watch = MemoryWatch(config.process_memory, self._statements, memory_returner())
            self._watch.start()

    @contextmanager
    def binder(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a statement that binds or parses and reads no table: one that has been in use before, mostly.

        Nobody waits for another's: a parser that is busy with a large text holds nobody up.
        """
        with self._lock:
            self._check_open()
            cursor = self._idle.pop() if self._idle else self._database.cursor()
        try:
            yield cursor
        finally:
            cursor.abort()
            with self._lock:
                keep = not self._closed and len(self._idle) < _IDLE_CURSORS
                if keep:
                    self._idle.append(cursor)
            if not keep:
                cursor.close()

    def begin(
        self, cancellation: Cancellation | None = None, watch: Watch = Watch.NOTHING, *, keeps: bool = False
    ) -> Execution:
        """A cursor for one statement, which `close` interrupts; `end` it. Raises ExecutionError once it is closed.

        Where it takes too much memory, `cancellation` is thrown. It is watched where not too many are already. The next
        statement may have its cursor if it is watched or `keeps` it.
        """
        with self._lock:
            self._check_open()
            if not self._ready[watch]:
                watch = Watch.NOTHING
            ready = self._ready[watch] if keeps or watch is not Watch.NOTHING else []
            cursor = ready.pop() if ready else KernelCursor(self._database.cursor())
            execution = Execution(cursor, self._helpers, cancellation, watch, keeps)
            self._running.add(execution)
        return execution

    def end(self, execution: Execution) -> None:
        """The statement is over; its cursor is closed, or waits for another statement."""
        execution.end()
        kept = execution.keeps and self._keep(execution)
        with self._lock:
            self._running.discard(execution)
            ready = self._ready[execution.watch]
            has_room = execution.watch is not Watch.NOTHING or len(ready) < _IDLE_CURSORS
            if kept := kept and has_room and not self._closed:
                ready.append(execution.cursor)
        if not kept:
            execution.connection.close()
        if self._retires or self._closed:
            with self._ended:
                self._ended.notify_all()

    @staticmethod
    def _keep(execution: Execution) -> bool:
        """Whether the cursor is good for another statement."""
        try:
            execution.clear()
        except duckdb.Error:
            return False
        return True

    def is_busy(self) -> bool:
        """Whether statements run, or were begun and have not ended."""
        with self._lock:
            return bool(self._running)

    def is_valid(self) -> bool:
        """Whether new statements run: after a fatal error of the kernel none does any more."""
        try:
            probe = self.begin()
        except (duckdb.Error, ExecutionError):
            return False
        try:
            return bool(probe.connection.execute("SELECT 1").fetchall() == [(1,)])
        except duckdb.Error:
            return False
        finally:
            self.end(probe)

    def close(self) -> None:
        """Interrupt what runs, close the instance, remove the spill files. A second call changes nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._ended.notify_all()  # whoever waits to retire it
            ready = [cursor.connection for cursor in chain(*self._ready.values())]
            running, idle = list(self._running), [*self._idle, *ready]
        if self._watch is not None:
            self._watch.close()
        for execution in running:
            execution.interrupt()
        for cursor in idle:
            cursor.close()
        self._close_database()
        self._helpers.join(_CLOSE_SECONDS)
        self._remove_spill()

    def _remove_spill(self) -> None:
        if self._spill is not None:
            self._spill.remove()

    def _statements(self) -> list[Execution]:
        with self._lock:
            return list(self._running)

    def retire(self) -> None:
        """Close the instance once what runs on it has ended."""
        with self._ended:
            self._retires = True
            self._ended.wait_for(lambda: self._closed or not self._running)
        self.close()

    def _close_database(self) -> None:
        """Close the instance as soon as no cursor is in the middle of a call; interrupts are on their way to each."""
        give_up = time.monotonic() + _CLOSE_SECONDS
        while time.monotonic() < give_up:
            try:
                self._database.close()
            except duckdb.ResourceInUseException:
                with self._ended:
                    self._ended.wait(_INSIST_SECONDS)
            else:
                return

    def _check_open(self) -> None:
        if self._closed:
            raise ExecutionError("The kernel is closed; start the service again.")


def _spill_directory(config: KernelConfig) -> OwnedDirectory:
    """A directory for one instance; what processes left there that were killed goes. Raises OSError."""
    base = Path(config.spill_directory or tempfile.gettempdir())
    sweep(base, _SPILL)
    return OwnedDirectory(base, f"{_SPILL}{os.getpid()}-")


def _connect(
    config: KernelConfig, spill: OwnedDirectory | None, optimizers: Collection[str] | None = None
) -> duckdb.DuckDBPyConnection:
    options: dict[str, str] = {
        "temp_directory": "" if spill is None else str(spill.path),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "allow_community_extensions": "false",
        "preserve_insertion_order": "true",
    }
    if config.memory_limit is not None:
        options["memory_limit"] = f"{config.memory_limit}B"
    if config.threads is not None:
        options["threads"] = str(config.threads)
    database = duckdb.connect(":memory:", config=options)
    value_bounds.install(database)
    borrowed_functions.install(database)
    off = [_FAULTY_OPTIMIZER]
    if optimizers is not None:
        known = [row[0] for row in database.execute("FROM duckdb_optimizers()").fetchall()]
        off = [name for name in known if name not in optimizers]
    database.execute(f"SET GLOBAL disabled_optimizers = '{','.join(off)}'")
    allowed = "[" + ", ".join("'" + str(Path(d).resolve()).replace("'", "''") + "'" for d in config.directories) + "]"
    for statement in (
        "SET GLOBAL TimeZone = 'UTC'",
        "SET GLOBAL errors_as_json = true",
        f"SET GLOBAL allowed_directories = {allowed}",
        "SET GLOBAL enable_external_access = false",
    ):
        database.execute(statement)
    return database
