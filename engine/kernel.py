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
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from engine.context import Cancellation
from engine.errors import (
    DataCorruptError,
    ExecutionError,
    ForbiddenError,
    GrismError,
    InvalidValueError,
    MemoryExceededError,
    PlanningError,
    SqlSyntaxError,
    StorageError,
    TypeMismatchError,
    UnknownColumnError,
    UnsupportedError,
    nearest,
)
from engine.schema import Column, RowType
from engine.streams import SlicedStream, StreamCounters, sliced

__all__ = ["Kernel", "KernelConfig", "arrow_error", "quote"]

ArrowData = Any  # pa.Table | pyarrow.dataset.Dataset | pa.RecordBatchReader
BATCH_ROWS = 131_072
_NO_COLUMN = re.compile(r"does not have a column named|^Column .* does not exist on \w+ side of join")


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
        self._running: dict[int, duckdb.DuckDBPyConnection] = {}
        self._closed = False
        self._database = _connect(self.config, self._spill)
        self._binder = self._database.cursor()
        self._binder_lock = threading.Lock()
        self.aggregates = self._functions("aggregate")

    def parse(self, text: str) -> dict[str, Any]:
        """The syntax tree of one SELECT, as the kernel's own JSON.

        Raises SqlSyntaxError with line and column, and ForbiddenError for any other kind of statement.
        """
        try:
            answer = json.loads(self._scalar("SELECT json_serialize_sql(?)", text))
        except RecursionError:
            raise UnsupportedError("The statement is nested too deeply; break it into CTEs.") from None
        if answer["error"]:
            if answer.get("error_type") == "not implemented":
                raise ForbiddenError("Only SELECT statements are run here; this is another kind of statement.")
            raise _syntax_error(answer["error_message"], text, answer.get("position"))
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
            try:
                rows = cursor.execute("DESCRIBE " + sql).fetchall()
            except duckdb.Error as error:
                raise planning_error(error, sql) from None
        return tuple(Column(row[0], row[1]) for row in rows)

    def parameter_types(self, sql: str, tables: Mapping[str, RowType] | None = None) -> dict[str, str]:
        """The kernel's type for each parameter of a SELECT, by name; ``UNKNOWN`` where the text does not tell."""
        name = f"p{uuid.uuid4().hex}"
        with self._typed(tables or {}) as cursor:
            try:
                cursor.execute(f"PREPARE {name} AS {sql}")
                cursor.abort()
                rows = cursor.execute(
                    "SELECT parameter_types FROM duckdb_prepared_statements() WHERE name = ?", [name]
                ).fetchall()
            except duckdb.Error as error:
                raise planning_error(error, sql) from None
        types = rows[0][0] if rows and rows[0][0] else []
        return {str(i + 1): str(t) for i, t in enumerate(types)}

    @contextmanager
    def _typed(self, tables: Mapping[str, RowType]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on which `tables` can be named; it has their columns and no rows."""
        cursor = self._cursor()
        try:
            for name, columns in tables.items():
                items = ", ".join(f"NULL::{c.type} AS {quote(c.name)}" for c in columns)
                cursor.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT {items} LIMIT 0")
                cursor.abort()
            yield cursor
        finally:
            cursor.close()

    def arrow_schema(self, columns: RowType) -> pa.Schema:
        """The Arrow schema in which these columns leave the kernel; names as they are, repeated ones too."""
        if not columns:
            return pa.schema([])
        items = ", ".join(f"NULL::{c.type} AS c{i}" for i, c in enumerate(columns))
        with self._binder_lock:
            self._check_open()
            reader = self._binder.sql(f"SELECT {items} LIMIT 0").to_arrow_reader(1)
            schema = reader.schema
            reader.close()
        return pa.schema([f.with_name(c.name) for f, c in zip(schema, columns, strict=True)])

    def column_types(self, source: ArrowData) -> RowType:
        """The kernel's types for the columns of Arrow data."""
        empty = pa.table({f.name: pa.array([], f.type) for f in source.schema}, schema=source.schema)
        with self._binder_lock:
            self._check_open()
            self._binder.register("described", empty)
            try:
                rows = self._binder.execute("DESCRIBE FROM described").fetchall()
            except duckdb.Error as error:
                raise planning_error(error, "") from None
            finally:
                self._binder.abort()
                self._binder.unregister("described")
        return tuple(Column(row[0], row[1]) for row in rows)

    def stream(
        self,
        sql: str,
        sources: Mapping[str, ArrowData] | None = None,
        cancellation: Cancellation | None = None,
        on_close: Callable[[StreamCounters], None] | None = None,
        resident: bool = False,
    ) -> SlicedStream:
        """Run a SELECT and stream its rows. `sources` are registered for this statement only.

        With `resident`, streamed sources are first loaded into the kernel's own memory, where they count against its
        limit and may spill: of a stream the kernel knows no size, and would join in the worst of orders.
        The stream frees everything at its end, on an error or when it is released. Cancelling interrupts it.
        """
        cancellation = cancellation or Cancellation()
        cancellation.check()
        cursor = self._cursor()
        forget = cancellation.on_cancel(cursor.interrupt)
        with self._lock:
            self._running[id(cursor)] = cursor

        stream: SlicedStream | None = None

        def release() -> None:
            forget()
            with self._lock:
                self._running.pop(id(cursor), None)
            cursor.close()

        def finish() -> None:
            release()
            if on_close is not None and stream is not None:
                on_close(stream.counters)

        try:
            for name, data in (sources or {}).items():
                if resident and isinstance(data, pa.RecordBatchReader):
                    _load(cursor, name, data)
                else:
                    cursor.register(name, data)
            reader = cursor.sql(sql).to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            release()
            cancellation.check()
            raise execution_error(error) from None
        except BaseException:
            release()
            raise
        stream = sliced(reader, on_close=finish)
        try:
            stream.prime()
        except OSError as error:
            cancellation.check()
            raise arrow_error(error) from None
        return stream

    def close(self) -> None:
        """Interrupt what runs, close the instance, remove the spill files. A second call changes nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = list(self._running.values())
        for cursor in running:
            cursor.interrupt()
        with self._binder_lock:
            self._binder.close()
            self._database.close()
        shutil.rmtree(self._spill, ignore_errors=True)

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

    def _scalar(self, sql: str, *parameters: object) -> Any:
        with self._binder_lock:
            self._check_open()
            try:
                row = self._binder.execute(sql, list(parameters)).fetchone()
            except duckdb.Error as error:
                raise planning_error(error, "") from None
            finally:
                self._binder.abort()
        return row[0] if row else None

    def _functions(self, kind: str) -> frozenset[str]:
        rows = self._binder.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = ?", [kind]
        ).fetchall()
        return frozenset(str(row[0]) for row in rows)


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


def _load(cursor: duckdb.DuckDBPyConnection, name: str, data: pa.RecordBatchReader) -> None:
    """Make `data` a temporary table of the cursor."""
    stream = f"{name}_stream"
    cursor.register(stream, data)
    cursor.execute(f"CREATE TEMP TABLE {quote(name)} AS FROM {quote(stream)}")
    cursor.abort()
    cursor.unregister(stream)


def _syntax_error(message: str, text: str, position: object) -> SqlSyntaxError:
    if position is None:
        return SqlSyntaxError(message)
    # The kernel counts bytes of UTF-8.
    before = text.encode()[: int(str(position))].decode(errors="ignore")
    return SqlSyntaxError(message, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _details(error: duckdb.Error) -> tuple[dict[str, Any], str]:
    """The kernel's error as its JSON fields and its plain message, whichever form it came in."""
    text = str(error)
    start = text.find("{")
    if start >= 0 and '"exception_type"' in text:
        try:
            fields = json.loads(text[start:])
        except ValueError:
            fields = {}
        if fields:
            return fields, str(fields.get("exception_message", ""))
    return {}, _plain(text)


def _plain(text: str) -> str:
    """A kernel message without its kind, its excerpt of the statement and the names of generated relations."""
    text = text.split("\n\nLINE ")[0]
    text = re.sub(r"^[A-Z][A-Za-z ]*Error: ", "", text)
    return text.strip()


def planning_error(error: duckdb.Error, sql: str) -> GrismError:
    """The planning error that a failed bind stands for."""
    fields, message = _details(error)
    subtype = fields.get("error_subtype")
    message = message.split("\n\nLINE ")[0]
    if isinstance(error, duckdb.ParserException | duckdb.SyntaxException):
        return _syntax_error(message, sql, None)
    if subtype == "COLUMN_NOT_FOUND" or "Referenced column" in message or _NO_COLUMN.search(message):
        name = str(fields.get("name", "")) or _first_quoted(message)
        candidates = [c.split(".")[-1].strip('" ') for c in str(fields.get("candidates", "")).split(",")]
        candidates += [c.strip('" ') for c in re.findall(r'"([^"]+)"', message.partition("Candidate bindings")[2])]
        near = nearest(name, [c for c in candidates if c]) or next((c for c in candidates if c), None)
        hint = f'; did you mean "{near}"?' if near else "; list the table's columns to see what there is."
        return UnknownColumnError(f'There is no column "{name}" in reach{hint}')
    if isinstance(error, duckdb.PermissionException):
        return ForbiddenError("The statement reaches for files or settings that a client may not touch.")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ConversionException):
        return TypeMismatchError(_shorten(message))
    if isinstance(error, duckdb.NotImplementedException):
        return UnsupportedError(_shorten(message))
    executed = execution_error(error)
    return executed if isinstance(executed, MemoryExceededError) else PlanningError(_shorten(message))


def execution_error(error: BaseException) -> GrismError:
    """The execution error that a kernel exception stands for."""
    if isinstance(error, GrismError):
        return error
    if isinstance(error, duckdb.Error):
        _, message = _details(error)
        return _classify(type(error).__name__.removesuffix("Exception"), message)
    return arrow_error(error)


def arrow_error(error: BaseException) -> GrismError:
    """The execution error behind a failed Arrow stream of the kernel, whose text starts with the error's kind."""
    text = str(error)
    fields_at = text.find('{"exception_type"')
    if fields_at >= 0:
        try:
            fields = json.loads(text[fields_at:].split("\n")[0])
            return _classify(str(fields["exception_type"]), str(fields["exception_message"]))
        except ValueError:
            pass
    kind = re.match(r"^(?:[A-Za-z]+: )?([A-Za-z ]+?) Error: ", text)
    return _classify(kind.group(1) if kind else "", _plain(text))


def _classify(kind: str, message: str) -> GrismError:
    message = _shorten(message.split("\n\nLINE ")[0])
    match kind.replace(" ", "").lower():
        case "outofmemory":
            return MemoryExceededError(
                "The query needs more memory than its limit and the spill space give; "
                "raise the memory limit or narrow the query."
            )
        case "conversion" | "outofrange" | "invalidinput" | "mismatchtype" | "valueoutofrange" | "dividebyzero":
            return InvalidValueError(message)
        case "interrupt":
            from engine.errors import CancelledError

            return CancelledError("The query was cancelled.")
        case "permission":
            return ForbiddenError("The statement reaches for files or settings that a client may not touch.")
        case "io":
            if "No space left" in message or "disk" in message.lower():
                return StorageError("The disk is full: spill files could not be written; free space and try again.")
            return DataCorruptError("A file of a table could not be read; check the table's files.")
        case "binder" | "catalog":
            return TypeMismatchError(message)
        case "notimplemented":
            return UnsupportedError(message)
        case "serialization" | "invalid":
            return DataCorruptError("A file of a table could not be read; check the table's files.")
        case _:
            return ExecutionError(message or "The query failed in the kernel.")


def _shorten(message: str, limit: int = 600) -> str:
    message = message.strip().split("\n\tCandidate functions:")[0]
    return message if len(message) <= limit else message[:limit] + " ..."


def _first_quoted(message: str) -> str:
    found: Sequence[str] = re.findall(r'"([^"]+)"', message)
    return found[0] if found else "?"
