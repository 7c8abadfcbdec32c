"""One locked DuckDB instance: how it is opened and closed, its cursors, and the statements that run on them.

The instance is closed to the outside before the first statement runs: no file outside the data directories, no
extension, no Python variable and no setting can be reached by SQL.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from engine import borrowed_functions, value_bounds
from engine.cancellation import Cancellation
from engine.errors import ExecutionError
from engine.memory_watch import MemoryWatch

__all__ = ["Execution", "Instance", "KernelConfig"]

_INSIST_SECONDS = 0.01
_CLOSE_SECONDS = 10.0
_IDLE_CURSORS = 8


@dataclass(frozen=True)
class KernelConfig:
    """What a kernel may use. `memory_limit` is in bytes, `threads` a count; None lets the kernel choose.

    Files are read only below `directories`. Spill files go to a folder of this kernel's own below `spill_directory`
    (the system's temporary folder where None) and are removed with it. Where the whole process has more than
    `process_memory` bytes, the statement that most of them came with ends.
    """

    directories: tuple[str, ...] = ()
    memory_limit: int | None = None
    threads: int | None = None
    spill_directory: str | None = None
    process_memory: int | None = None


class Execution:
    """A cursor with a statement on it: an interrupt reaches it whenever it comes, and does nothing after its end."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cancellation: Cancellation | None = None) -> None:
        self.cursor = cursor
        self.grown = 0.0  # bytes of the process that count for it
        self._cancellation = cancellation
        self.begun = threading.Event()
        self._lock = threading.Lock()
        self._closed = False

    def interrupt(self) -> None:
        """Stop the statement, from any thread."""
        if self._interrupt() and not self.begun.is_set():
            # The kernel forgets an interrupt that comes before the statement runs.
            threading.Thread(target=self._insist, name="grism-interrupt", daemon=True).start()

    def exceed(self) -> None:
        """End it because it takes too much memory."""
        if self._cancellation is not None:
            self._cancellation.exceed()

    def close(self) -> None:
        """Free the cursor."""
        with self._lock:
            self._closed = True
        self.begun.set()
        self.cursor.close()

    def _insist(self) -> None:
        while not self.begun.wait(_INSIST_SECONDS) and self._interrupt():
            pass

    def _interrupt(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            try:
                self.cursor.interrupt()
            except duckdb.ConnectionException:  # its instance is closed, and with it what ran on it
                return False
            return True


class Instance:
    """An instance that is open. Thread-safe; `close()` interrupts what runs and removes the spill files.

    With `optimizers` it has these only.
    """

    def __init__(self, config: KernelConfig, optimizers: Collection[str] | None = None) -> None:
        base = config.spill_directory or tempfile.gettempdir()
        Path(base).mkdir(parents=True, exist_ok=True)
        self._spill = Path(base) / f"grism-spill-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._running: set[Execution] = set()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._closed = False
        self._database = _connect(config, self._spill, optimizers)
        self._watch = None
        if config.process_memory is not None:
            self._watch = MemoryWatch(config.process_memory, self._statements, _give_back())
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

    def begin(self, cancellation: Cancellation | None = None) -> Execution:
        """A cursor for one statement, which `close` interrupts; `end` it. Raises ExecutionError once it is closed.

        Where it takes too much memory, `cancellation` is thrown.
        """
        with self._lock:
            self._check_open()
            execution = Execution(self._database.cursor(), cancellation)
            self._running.add(execution)
        return execution

    def end(self, execution: Execution) -> None:
        """The statement is over; its cursor is closed."""
        with self._lock:
            self._running.discard(execution)
        execution.close()
        with self._ended:
            self._ended.notify_all()

    def is_valid(self) -> bool:
        """Whether new statements run: after a fatal error of the kernel none does any more."""
        try:
            probe = self.begin()
        except (duckdb.Error, ExecutionError):
            return False
        try:
            return bool(probe.cursor.execute("SELECT 1").fetchall() == [(1,)])
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
            running, idle = list(self._running), self._idle
        if self._watch is not None:
            self._watch.close()
        for execution in running:
            execution.interrupt()
        for cursor in idle:
            cursor.close()
        self._close_database()
        shutil.rmtree(self._spill, ignore_errors=True)

    def _statements(self) -> list[Execution]:
        with self._lock:
            return list(self._running)

    def retire(self) -> None:
        """Close the instance once what runs on it has ended."""
        with self._ended:
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


def _give_back() -> Callable[[], None]:
    """What returns the memory to the system that the kernel's allocator, and Arrow's, keep although nobody uses it.

    In SQL there is nothing that does. The kernel keeps a gigabyte for good where statements made large values.
    """
    spec = importlib.util.find_spec("_duckdb")
    assert spec is not None
    library = ctypes.CDLL(spec.origin)
    flush = getattr(library, "_ZN6duckdb9Allocator8FlushAllEv", None)  # duckdb::Allocator::FlushAll()

    def give_back() -> None:
        pa.default_memory_pool().release_unused()
        if flush is not None:
            flush()

    return give_back


def _connect(config: KernelConfig, spill: Path, optimizers: Collection[str] | None = None) -> duckdb.DuckDBPyConnection:
    options: dict[str, str] = {
        "temp_directory": str(spill),
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
    if optimizers is not None:
        known = [row[0] for row in database.execute("FROM duckdb_optimizers()").fetchall()]
        database.execute(f"SET GLOBAL disabled_optimizers = '{','.join(n for n in known if n not in optimizers)}'")
    allowed = "[" + ", ".join("'" + str(Path(d).resolve()).replace("'", "''") + "'" for d in config.directories) + "]"
    for statement in (
        "SET GLOBAL TimeZone = 'UTC'",
        "SET GLOBAL errors_as_json = true",
        f"SET GLOBAL allowed_directories = {allowed}",
        "SET GLOBAL enable_external_access = false",
        "SET GLOBAL lock_configuration = true",
    ):
        database.execute(statement)
    return database
