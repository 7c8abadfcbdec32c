"""The compute kernel: one locked DuckDB instance for a process. With `kernel_instance`, all that imports duckdb.

Every execution gets a cursor of its own, so that its temporary names, its stream and its interrupt are its own. An
instance that a fatal error has made invalid is replaced: the next statement runs on another.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from engine.arrow_fields import binding_key, has_negative_scale
from engine.binder import Binder
from engine.cache import BatchCache, LruCache
from engine.cancellation import Cancellation, current_cancellation
from engine.errors import (
    ForbiddenError,
    PlanningError,
    ResourceExhaustedError,
    SqlSyntaxError,
    StorageError,
    UnsupportedError,
)
from engine.helper_threads import HelperThreads
from engine.kernel_errors import (
    execution_error,
    is_fatal,
    planning_error,
    require_text,
    syntax_error,
    too_deep,
)
from engine.kernel_functions import KernelFunctions, read_functions
from engine.kernel_instance import Execution, Instance, KernelConfig
from engine.kernel_progress import KernelProgress, Watch
from engine.place import Place
from engine.schema import Column, RowType
from engine.streams import SlicedStream, StreamCounters, slice_stream
from engine.travel_types import Boundary, leaving_items, leaving_type

__all__ = ["Kernel", "KernelConfig", "KernelState", "KernelUsage", "quote"]

log = logging.getLogger(__name__)

ArrowData = Any  # pa.Table | pyarrow.dataset.Dataset | pa.RecordBatchReader
_CLOSE_SECONDS = 10.0
_BATCH_ROWS_OF_GREAT_SIZE = 64
_KERNEL_ERRORS = (duckdb.Error, UnicodeDecodeError)  # a message that the kernel cuts may end within a character
_KNOWN_TYPES = 4096
_LONGEST_KEPT = 256 << 10  # characters: a cursor that is kept keeps the text of its last statement
_LONG_TYPE = 2_000  # characters from which on a type is not remembered: clients can make any number of them

_NO_SELECT = "Only SELECT statements"
"""What the kernel says of a statement of another kind begins so."""


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


class KernelState(Enum):
    """What a kernel tells those who watch it."""

    LOST = auto()
    READY = auto()
    FAILED = auto()  # no instance could be opened in the place of the lost one: every statement fails


@dataclass(frozen=True)
class KernelUsage:
    """Bytes of an instance's buffers, and of the files that it spills to."""

    memory: int
    spilled: int


class Kernel:
    """A locked kernel instance. Thread-safe; `close()` interrupts what runs and removes the spill files."""

    _functions: ClassVar[KernelFunctions | None] = None  # asked for once: it takes a third of an instance's start

    def __init__(self, config: KernelConfig | None = None) -> None:
        self.config = config or KernelConfig()
        self.losses = 0  # instances that a fatal error has made invalid
        self._lock = threading.Lock()
        self._watchers: list[Callable[[KernelState], None]] = []
        self._closed = False
        try:
            self._instance = Instance(self.config)
        except OSError as error:
            why = f"{self.config.spill_directory or tempfile.gettempdir()}: {error.strerror or error}"
            raise StorageError(f"There is no place for spill files in {why}; name another folder.") from None
        self.binder = Binder()
        self._retiring: set[Instance] = set()  # lost, but for what still runs on them
        self._helpers = HelperThreads()
        self._arrow_types: BatchCache[str, pa.Field] = BatchCache(_KNOWN_TYPES, self._bind_types, _type_key)
        self._named_types: LruCache[str, bool] = LruCache(_KNOWN_TYPES)
        self._kernel_types: BatchCache[pa.Field, str] = BatchCache(_KNOWN_TYPES, self._bind_fields, binding_key)

    @property
    def functions(self) -> KernelFunctions:
        """Those of every kernel in this process."""
        if Kernel._functions is None:
            with self._binder() as binder:
                Kernel._functions = read_functions(binder)
        return Kernel._functions

    def parse(self, text: str) -> dict[str, Any]:
        """The syntax tree of one SELECT, as the kernel's own JSON.

        Raises SqlSyntaxError with line and column, UnsupportedError for what the kernel itself does not take yet, and
        ForbiddenError for any other kind of statement.
        """
        require_text(text)
        written = self._scalar("SELECT json_serialize_sql(?)", text)
        if not written:  # its message ends within a character of the text
            raise SqlSyntaxError("a constant in the statement is malformed, such as B'...' of what are no bits")
        try:
            answer = json.loads(written)
        except RecursionError:
            raise too_deep() from None
        if answer["error"]:
            if answer.get("error_type") == "not implemented":
                if not answer["error_message"].startswith(_NO_SELECT):
                    raise UnsupportedError(f"{answer['error_message'].rstrip('.!')}.")
                raise ForbiddenError(
                    "Statements of this kind are not run here; SELECT is, and what changes tables. "
                    "PIVOT needs a list of its values."
                )
            raise syntax_error(text, answer)
        statements = answer.get("statements") or []
        if not statements:
            raise SqlSyntaxError("the statement is empty", Place(text, 0))
        if len(statements) > 1:
            raise ForbiddenError(f"One statement at a time; this text has {len(statements)}.")
        node: dict[str, Any] = statements[0]
        return node

    def unparse(self, statement: dict[str, Any]) -> str:
        """The text of a syntax tree that `parse` gave."""
        document = json.dumps({"error": False, "statements": [statement]})
        return str(self._scalar("SELECT json_deserialize_sql(?)", document))

    def describe(self, sql: str) -> RowType:
        """The output columns of a SELECT; runs nothing. Of one over tables, `binder` tells them.

        Raises the planning errors: UnknownColumnError, TypeMismatchError, SqlSyntaxError, UnsupportedError.
        """
        cancellation = current_cancellation()
        cancellation.check()
        with self._errors() as instance:
            execution = instance.begin(cancellation)
            forget = cancellation.on_cancel(execution.interrupt)
            try:
                rows = execution.connection.execute("DESCRIBE " + sql).fetchall()
            finally:
                forget()
                instance.end(execution)
        return tuple(Column(row[0], row[1]) for row in rows)

    @contextmanager
    def _binder(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a statement that reads no table. What fails on it leaves as a planning error."""
        current_cancellation().check()
        with self._errors() as instance, instance.binder() as cursor:
            yield cursor

    @contextmanager
    def _errors(self) -> Iterator[Instance]:
        """The instance, whose errors leave as planning errors, or as the cause where planning was stopped."""
        instance = self._current()
        try:
            yield instance
        except _KERNEL_ERRORS as error:
            self._look_after(instance, error)
            current_cancellation().check()
            raise planning_error(error) from None

    def arrow_schema(self, columns: RowType, boundary: Boundary = Boundary.CLIENT) -> pa.Schema:
        """The Arrow schema in which these columns leave for a boundary; names as they are, repeated ones too."""
        fields = self._arrow_types.get([leaving_type(c.type, boundary) for c in columns])
        return pa.schema([f.with_name(c.name) for f, c in zip(fields, columns, strict=True)])

    def is_type(self, text: str) -> bool:
        """Whether `text` is a type, written as the kernel writes it."""
        known = self._named_types.get(text)
        if known is None:
            try:
                known = self.describe(f"SELECT NULL::{text} AS x") == (Column("x", text),)
            except PlanningError:
                known = False
            if _type_key(text) is not None:
                self._named_types.put(text, known)
        return known

    def _bind_types(self, kinds: list[str]) -> list[pa.Field]:
        """The Arrow fields in which columns of these types leave as they are."""
        items = ", ".join(f"NULL::{kind} AS c{i}" for i, kind in enumerate(kinds))
        with self._binder() as binder:
            try:
                reader = binder.sql(f"SELECT {items} LIMIT 0").to_arrow_reader(1)
            except pa.ArrowInvalid:
                raise UnsupportedError("A type is nested deeper than the 64 levels that Arrow carries.") from None
            except (duckdb.ParserException, duckdb.CatalogException):  # a type that has no name, and so no cast to it
                raise UnsupportedError(
                    f"Results cannot have columns of these types: {', '.join(sorted(set(kinds)))}. "
                    "Leave out those that are empty tuples or states of aggregates."
                ) from None
            fields = list(reader.schema)
            reader.close()
        return fields

    def column_types(self, source: ArrowData) -> RowType:
        """The kernel's types for the columns of Arrow data; UnsupportedError for one that it cannot read."""
        kinds = self._kernel_types.get(list(source.schema))
        return tuple(Column(field.name, kind) for field, kind in zip(source.schema, kinds, strict=True))

    def _bind_fields(self, fields: list[pa.Field]) -> list[str]:
        """The types that columns of these fields have in the kernel."""
        try:
            return self._describe_fields(fields)
        except UnsupportedError:
            for field in fields if len(fields) > 1 else ():  # one of them raises, and names itself
                self._describe_fields([field])
            raise

    def _describe_fields(self, fields: list[pa.Field]) -> list[str]:
        if any(has_negative_scale(field.type) for field in fields):
            raise _unreadable(fields)
        schema = pa.schema([field.with_name(f"c{i}") for i, field in enumerate(fields)])
        with self._binder() as binder:
            try:
                binder.register("described", pa.Table.from_batches([], schema))
            except duckdb.NotImplementedException:
                raise _unreadable(fields) from None
            try:
                rows = binder.execute("DESCRIBE FROM described").fetchall()
            finally:
                binder.abort()
                binder.unregister("described")
        return [str(row[1]) for row in rows]

    def stream(
        self,
        sql: str,
        sources: Mapping[str, ArrowData] | None = None,
        cancellation: Cancellation | None = None,
        on_close: Callable[[StreamCounters], None] | None = None,
        resident: bool = False,
        boundary: Boundary = Boundary.CLIENT,
        columns: RowType | None = None,
        progress: KernelProgress | None = None,
    ) -> SlicedStream:
        """Run a SELECT and stream its rows. `sources` are registered for this statement only.

        Columns of types that Arrow has not leave as `engine.travel_types` tells for the `boundary`. Who knows the
        `columns` already spares the kernel to bind the statement once more.
        With `resident`, streamed sources are first loaded into the kernel's own memory, where they count against its
        limit and may spill: of a stream the kernel knows no size, and would join in the worst of orders.
        The stream frees everything at its end, on an error or when it is released. Cancelling interrupts it. `progress`
        follows it.
        """
        cancellation = cancellation or Cancellation()
        given = sources or {}
        left = boundary if columns is None else None
        if columns is not None and (items := leaving_items([(c.name, c.type) for c in columns], boundary)):
            sql = f"SELECT {', '.join(items)} FROM ({sql})"
        try:
            return self._start(sql, given, cancellation, on_close, resident, left, progress)
        except ResourceExhaustedError:  # values so large that the usual rows do not fit into a batch
            if any(isinstance(data, pa.RecordBatchReader) for data in given.values()):
                raise
        return self._start(sql, given, cancellation, on_close, resident, left, progress, _BATCH_ROWS_OF_GREAT_SIZE)

    def _start(
        self,
        sql: str,
        sources: Mapping[str, ArrowData],
        cancellation: Cancellation,
        on_close: Callable[[StreamCounters], None] | None,
        resident: bool,
        boundary: Boundary | None,
        progress: KernelProgress | None,
        batch_rows: int | None = None,
    ) -> SlicedStream:
        """As `stream`; without a `boundary`, columns leave as they are."""
        cancellation.check()
        instance = self._current()
        execution = self._begin(instance, sql, cancellation, progress)
        forget = cancellation.on_cancel(execution.interrupt)
        # What the stream calls at its end must not hold the stream.
        counters: StreamCounters | None = None

        def finish() -> None:
            forget()
            if progress is not None:
                progress.end()
            instance.end(execution)
            if counters is None:
                return
            self._look_at_end(instance, counters, cancellation)
            if on_close is not None:
                on_close(counters)

        try:
            _offer(execution, sources, resident, progress)
            leaving = None if boundary is None else partial(_project_leaving, boundary)
            reader = execution.cursor.stream(sql, leaving, batch_rows)
        except _KERNEL_ERRORS as error:
            error.__traceback__ = None  # its frames hold what was computed, and a cancellation may keep the error
            finish()
            self._look_after(instance, error)
            cancellation.check()
            raise execution_error(error) from None
        except BaseException:
            finish()
            raise
        stream = slice_stream(reader, on_close=finish)
        del reader  # as tracebacks of later errors would: what it computes is the stream's alone
        counters = stream.counters
        self._prime(stream, instance, execution, cancellation)
        return stream

    def _prime(
        self, stream: SlicedStream, instance: Instance, execution: Execution, cancellation: Cancellation
    ) -> None:
        """Wait for the first batch of a stream, so that what fails before it is told by an error of ours."""
        try:
            stream.prime()
        except OSError as error:
            self._look_after(instance, error)
            cancellation.check()
            raise execution_error(error) from None
        finally:
            execution.begun = True
        if cancellation.is_cancelled:
            stream.reader.close()
            cancellation.check()

    def _begin(
        self, instance: Instance, sql: str, cancellation: Cancellation, progress: KernelProgress | None
    ) -> Execution:
        """A cursor for the text, which is kept for others after it and watched, but not where the text is long."""
        is_long = len(sql) > _LONGEST_KEPT
        watch = Watch.NOTHING if progress is None or is_long else progress.watch
        try:
            return instance.begin(cancellation, watch, keeps=not is_long)
        except duckdb.Error as error:
            self._look_after(instance, error)
            raise execution_error(error) from None

    def usage(self) -> KernelUsage:
        """What the instance holds now."""
        with self._binder() as cursor:
            cursor.execute("SELECT sum(memory_usage_bytes), sum(temporary_storage_bytes) FROM duckdb_memory()")
            memory, spilled = cursor.fetchall()[0]
        return KernelUsage(int(memory or 0), int(spilled or 0))

    def watch(self, tell: Callable[[KernelState], None]) -> None:
        """Call `tell` when a fatal error has made the instance invalid, and again with what came of replacing it."""
        self._watchers.append(tell)

    def close(self) -> None:
        """Interrupt what runs, close the instance, remove the spill files. A second call changes nothing."""
        with self._lock:
            self._closed = True
            instances = [self._instance, *self._retiring]
        for instance in instances:
            instance.close()
        self.binder.close()
        self._helpers.join(_CLOSE_SECONDS)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _current(self) -> Instance:
        with self._lock:  # which is held while an instance is replaced
            return self._instance

    def _look_after(self, instance: Instance, error: BaseException) -> None:
        """Replace `instance` where `error` tells that it is invalid."""
        if is_fatal(error):
            self._replace_lost(instance)

    def _look_at_end(self, instance: Instance, counters: StreamCounters, cancellation: Cancellation) -> None:
        """Replace `instance` where it is invalid, at the end of a stream whose error went to who read it."""
        if counters.has_failed and not counters.is_stopped and not cancellation.is_cancelled:
            self._look_later(instance)

    def _look_later(self, instance: Instance) -> None:
        """Replace `instance` where it is invalid, without delay for the caller."""
        if not self._closed:
            self._helpers.begin(lambda: self._replace_lost(instance), "grism-kernel-check")

    def _replace_lost(self, instance: Instance) -> None:
        if instance.is_valid():
            return
        with self._lock:
            if self._closed or instance is not self._instance:
                return
            self.losses += 1
            log.error("a fatal error has made the kernel invalid; it is replaced")
            self._tell(KernelState.LOST)
            try:
                self._instance = Instance(self.config)
            except (duckdb.Error, OSError):
                log.exception("the kernel could not be replaced")
                self._tell(KernelState.FAILED)
                return
            self._retiring.add(instance)
            self._tell(KernelState.READY)
        self._helpers.begin(lambda: self._retire(instance), "grism-kernel-retire")

    def _retire(self, instance: Instance) -> None:
        instance.retire()
        with self._lock:
            self._retiring.discard(instance)

    def _tell(self, state: KernelState) -> None:
        for tell in self._watchers:
            tell(state)

    def _scalar(self, sql: str, text: str) -> Any:
        with self._binder() as binder:
            row = binder.execute(sql, [text]).fetchone()
        return row[0] if row else None


def _unreadable(fields: Iterable[pa.Field]) -> UnsupportedError:
    named = ", ".join(f'"{field.name}" of type {field.type}' for field in fields)
    return UnsupportedError(f"Queries cannot read the column {named}; cast it before it is stored.")


def _type_key(kind: str) -> str | None:
    return kind if len(kind) <= _LONG_TYPE else None


def _project_leaving(boundary: Boundary, relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """`relation` with the columns that leave the kernel for it."""
    columns = list(zip(relation.columns, map(str, relation.types), strict=True))
    items = leaving_items(columns, boundary)
    return relation if items is None else relation.project(", ".join(items))


def _offer(
    execution: Execution, sources: Mapping[str, ArrowData], resident: bool, progress: KernelProgress | None
) -> None:
    """Let a statement read `sources`, streams first of all into the kernel's memory where they are to be `resident`."""
    streams = {name for name, data in sources.items() if isinstance(data, pa.RecordBatchReader)}
    if progress is not None:
        progress.begin(execution, 1 + (len(streams) if resident else 0))
    for name, data in sources.items():
        if progress is not None:
            data = progress.count_rows(name, data) if name in streams else progress.leave_uncounted(data)
        if resident and name in streams:
            execution.load(name, data)
            if progress is not None:
                progress.step()
        else:
            execution.register(name, data)
