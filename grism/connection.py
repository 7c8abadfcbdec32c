"""Connections: SQL, parameters and data of a program, on a runtime of this process."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence, Set
from operator import index
from os import PathLike, fspath
from typing import Any, Literal
from weakref import WeakSet

import pyarrow as pa

from engine.arrow_input import Entrance
from engine.cancellation import Cancellation
from engine.errors import CancelledError, InvalidValueError
from engine.ingestion import Ingestion
from engine.run_progress import RunProgress
from engine.runtime import QueryResult, Runtime
from engine.statements.answers import TableAnswer
from engine.statements.context import StatementContext
from engine.statements.database import Database, changed_rows
from engine.statements.parsed_statement import ParsedStatement
from engine.statements.session import TEMPORARY, Session, sweep_temporary
from engine.storage import DirectoryStorage, InMemoryStorage
from engine.storage.names import unknown_table
from engine.storage.protocol import DEFAULT_SCHEMA, Storage, TableName
from engine.streams import scoped_reader
from grism.frames import as_reader, as_scalar
from grism.result import Result

__all__ = ["Connection", "connect"]

_RELATIONS = pa.schema([("schema", pa.string()), ("table", pa.string()), ("type", pa.string())])

Parameters = Sequence[Any] | Mapping[str, Any]
"""Values for ``?`` and ``$1`` in their order, or for ``$name`` by name."""


def connect(
    data: str | PathLike[str] | None = None,
    *,
    runtime: Literal["local", "ray"] = "local",
    schema: str = DEFAULT_SCHEMA,
    memory_limit: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
) -> Connection:
    """Open the tables below the folder `data`; without one, an empty database in memory.

    With ``runtime="ray"`` queries run on `workers` of a Ray cluster, a new one on this machine or that at
    `ray_address`. `schema` is where names without one are looked for; `memory_limit` is in bytes. Raises StorageError
    where the folder is not there, UnsupportedError where Ray is not installed, InvalidValueError for what an argument
    cannot be.
    """
    _require_count("memory_limit", memory_limit, "of bytes, such as 4_000_000_000")
    _require_count("threads", threads)
    _require_count("workers", workers)
    storage: Storage = InMemoryStorage() if data is None else DirectoryStorage(fspath(data))
    if runtime == "ray":
        return Connection(_ray(storage, memory_limit, threads, workers, ray_address), schema)
    if runtime != "local":
        raise InvalidValueError(f'There is no runtime {runtime!r}; there are "local" and "ray".')
    if workers is not None or ray_address is not None:
        raise InvalidValueError('workers and ray_address are for runtime="ray".')
    from local_runtime import LocalRuntime

    return Connection(LocalRuntime(storage, memory_limit=memory_limit, threads=threads), schema)


def _ray(
    storage: Storage, memory_limit: int | None, threads: int | None, workers: int | None, address: str | None
) -> Runtime:
    from ray_runtime.cluster import ClusterOptions
    from ray_runtime.executor import ExecutorOptions
    from ray_runtime.runtime import RayOptions, RayRuntime

    cluster = ClusterOptions(address=address) if workers is None else ClusterOptions(address=address, workers=workers)
    options = RayOptions(executor=ExecutorOptions(cluster))
    return RayRuntime(storage, options, memory_limit=memory_limit, threads=threads)


class Connection:
    """SQL over a runtime, which ends with it. Temporary tables and registered data belong to it. Thread-safe."""

    def __init__(self, runtime: Runtime, schema: str = DEFAULT_SCHEMA) -> None:
        self._runtime = runtime
        self._database = Database(runtime)
        self._session = Session(data=self._database.folder)
        self._ingestion = Ingestion(runtime.kernel)
        self._running: WeakSet[Cancellation] = WeakSet()
        self._run: RunProgress | None = None
        self._closed = False
        if self._database.folder is not None:
            sweep_temporary(self._database.folder)
        try:
            self._database.settings.apply(self._session, "schema", schema)
        except InvalidValueError:
            self.close()
            raise

    def sql(self, text: str | bytes, /, parameters: Parameters | None = None, **tables: Any) -> Result:
        """Run one statement of any kind, or several with semicolons between them, of which the last answers.

        Bytes are a serialised Substrait plan.

        A query is planned, on the tables as they are now, and runs when its rows are read. A statement with effects
        has run when this returns. `tables` are data that this statement alone can read, by name; see `register`.

        >>> db.sql("SELECT * FROM orders JOIN rates USING (currency) WHERE price > ?", [10], rates=frame)

        Raises PlanningError, and of statements with effects the errors of storages and execution.
        """
        if not isinstance(text, str | bytes):
            raise InvalidValueError(f"A statement is a text, or bytes of a Substrait plan; a {_kind(text)} was given.")
        self._run = None
        cancellation = self._cancellation()
        session = self._session.overlaid() if tables else self._session
        for name, data in tables.items():
            self._hold(session, name, data, cancellation)
        context = StatementContext(session, cancellation, follow=self._follow)
        with cancellation.scope():
            parsed = self._database.parse(text)
            rows = self._bind(session, parsed, parameters)
            self._database.run_before(context, parsed)
            if parsed.has_effects:
                told = self._database.run_and_tell(context, parsed, rows)
                changed = None if parsed.reports else changed_rows(told)
                return Result(told.schema, lambda: TableAnswer(told).open(context), changed)
            answer = self._database.ask(session, parsed, rows)

        def start() -> QueryResult:
            return answer.open(StatementContext(session, self._cancellation(), follow=self._follow))

        return Result(answer.schema, start)

    def register(self, name: str, data: Any) -> None:
        """Make data readable as the temporary table `name`, until the connection is closed.

        `data` is an Arrow table, batch or reader (which is read to its end), a pandas frame (without its index) or
        polars frame, a mapping of names to columns, or a list of mappings. It stays in memory, where it is not copied
        but where the kernel has another form for its types. Raises InvalidValueError for anything else, and
        SchemaMismatchError and InvalidDataError for types and values that cannot be stored.
        """
        if not isinstance(name, str):
            raise InvalidValueError(f"The name of a table is a text; a {_kind(name)} was given.")
        self._hold(self._session, name, data, self._cancellation())

    def unregister(self, name: str) -> None:
        """Forget the temporary table `name`. Raises UnknownTableError where there is none."""
        temporary = self._session.temporary
        known = [] if temporary is None else [TableName(TEMPORARY, table.table) for table in temporary.tables()]
        if temporary is None or TableName(TEMPORARY, name).key not in {table.key for table in known}:
            raise unknown_table(TableName(TEMPORARY, name), known)
        temporary.drop(TableName(DEFAULT_SCHEMA, name))

    def tables(self) -> pa.Table:
        """The tables and views: ``schema``, ``table`` and ``type`` (TABLE, VIEW, LOCAL TEMPORARY), all text."""
        self._require_open()
        relations = self._database.catalog.relations(self._session)
        rows = [{"schema": name.schema, "table": name.table, "type": kind} for name, kind in relations]
        return pa.Table.from_pylist(rows, _RELATIONS)

    def explain(self, text: str, parameters: Parameters | None = None) -> str:
        """The plan of a statement, which is not run."""
        lines = self.sql(f"EXPLAIN {text}", parameters).to_arrow()
        return "\n".join(lines.column("plan").to_pylist())

    def cancel(self) -> None:
        """Stop what runs on the connection, from any thread: it ends with CancelledError."""
        for cancellation in list(self._running):
            cancellation.cancel()

    def progress(self) -> float | None:
        """How much is done of the query that began last, from 0 to 1; None where that is not known. For any thread."""
        run = self._run
        return None if run is None else run.share()

    def close(self) -> None:
        """Stop what runs, and free what is held. A second call changes nothing."""
        if self._closed:
            return
        self._closed = True
        self.cancel()
        self._session.end()
        self._runtime.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ----

    def _follow(self, run: RunProgress) -> None:
        self._run = run

    def _require_open(self) -> None:
        if self._closed:
            raise CancelledError("The connection is closed; connect again.")

    def _cancellation(self) -> Cancellation:
        self._require_open()
        limit = self._session.timeout
        cancellation = Cancellation(time.monotonic() + limit if limit else None)
        self._running.add(cancellation)
        return cancellation

    def _bind(
        self, session: Session, parsed: ParsedStatement, parameters: Parameters | None
    ) -> list[tuple[pa.Scalar, ...]] | None:
        """The parameters as the one row of them that a statement runs with; None where it takes none."""
        names = self._database.parameters(session, parsed).names
        if isinstance(parameters, Mapping):
            unknown = sorted(map(str, parameters.keys() - set(names)))
            missing = [name for name in names if name not in parameters]
            if unknown or missing:
                raise InvalidValueError(
                    f"The statement has the parameters {_list_names(names)}; missing: {_list_names(missing)}; "
                    f"not in it: {_list_names(unknown)}."
                )
            values = [parameters[name] for name in names]
        else:
            values = _in_order(parameters)
        if len(values) != len(names):
            raise InvalidValueError(f"Values for the statement's parameters: {len(names)} needed, {len(values)} given.")
        return [tuple(map(as_scalar, values))] if names else None

    def _hold(self, session: Session, name: str, data: Any, cancellation: Cancellation) -> None:
        reader = as_reader(data)
        entrance = Entrance(reader.schema)

        def batches() -> Generator[pa.RecordBatch, None, None]:
            for batch in reader:
                cancellation.check()
                yield from entrance.admit(batch)

        with scoped_reader(entrance.schema, batches()) as entered:
            stored = self._ingestion.into_new(TableName(TEMPORARY, name), entered, cancellation)
            session.make_temporary().hold(name, stored)


def _require_count(name: str, value: Any, of: str = "") -> None:
    """Raise InvalidValueError for what is neither None nor a whole number above zero."""
    try:
        if value is None or (index(value) > 0 and not isinstance(value, bool)):
            return
    except TypeError:  # no whole number
        pass
    raise InvalidValueError(f"{name} is a whole number{of and f' {of}'}, above zero; {value!r} was given.")


def _in_order(parameters: Sequence[Any] | None) -> list[Any]:
    if parameters is None:
        return []
    if isinstance(parameters, str | bytes | Set) or not isinstance(parameters, Iterable):
        raise InvalidValueError(
            f"Parameters are a sequence of values, or a mapping of names to values; a {_kind(parameters)} was given."
        )
    return list(parameters)


def _kind(value: object) -> str:
    return type(value).__name__


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(f"${name}" for name in names) or "none"
