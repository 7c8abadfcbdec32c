"""Results say from which tables their columns come: alike wherever a client can ask for their schema."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.column_metadata import PREFIX
from flight_server.proto import sql
from tests.flight_server.service.test_queries import Prepared, info

KEYS = ("CATALOG_NAME", "DB_SCHEMA_NAME", "SCHEMA_NAME", "TABLE_NAME")


def told(schema: pa.Schema) -> list[str | None]:
    """Of each column its table, which all keys agree about."""
    found = []
    for field in schema:
        values = [field.metadata.get(PREFIX + key.encode()) for key in KEYS]
        if all(value is None for value in values):
            found.append(None)
            continue
        catalog, schema_name, other, table = (value.decode() for value in values)
        assert (catalog, schema_name) == ("grism", other)
        found.append(f"{schema_name}.{table}")
    return found


@pytest.fixture(scope="module")
def client(writable_uri: str) -> Iterator[flight.FlightClient]:
    """A client of a service with some tables."""
    with flight_sql.connect(writable_uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA told")
        cursor.execute("CREATE TABLE told.items (id BIGINT, name VARCHAR, price DECIMAL(9, 2))")
        cursor.execute("INSERT INTO told.items VALUES (1, 'a', 1.5), (2, 'b', 20)")
        cursor.execute("CREATE TABLE told.shops (id BIGINT, item BIGINT)")
        cursor.execute("INSERT INTO told.shops VALUES (7, 1), (8, 1)")
        cursor.execute("CREATE VIEW told.cheap AS SELECT id, price * 2 AS twice FROM told.items WHERE price < 10")
        with flight.connect(writable_uri) as client:
            yield client
        cursor.execute("DROP VIEW told.cheap")
        cursor.execute("DROP SCHEMA told CASCADE")


@pytest.mark.parametrize(
    ("query", "values", "wanted"),
    [
        ("SELECT *, price + 1 AS more FROM told.items", [], ["told.items"] * 3 + [None]),
        ("SELECT id, twice FROM told.cheap", [], ["told.items", None]),
        (
            "SELECT i.name AS label, s.item, count(*) FROM told.items i JOIN told.shops s ON item = i.id GROUP BY 1, 2",
            [],
            ["told.items", "told.shops", None],
        ),
        ("SELECT id, ? AS asked FROM told.items WHERE name = ?", [[5], ["a"]], ["told.items", None]),
        (
            "SELECT s.item FROM told.items i JOIN told.shops s ON s.item = i.id WHERE i.name > ? OR i.id < ?",
            [["", "x"], [9, 9]],
            ["told.shops"],
        ),
        ("SELECT table_name FROM information_schema.tables", [], ["information_schema.tables"]),
        ("SELECT table_name FROM duckdb_tables()", [], [None]),
        ("SELECT 1 AS one", [], [None]),
        ("DESCRIBE told.items", [], [None] * 6),
    ],
)
def test_prepare_info_schema_and_stream_tell_the_same(
    client: flight.FlightClient, query: str, values: list[list[object]], wanted: list[str | None]
) -> None:
    statement = Prepared(client, query)
    prepared = pa.ipc.read_schema(pa.py_buffer(statement.result.dataset_schema))
    assert told(prepared) == wanted
    handle = statement.handle
    if values:
        handle = statement.bind(pa.table({str(place): column for place, column in enumerate(values, 1)}))
    command = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
    asked = [command] if values else [command, sql.CommandStatementQuery(query=query)]
    for each in asked:
        planned = info(client, each)
        assert told(planned.schema) == wanted
        assert told(client.get_schema(planned.descriptor).schema) == wanted
        for endpoint in planned.endpoints:
            assert told(client.do_get(endpoint.ticket).read_all().schema) == wanted
    statement.close()


def test_tables_by_path_tell_their_names(client: flight.FlightClient) -> None:
    for name, wanted in (("items", ["told.items"] * 3), ("cheap", ["told.items", None])):
        descriptor = flight.FlightDescriptor.for_path("told", name)
        planned = client.get_flight_info(descriptor)
        assert told(planned.schema) == wanted
        assert told(client.do_get(planned.endpoints[0].ticket).read_all().schema) == wanted


def test_temporary_tables_tell_their_schema(writer: flight_sql.Connection) -> None:
    with writer.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE passing AS SELECT 1 AS x")
        cursor.execute("SELECT x, 2 FROM passing")
        assert told(cursor.fetch_arrow_table().schema) == ["temp.passing", None]
