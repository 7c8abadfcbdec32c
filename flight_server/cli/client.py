"""`grism query`, `grism tables` and `grism explain`: through a server, or in this process on a folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa

from engine.runtime import Runtime
from engine.sql.frontend import SqlFrontend
from flight_server.cli.connect import Target, connect, refuse_login
from flight_server.cli.failures import CommandError
from flight_server.cli.output import write
from flight_server.cli.runtimes import explain_stages, open_runtime
from flight_server.config import DataOptions, ServerConfig

__all__ = ["explain", "query", "tables"]

_TABLES = pa.schema([("schema", pa.string()), ("table", pa.string()), ("type", pa.string())])


def query(arguments: argparse.Namespace) -> int:
    """Print the rows of a SELECT as they arrive."""
    with _source(arguments) as source, source.rows(arguments.sql) as reader:
        write(reader, arguments.format)
    return 0


def tables(arguments: argparse.Namespace) -> int:
    """Print the names of all tables."""
    with _source(arguments) as source:
        write(pa.Table.from_pylist(source.tables(), schema=_TABLES).to_reader(), arguments.format)
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Print the plan of a SELECT."""
    if arguments.runtime is not None and arguments.data is None:
        raise CommandError("--runtime goes with --data; a server explains for the runtime that it has.")
    if arguments.runtime == "ray":
        print(explain_stages(ServerConfig(data=DataOptions(Path(arguments.data))), arguments.sql))
        return 0
    with _source(arguments) as source:
        print(source.explain(arguments.sql))
    return 0


class _Source(Protocol):
    @contextmanager
    def rows(self, sql: str) -> Iterator[pa.RecordBatchReader]: ...

    def tables(self) -> list[dict[str, str]]: ...

    def explain(self, sql: str) -> str: ...


@contextmanager
def _source(arguments: argparse.Namespace) -> Iterator[_Source]:
    if arguments.data is not None:
        refuse_login(arguments)
        config = ServerConfig(data=DataOptions(Path(arguments.data)))
        config.check()
        runtime = open_runtime(config)
        try:
            yield _InProcess(runtime)
        finally:
            runtime.close()
        return
    with connect(Target.of(arguments)) as connection:
        yield _Server(connection)


class _Server:
    """A server, by the ADBC driver."""

    def __init__(self, connection: flight_sql.Connection) -> None:
        self._connection = connection

    @contextmanager
    def rows(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            yield cursor.fetch_record_batch()

    def tables(self) -> list[dict[str, str]]:
        catalogs = self._connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        return [
            {"schema": schema["db_schema_name"], "table": table["table_name"], "type": table["table_type"]}
            for catalog in catalogs
            for schema in catalog["catalog_db_schemas"] or ()
            for table in schema["db_schema_tables"] or ()
        ]

    def explain(self, sql: str) -> str:
        with self.rows(f"EXPLAIN {sql}") as reader:
            return "\n".join(reader.read_all()["plan"].to_pylist())


class _InProcess:
    """A runtime of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._frontend = SqlFrontend(runtime.kernel, runtime.storage)

    @contextmanager
    def rows(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        result = self._runtime.execute(self._runtime.plan(self._frontend.plan(sql)))
        try:
            yield pa.RecordBatchReader.from_batches(result.schema, result)
        except BrokenPipeError:
            raise  # whoever reads our output has seen enough
        except (pa.ArrowException, OSError) as error:  # of printing: the result's own are GrismErrors
            raise CommandError(str(error)) from None
        finally:
            result.close()

    def tables(self) -> list[dict[str, str]]:
        names = self._runtime.storage.tables()
        return [{"schema": name.schema, "table": name.table, "type": "TABLE"} for name in names]

    def explain(self, sql: str) -> str:
        return self._runtime.explain(self._runtime.plan(self._frontend.plan(sql)))
