"""A server, by the ADBC driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa

from flight_server.cli.asking import ProgressAsker
from flight_server.cli.connect import Target, failure
from flight_server.cli.failures import CommandError, ConnectionLostError
from flight_server.cli.progress import ProgressReport
from flight_server.cli.source import Answer, Relation

__all__ = ["ServerSource"]

_LIMIT = {"adbc.flight.sql.rpc.timeout_seconds.update": "2.0"}
"""How long the closing of a statement or a session may take: the driver would wait for a silent server for ever."""


class ServerSource:
    """One connection, and so one session. Where it is lost, the next statement makes another."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._asker = ProgressAsker(target)
        self._connecting: Future[flight_sql.Connection] | None = None
        self._connection: flight_sql.Connection | None = None
        self._cursor: flight_sql.Cursor | None = None

    def greet(self) -> str:
        """See `Source`."""
        with self._use_connection() as connection:
            info = connection.adbc_get_info()
        return f"{info.get('vendor_name')} {info.get('vendor_version')} at {self._target.uri}"

    @contextmanager
    def run(self, text: str) -> Iterator[Answer]:
        """See `Source`."""
        with self._use_connection() as connection, _cursor(connection) as cursor:
            self._cursor = cursor
            try:
                cursor.execute(text or " ")  # of no text at all the driver itself tells nothing of use
                reader = cursor.fetch_record_batch()
                # A statement that the server calls an update when it is prepared is sent as one, and has no columns.
                yield Answer(reader, None if len(reader.schema) else max(cursor.rowcount, 0))
            finally:
                self._cursor = None

    def progress(self) -> ProgressReport | None:
        """See `Source`."""
        return self._asker.ask()

    def cancel(self) -> None:
        """See `Source`."""
        connecting, busy = self._connecting, self._cursor or self._connection
        if connecting is not None:
            connecting.cancel()
        if busy is not None:
            with suppress(adbc_driver_manager.Error):  # it has ended meanwhile
                busy.adbc_cancel()

    def tables(self) -> list[Relation]:
        """See `Source`."""
        with self._use_connection() as connection:
            catalogs = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        return [
            Relation(schema["db_schema_name"], table["table_name"], table["table_type"])
            for catalog in catalogs
            for schema in catalog["catalog_db_schemas"] or ()
            for table in schema["db_schema_tables"] or ()
        ]

    def columns(self, relation: Relation) -> list[str]:
        """See `Source`."""
        with self._use_connection() as connection:
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
            _close(connection)

    @contextmanager
    def _use_connection(self) -> Iterator[flight_sql.Connection]:
        """The connection; what fails inside ends in one line, without the driver's own additions."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except BrokenPipeError:
            raise  # whoever reads our output has seen enough
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:  # the latter two from a stream of rows
            found = failure(self._target, str(error))
            if isinstance(found, ConnectionLostError):
                self.close()
            raise found from None

    def _connect(self) -> flight_sql.Connection:
        """A new connection, in a thread that `cancel` leaves behind: the driver waits for a silent server for long."""
        options = {**self._target.options, **self._asker.options}
        connecting = self._connecting = Future[flight_sql.Connection]()

        def connect() -> None:
            try:
                connection = flight_sql.connect(self._target.uri, db_kwargs=options, autocommit=True)
            except Exception as error:
                if connecting.set_running_or_notify_cancel():
                    connecting.set_exception(error)
                return
            if connecting.set_running_or_notify_cancel():
                connecting.set_result(connection)
            else:
                _close(connection)

        threading.Thread(target=connect, name="grism-connect", daemon=True).start()
        try:
            return connecting.result()
        except CancelledError:
            raise CommandError(f"The server at {self._target.uri} had not answered yet.") from None
        finally:
            self._connecting = None


def _close(connection: flight_sql.Connection) -> None:
    with suppress(adbc_driver_manager.Error):  # nobody is there any more to end the session with
        connection.adbc_connection.set_options(**_LIMIT)
        connection.close()


@contextmanager
def _cursor(connection: flight_sql.Connection) -> Iterator[flight_sql.Cursor]:
    """A cursor whose end hides no error that came before."""
    cursor = connection.cursor()
    try:
        yield cursor
    finally:
        try:
            cursor.adbc_statement.set_options(**_LIMIT)
            cursor.close()
        except adbc_driver_manager.Error:  # a server that is gone closes no statement
            cursor._closed = True  # else the driver tries once more when it is collected, and complains on stderr
