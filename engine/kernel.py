"""The compute kernel: one locked DuckDB instance for a process. The only module that imports duckdb.

Every execution gets a cursor of its own, so that its temporary names, its stream and its interrupt are its own. The
instance is closed to the outside before the first statement runs: no file outside the data directories, no extension,
no Python variable and no setting can be reached by SQL.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from engine.arrow_fields import binding_key, has_negative_scale
from engine.cache import BatchCache, LruCache
from engine.context import Cancellation, current_cancellation
from engine.errors import (
    ExecutionError,
    ForbiddenError,
    PlanningError,
    ResourceExhaustedError,
    SqlSyntaxError,
    UnsupportedError,
)
from engine.kernel_errors import (
    execution_error,
    planning_error,
    require_text,
    syntax_error,
    too_deep,
)
from engine.schema import Column, RowType
from engine.streams import SlicedStream, StreamCounters, sliced
from engine.travel_types import Boundary, leaving_items, leaving_type

__all__ = ["Kernel", "KernelConfig", "quote"]

ArrowData = Any  # pa.Table | pyarrow.dataset.Dataset | pa.RecordBatchReader
_BATCH_BYTES = 32 << 20  # that the kernel may gather for an Arrow batch, outside of its memory limit
_BATCH_ROWS = 32_768
_BATCH_ROWS_OF_ANY_SIZE = 16_384
_BATCH_ROWS_OF_GREAT_SIZE = 64
_BYTES_OF_ANY_SIZE = 64  # what a text or a list is taken for
_OF_ANY_SIZE = frozenset(
    {"varchar", "blob", "bit", "list", "map", "struct", "array", "union", "bignum", "variant", "geometry"}
)
_KERNEL_ERRORS = (duckdb.Error, UnicodeDecodeError)  # a message that the kernel cuts may end within a character
_INSIST_SECONDS = 0.01
_CLOSE_SECONDS = 10.0
_KNOWN_TYPES = 4096
_LONG_TYPE = 2_000  # characters from which on a type is not remembered: clients can make any number of them
_LONG_TEXT = 50_000  # characters from which on a text has a cursor of its own: others would wait for the shared one


@dataclass(frozen=True)
class KernelConfig:
    """What a kernel may use. `memory_limit` is in bytes, `threads` a count; None lets the kernel choose.

    Files are read only below `directories`. Spill files go to a folder of this kernel's own below `spill_directory`
    (the system's temporary folder where None) and are removed with it.
    """

    directories: tuple[str, ...] = ()
    memory_limit: int | None = None
    threads: int | None = None
    spill_directory: str | None = None


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


class Kernel:
    """A locked kernel instance. Thread-safe; `close()` interrupts what runs and removes the spill files."""

    def __init__(self, config: KernelConfig | None = None) -> None:
        self.config = config or KernelConfig()
        base = self.config.spill_directory or tempfile.gettempdir()
        Path(base).mkdir(parents=True, exist_ok=True)
        self._spill = Path(base) / f"grism-spill-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._running: set[_Execution] = set()
        self._closed = False
        self._database = _connect(self.config, self._spill)
        self._binder = self._database.cursor()
        self._binder_lock = threading.Lock()
        self.aggregates = self._aggregate_functions()
        self._arrow_types: BatchCache[str, pa.Field] = BatchCache(_KNOWN_TYPES, self._bind_types, _type_key)
        self._named_types: LruCache[str, bool] = LruCache(_KNOWN_TYPES)
        self._kernel_types: BatchCache[pa.Field, str] = BatchCache(_KNOWN_TYPES, self._bind_fields, binding_key)

    def parse(self, text: str) -> dict[str, Any]:
        """The syntax tree of one SELECT, as the kernel's own JSON.

        Raises SqlSyntaxError with line and column, and ForbiddenError for any other kind of statement.
        """
        require_text(text)
        try:
            answer = json.loads(self._scalar("SELECT json_serialize_sql(?)", text))
        except RecursionError:
            raise too_deep() from None
        if answer["error"]:
            if answer.get("error_type") == "not implemented":
                raise ForbiddenError("Only SELECT statements are run here; this is another kind of statement.")
            raise syntax_error(answer["error_message"], text, answer.get("position"))
        statements = answer.get("statements") or []
        if not statements:
            raise SqlSyntaxError("the statement is empty", 1, 1)
        if len(statements) > 1:
            raise ForbiddenError(f"One statement at a time; this text has {len(statements)}.")
        node: dict[str, Any] = statements[0]
        return node

    def unparse(self, statement: dict[str, Any]) -> str:
        """The text of a syntax tree that `parse` gave."""
        document = json.dumps({"error": False, "statements": [statement]})
        return str(self._scalar("SELECT json_deserialize_sql(?)", document))

    def describe(self, sql: str, tables: Mapping[str, RowType] | None = None) -> RowType:
        """The output columns of a SELECT over `tables`, which are known by their columns only; runs nothing.

        Raises the planning errors: UnknownColumnError, TypeMismatchError, SqlSyntaxError, UnsupportedError.
        """
        with self._typed(tables or {}) as cursor:
            rows = cursor.execute("DESCRIBE " + sql).fetchall()
        return tuple(Column(row[0], row[1]) for row in rows)

    def parameter_types(self, sql: str, tables: Mapping[str, RowType] | None = None) -> dict[str, str]:
        """The kernel's type for each parameter of a SELECT, by name; nothing where the text leaves a type open."""
        with self._typed(tables or {}) as cursor:
            rows = cursor.execute("SELECT json_serialize_plan(?)", [sql]).fetchall()
        pending: list[Any] = [json.loads(rows[0][0])]
        types: dict[str, str] = {}
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                if value.get("expression_class") == "BOUND_PARAMETER":
                    types[str(value["identifier"])] = _type_text(value["return_type"])
                pending.extend(value.values())
            elif isinstance(value, list):
                pending.extend(value)
        return types

    @contextmanager
    def _typed(self, tables: Mapping[str, RowType]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on which `tables` can be named; it has their columns and no rows.

        What fails on it leaves as a planning error. The current cancellation interrupts it.
        """
        cancellation = current_cancellation()
        cancellation.check()
        cursor = self._cursor()
        execution = _Execution(cursor)
        forget = cancellation.on_cancel(execution.interrupt)
        try:
            for name, columns in tables.items():
                items = ", ".join(f"NULL::{c.type} AS {quote(c.name)}" for c in columns)
                cursor.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT {items} LIMIT 0")
                cursor.abort()
            yield cursor
        except _KERNEL_ERRORS as error:
            cancellation.check()
            raise planning_error(error, [c.name for columns in tables.values() for c in columns]) from None
        finally:
            forget()
            execution.close()

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
        with self._binder_lock:
            self._check_open()
            try:
                reader = self._binder.sql(f"SELECT {items} LIMIT 0").to_arrow_reader(1)
            except pa.ArrowInvalid:
                raise UnsupportedError("A type is nested deeper than the 64 levels that Arrow carries.") from None
            except (duckdb.ParserException, duckdb.CatalogException):  # a type that has no name, and so no cast to it
                raise UnsupportedError(
                    f"Results cannot have columns of these types: {', '.join(sorted(set(kinds)))}. "
                    "Leave out those that are empty tuples or states of aggregates."
                ) from None
            except _KERNEL_ERRORS as error:
                raise planning_error(error) from None
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
        with self._binder_lock:
            self._check_open()
            try:
                self._binder.register("described", pa.Table.from_batches([], schema))
            except duckdb.NotImplementedException:
                raise _unreadable(fields) from None
            try:
                rows = self._binder.execute("DESCRIBE FROM described").fetchall()
            except _KERNEL_ERRORS as error:
                raise planning_error(error) from None
            finally:
                self._binder.abort()
                self._binder.unregister("described")
        return [str(row[1]) for row in rows]

    def stream(
        self,
        sql: str,
        sources: Mapping[str, ArrowData] | None = None,
        cancellation: Cancellation | None = None,
        on_close: Callable[[StreamCounters], None] | None = None,
        resident: bool = False,
        boundary: Boundary = Boundary.CLIENT,
    ) -> SlicedStream:
        """Run a SELECT and stream its rows. `sources` are registered for this statement only.

        Columns of types that Arrow has not leave as `engine.travel_types` tells for the `boundary`.
        With `resident`, streamed sources are first loaded into the kernel's own memory, where they count against its
        limit and may spill: of a stream the kernel knows no size, and would join in the worst of orders.
        The stream frees everything at its end, on an error or when it is released. Cancelling interrupts it.
        """
        cancellation = cancellation or Cancellation()
        given = sources or {}
        try:
            return self._start(sql, given, cancellation, on_close, resident, boundary)
        except ResourceExhaustedError:  # values so large that the usual rows do not fit into a batch
            if any(isinstance(data, pa.RecordBatchReader) for data in given.values()):
                raise
        return self._start(sql, given, cancellation, on_close, resident, boundary, _BATCH_ROWS_OF_GREAT_SIZE)

    def _start(
        self,
        sql: str,
        sources: Mapping[str, ArrowData],
        cancellation: Cancellation,
        on_close: Callable[[StreamCounters], None] | None,
        resident: bool,
        boundary: Boundary,
        batch_rows: int | None = None,
    ) -> SlicedStream:
        cancellation.check()
        cursor = self._cursor()
        execution = _Execution(cursor)
        forget = cancellation.on_cancel(execution.interrupt)
        with self._lock:
            self._running.add(execution)
        # What the stream calls at its end must not hold the stream.
        counters: StreamCounters | None = None

        def finish() -> None:
            forget()
            with self._lock:
                self._running.discard(execution)
            execution.close()
            with self._ended:
                self._ended.notify_all()
            if on_close is not None and counters is not None:
                on_close(counters)

        try:
            for name, data in sources.items():
                if resident and isinstance(data, pa.RecordBatchReader):
                    _load(cursor, name, data)
                else:
                    cursor.register(name, data)
            relation = _leaving(cursor.sql(sql), boundary)
            reader = relation.to_arrow_reader(batch_rows or _batch_rows(kind.id for kind in relation.types))
        except _KERNEL_ERRORS as error:
            finish()
            cancellation.check()
            raise execution_error(error) from None
        except BaseException:
            finish()
            raise
        stream = sliced(reader, on_close=finish)
        counters = stream.counters
        try:
            stream.prime()
        except OSError as error:
            cancellation.check()
            raise execution_error(error) from None
        finally:
            execution.begun.set()
        if cancellation.cancelled:
            stream.reader.close()
            cancellation.check()
        return stream

    def close(self) -> None:
        """Interrupt what runs, close the instance, remove the spill files. A second call changes nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = list(self._running)
        for execution in running:
            execution.interrupt()
        with self._binder_lock:
            self._binder.close()
        self._close_database()
        shutil.rmtree(self._spill, ignore_errors=True)

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

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ExecutionError("The kernel is closed; start the service again.")

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            self._check_open()
            return self._database.cursor()

    def _scalar(self, sql: str, text: str) -> Any:
        current_cancellation().check()
        if len(text) > _LONG_TEXT:
            with self._typed({}) as cursor:
                row = cursor.execute(sql, [text]).fetchone()
            return row[0] if row else None
        with self._binder_lock:
            self._check_open()
            try:
                row = self._binder.execute(sql, [text]).fetchone()
            except _KERNEL_ERRORS as error:
                raise planning_error(error) from None
            finally:
                self._binder.abort()
        return row[0] if row else None

    def _aggregate_functions(self) -> frozenset[str]:
        """The names of the aggregates, and of the macros that stand for some."""
        rows = self._binder.execute(
            "SELECT function_name, function_type, coalesce(macro_definition, '') FROM duckdb_functions()"
        ).fetchall()
        known = {str(name) for name, kind, _ in rows if kind == "aggregate"}
        macros = {str(name): set(re.findall(r"\b(\w++)\(", text)) for name, kind, text in rows if kind == "macro"}
        while found := {name for name, called in macros.items() if called & known} - known:
            known |= found
        return frozenset(known)


def _unreadable(fields: Iterable[pa.Field]) -> UnsupportedError:
    named = ", ".join(f'"{field.name}" of type {field.type}' for field in fields)
    return UnsupportedError(f"Queries cannot read the column {named}; cast it before it is stored.")


def _type_key(kind: str) -> str | None:
    return kind if len(kind) <= _LONG_TYPE else None


def _batch_rows(kinds: Iterable[str]) -> int:
    """The rows of an Arrow batch of columns of these types."""
    width, most = 0, _BATCH_ROWS
    for kind in kinds:
        if kind in _OF_ANY_SIZE:
            most = _BATCH_ROWS_OF_ANY_SIZE
        width += _BYTES_OF_ANY_SIZE if kind in _OF_ANY_SIZE else 16
    return max(1, min(most, _BATCH_BYTES // max(1, width)))


class _Execution:
    """A cursor with a statement on it: an interrupt reaches it whenever it comes, and does nothing after its end."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.begun = threading.Event()
        self._cursor = cursor
        self._lock = threading.Lock()
        self._closed = False

    def interrupt(self) -> None:
        """Stop the statement, from any thread."""
        if self._interrupt() and not self.begun.is_set():
            # The kernel forgets an interrupt that comes before the statement runs.
            threading.Thread(target=self._insist, name="grism-interrupt", daemon=True).start()

    def close(self) -> None:
        """Free the cursor."""
        with self._lock:
            self._closed = True
        self.begun.set()
        self._cursor.close()

    def _insist(self) -> None:
        while not self.begun.wait(_INSIST_SECONDS) and self._interrupt():
            pass

    def _interrupt(self) -> bool:
        with self._lock:
            if not self._closed:
                self._cursor.interrupt()
            return not self._closed


def _connect(config: KernelConfig, spill: Path) -> duckdb.DuckDBPyConnection:
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


def _type_text(kind: dict[str, Any]) -> str:
    """A type of a serialised plan as text."""
    info = kind.get("type_info") or {}
    if info.get("alias"):
        return str(info["alias"])
    members = [f"{quote(m['first'])} {_type_text(m['second'])}" for m in info.get("child_types") or []]
    match kind["id"]:
        case "DECIMAL":
            return f"DECIMAL({info['width']},{info['scale']})"
        case "LIST":
            return _type_text(info["child_type"]) + "[]"
        case "ARRAY":
            return f"{_type_text(info['child_type'])}[{info['size']}]"
        case "STRUCT":
            return f"STRUCT({', '.join(members)})"
        case "UNION":
            return f"UNION({', '.join(members[1:])})"  # the first member is the tag
        case "MAP":
            entries = info["child_type"]["type_info"]["child_types"]
            return f"MAP({', '.join(_type_text(entry['second']) for entry in entries)})"
        case "ENUM":
            return "ENUM(" + ", ".join("'" + str(value).replace("'", "''") + "'" for value in info["values"]) + ")"
    return str(kind["id"])


def _leaving(relation: duckdb.DuckDBPyRelation, boundary: Boundary) -> duckdb.DuckDBPyRelation:
    """`relation` with the columns that leave the kernel for it."""
    columns = list(zip(relation.columns, map(str, relation.types), strict=True))
    items = leaving_items(columns, boundary)
    return relation if items is None else relation.project(", ".join(items))


def _load(cursor: duckdb.DuckDBPyConnection, name: str, data: pa.RecordBatchReader) -> None:
    """Make `data` a temporary table of the cursor."""
    stream = f"{name}_stream"
    cursor.register(stream, data)
    cursor.execute(f"CREATE TEMP TABLE {quote(name)} AS FROM {quote(stream)}")
    cursor.abort()
    cursor.unregister(stream)
