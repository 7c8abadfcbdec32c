"""The options of a server for programs that were written for another one, as these programs meet them."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest

from tests.harness.server import serve


@pytest.fixture(scope="module")
def cursor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[flight_sql.Cursor]:
    data, log = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("log") / "server.log"
    options = ("--reported-version", "duckdb v2.0.1", "--transactions", "ignore", "--threads", "1")
    with (
        serve(data, log, *options) as (uri, _),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def test_the_version_is_the_one_that_was_chosen(cursor: flight_sql.Cursor) -> None:
    assert cursor.connection.adbc_get_info()["vendor_version"] == "duckdb v2.0.1"
    assert cursor.connection.adbc_get_info()["vendor_name"] == "grism"


def test_transactions_pass_and_a_rollback_does_not_pretend(cursor: flight_sql.Cursor) -> None:
    cursor.execute("BEGIN")
    cursor.adbc_ingest("kept", pa.table({"a": [1]}))
    with pytest.raises(adbc_driver_manager.NotSupportedError, match=r"by 1 statement: .* it stays"):
        cursor.execute("ROLLBACK")
    cursor.execute("START TRANSACTION")
    cursor.execute("DROP TABLE kept")
    cursor.execute("COMMIT")
    cursor.execute("ROLLBACK")
    cursor.execute("CHECKPOINT")
    cursor.execute("SET TimeZone = 'UTC'")


def test_a_text_of_several_statements(cursor: flight_sql.Cursor) -> None:
    with cursor.connection.cursor() as fresh:  # the driver runs no script on a cursor that has ingested
        fresh.executescript("CREATE TABLE several (a INTEGER); INSERT INTO several VALUES (1), (2);")
    cursor.execute("UPDATE several SET a = 3 WHERE a = 2; SELECT a FROM several ORDER BY a")
    assert cursor.fetchall() == [(1,), (3,)]
    cursor.execute("SELECT 1; DROP TABLE several")
    with pytest.raises(adbc_driver_manager.Error, match="several"):
        cursor.execute("SELECT * FROM several")
