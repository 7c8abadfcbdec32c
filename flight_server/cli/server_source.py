"""A server, by the ADBC driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa

from flight_server.cli.asking import ProgressAsker
from flight_server.cli.connect import Target, failure
from flight_server.cli.failures import ConnectionLostError
from flight_server.cli.progress import Reached
from flight_server.cli.source import Answer, Relation

__all__ = ["ServerSource"]


class ServerSource:
    """One connection, and so one session. Where it is lost, the next statement makes another."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._asker = ProgressAsker(target)
        self._connection: flight_sql.Connection | None = None
        self._cursor: flight_sql.Cursor | None = None

    def greet(self) -> str:
        """See `Source`."""
        with self._connected() as connection:
            info = connection.adbc_get_info()
        return f"{info.get('vendor_name')} {info.get('vendor_version')} at {self._target.uri}"

    @contextmanager
    def run(self, text: str) -> Iterator[Answer]:
        """See `Source`."""
        with self._connected() as connection, _cursor(connection) as cursor:
            self._cursor = cursor
            try:
                cursor.execute(text)
                reader = cursor.fetch_record_batch()
                # A statement that the server calls an update when it is prepared is sent as one, and has no columns.
                yield Answer(reader, None if len(reader.schema) else max(cursor.rowcount, 0))
            finally:
                self._cursor = None

    def progress(self) -> Reached | None:
        """See `Source`."""
        return self._asker.ask()

    def cancel(self) -> None:
        """See `Source`."""
        cursor = self._cursor
        if cursor is not None:
            with suppress(adbc_driver_manager.Error):  # it has ended meanwhile
                cursor.adbc_cancel()

    def tables(self) -> list[Relation]:
        """See `Source`."""
        with self._connected() as connection:
            catalogs = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        return [
            Relation(schema["db_schema_name"], table["table_name"], table["table_type"])
            for catalog in catalogs
            for schema in catalog["catalog_db_schemas"] or ()
            for table in schema["db_schema_tables"] or ()
        ]

    def columns(self, relation: Relation) -> list[str]:
        """See `Source`."""
        with self._connected() as connection:
            names: list[str] = connection.adbc_get_table_schema(relation.table, db_schema_filter=relation.schema).names
        return names

    def explain(self, text: str) -> str:
        """See `Source`."""
        with self.run(f"EXPLAIN {text}") as answer:
            return "\n".join(answer.reader.read_all()["plan"].to_pylist())

    def close(self) -> None:
        """See `Source`."""
        connection, self._connection = self._connection, None
        self._asker.close()
        if connection is not None:
            with suppress(adbc_driver_manager.Error):  # nobody is there any more to end the session with
                connection.close()

    @contextmanager
    def _connected(self) -> Iterator[flight_sql.Connection]:
        """The connection; what fails inside ends in one line, without the driver's own additions."""
        try:
            if self._connection is None:
                options = {**self._target.options, **self._asker.options}
                self._connection = flight_sql.connect(self._target.uri, db_kwargs=options, autocommit=True)
            yield self._connection
        except BrokenPipeError:
            raise  # whoever reads our output has seen enough
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:  # the latter two from a stream of rows
            found = failure(self._target, str(error))
            if isinstance(found, ConnectionLostError):
                self.close()
            raise found from None


@contextmanager
def _cursor(connection: flight_sql.Connection) -> Iterator[flight_sql.Cursor]:
    """A cursor whose end hides no error that came before."""
    cursor = connection.cursor()
    try:
        yield cursor
    finally:
        try:
            cursor.close()
        except adbc_driver_manager.Error:  # a server that is gone closes no statement
            cursor._closed = True  # else the driver tries once more when it is collected, and complains on stderr
