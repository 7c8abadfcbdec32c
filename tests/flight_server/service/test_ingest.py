"""Bulk ingest by the ADBC driver: what each mode does, temporary tables, and that a failure leaves nothing."""

from __future__ import annotations

import subprocess
import sys
import uuid

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import grpc
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.clients.raw import RawClient
from tests.flight_server.conftest import Served

DATA = pa.table({"id": pa.array([1, 2, None], pa.int64()), "name": ["a", None, "ü"]})

DYING_CLIENT = """
import os, signal, sys
import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
def batches():
    for i in range(20):
        yield pa.record_batch({"x": range(100_000)})
    os.kill(os.getpid(), signal.SIGKILL)
data = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
with flight_sql.connect(sys.argv[1], autocommit=True) as connection, connection.cursor() as cursor:
    cursor.adbc_ingest(sys.argv[2], data, mode="create")
"""


@pytest.fixture
def fresh() -> str:
    """The name of a table that is not there."""
    return f"t_{uuid.uuid4().hex[:12]}"


def rows(connection: flight_sql.Connection, table: str) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY ALL")
        return cursor.fetch_arrow_table()


def ingest(connection: flight_sql.Connection, table: str, data: pa.Table, mode: str, **options: object) -> int:
    with connection.cursor() as cursor:
        count: int = cursor.adbc_ingest(table, data, mode=mode, **options)
        return count


def test_each_mode(connection: flight_sql.Connection, fresh: str) -> None:
    with pytest.raises(adbc_driver_manager.Error, match="no table"):
        ingest(connection, fresh, DATA, "append")
    assert ingest(connection, fresh, DATA, "create") == 3
    assert rows(connection, fresh).equals(DATA)
    with pytest.raises(adbc_driver_manager.Error, match="is there already"):
        ingest(connection, fresh, DATA, "create")
    assert ingest(connection, fresh, DATA, "append") == 3
    assert ingest(connection, fresh, DATA, "create_append") == 3
    assert rows(connection, fresh).num_rows == 9
    other = pa.table({"other": [1.5]})
    assert ingest(connection, fresh, other, "replace") == 1
    assert rows(connection, fresh).equals(other)
    assert ingest(connection, fresh + "_new", other, "replace") == 1
    assert ingest(connection, fresh + "_newer", DATA, "create_append", db_schema_name="main") == 3


def test_columns_that_do_not_fit_are_refused(connection: flight_sql.Connection, fresh: str) -> None:
    ingest(connection, fresh, DATA, "create")
    with pytest.raises(adbc_driver_manager.Error, match="id"):
        ingest(connection, fresh, pa.table({"id": ["x"], "name": ["y"]}), "append")
    assert rows(connection, fresh).equals(DATA)


def test_parquet_tables_are_read_only(connection: flight_sql.Connection) -> None:
    for mode in ("append", "replace"):
        with pytest.raises(adbc_driver_manager.Error, match="read-only"):
            ingest(connection, "region", DATA, mode)


def test_a_client_that_dies_leaves_nothing(served: Served, connection: flight_sql.Connection, fresh: str) -> None:
    died = subprocess.run([sys.executable, "-c", DYING_CLIENT, served.uri, fresh], timeout=60)
    assert died.returncode == -9
    assert ingest(connection, fresh, DATA, "create") == 3


def test_a_command_that_does_not_say_what_to_do(client: flight.FlightClient, fresh: str) -> None:
    command = sql.CommandStatementIngest(table=fresh)

    def upload() -> None:  # which fails at either call: the server does not wait for the rows
        writer, _ = client.do_put(flight.FlightDescriptor.for_command(wrap(command)), DATA.schema)
        writer.write_table(DATA)
        writer.close()

    with pytest.raises(pa.ArrowInvalid, match="does not say"):
        upload()


@pytest.mark.parametrize("options", [{"primary_key": "id"}, {"b": "", "a": "1"}])
def test_options_that_are_not_known_are_refused_by_name(
    served: Served, connection: flight_sql.Connection, fresh: str, options: dict[str, str]
) -> None:
    ingest(connection, fresh, DATA, "create")
    append = sql.CommandStatementIngest.TableDefinitionOptions(if_not_exist=2, if_exists=2)
    command = sql.CommandStatementIngest(table=fresh, table_definition_options=append, options=options)
    named = ", ".join(f'"{name}"' for name in sorted(options))
    with RawClient(served.uri) as raw:
        with pytest.raises(grpc.RpcError, match=f"No option of an upload is known here by the name {named}") as caught:
            raw.update(command, DATA)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert rows(connection, fresh).num_rows == 3
        command.options.clear()
        assert raw.update(command, DATA) == 3


def test_temporary_tables_belong_to_the_session_and_end_with_it(served: Served, fresh: str) -> None:
    before = set(served.data.iterdir())
    with flight_sql.connect(served.uri, autocommit=True) as one, flight_sql.connect(served.uri, autocommit=True) as two:
        assert ingest(one, fresh, DATA, "create", temporary=True) == 3
        assert rows(one, fresh).equals(DATA)
        assert rows(one, f"temp.{fresh}").equals(DATA)
        with pytest.raises(adbc_driver_manager.Error, match="no table"):
            rows(two, fresh)
        types = one.adbc_get_objects(depth="tables", table_name_filter=fresh).read_all().to_pylist()
        assert types[0]["catalog_db_schemas"][-1]["db_schema_tables"][0]["table_type"] == "LOCAL TEMPORARY"
        # A temporary table stands before the server's own of the same name.
        other = pa.table({"other": [1.5]})
        ingest(two, fresh, other, "create")
        assert rows(one, fresh).equals(DATA)
        assert rows(one, f"main.{fresh}").equals(other)
        assert rows(two, fresh).equals(other)
        assert ingest(one, fresh, DATA, "append", temporary=True) == 3
        assert rows(one, fresh).num_rows == 6
    with flight_sql.connect(served.uri, autocommit=True) as three:
        assert rows(three, fresh).equals(other)
    assert not list((served.data / ".sessions").iterdir())
    assert {path.name for path in set(served.data.iterdir()) - before} == {f"{fresh}.lance", ".sessions"} - {
        path.name for path in before
    }


def test_temporary_tables_with_cookies(served: Served, fresh: str) -> None:
    options = {"adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with flight_sql.connect(served.uri, db_kwargs=options, autocommit=True) as connection:
        ingest(connection, fresh, DATA, "create", temporary=True)
        assert rows(connection, fresh).equals(DATA)


def test_a_result_that_is_uploaded_leaves_behind_what_it_says_of_its_columns(
    connection: flight_sql.Connection, fresh: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1::DECIMAL(9, 2) AS x")
        table = cursor.fetch_arrow_table()
    noted = table.schema.field("x").with_metadata({"ARROW:FLIGHT:SQL:TABLE_NAME": "other", "unit": "m"})
    ingest(connection, fresh, table.cast(pa.schema([noted])), "create")
    told = connection.adbc_get_table_schema(fresh).field("x").metadata
    assert told[b"ARROW:FLIGHT:SQL:TABLE_NAME"] == fresh.encode()
    read = rows(connection, fresh).schema.field("x").metadata
    assert read[b"ARROW:FLIGHT:SQL:TABLE_NAME"] == fresh.encode()
    assert read.get(b"unit") == told.get(b"unit")
