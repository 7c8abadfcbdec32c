"""The ADBC driver's DBAPI: statements, parameters, transactions that are none, cancelling; with pandas and polars."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.clients.values import VALUES

STORED = sorted(VALUES.keys() - {"null", "map<string, int64>", "month_day_nano_interval"})
SLOW = "SELECT sum(a.o_orderkey % (b.o_orderkey + 1)) FROM orders a, orders b, nation"


def read(cursor: flight_sql.Cursor, query: str, parameters: object = None) -> pa.Table:
    cursor.execute(query, parameters)
    return cursor.fetch_arrow_table()


# ---- results


def test_each_way_to_fetch(cursor: flight_sql.Cursor) -> None:
    query = "SELECT n_nationkey, n_name FROM nation ORDER BY n_nationkey"
    table = read(cursor, query)
    assert table.num_rows == 25
    cursor.execute(query)
    assert [column[0] for column in cursor.description] == ["n_nationkey", "n_name"]
    assert cursor.fetchone() == (0, "ALGERIA")
    assert cursor.fetchmany(2) == [(1, "ARGENTINA"), (2, "BRAZIL")]
    assert len(cursor.fetchall()) == 22
    assert cursor.fetchone() is None
    cursor.execute(query)
    with cursor.fetch_record_batch() as reader:
        assert reader.schema.equals(table.schema)
        assert pa.Table.from_batches(reader, reader.schema).equals(table)
    assert cursor.execute(query).fetch_df().equals(table.to_pandas())
    assert cursor.execute(query).fetch_polars().equals(pl.from_arrow(table))


def test_polling_is_refused(cursor: flight_sql.Cursor) -> None:
    cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
    with pytest.raises(flight_sql.NotSupportedError):
        cursor.adbc_execute_partitions("SELECT * FROM nation")


def test_partitions_are_fetched_by_anybody_who_has_them(uri: str, cursor: flight_sql.Cursor) -> None:
    partitions, schema = cursor.adbc_execute_partitions("SELECT * FROM nation")
    assert schema.names[0] == "n_nationkey"
    with flight_sql.connect(uri, autocommit=True) as other, other.cursor() as reading:
        rows = 0
        for partition in partitions:
            reading.adbc_read_partition(partition)
            rows += reading.fetch_arrow_table().num_rows
    assert rows == 25


def test_the_schema_before_the_rows(cursor: flight_sql.Cursor) -> None:
    schema = cursor.adbc_execute_schema("SELECT n_name, 1.5::DECIMAL(9, 2) AS d FROM nation")
    assert schema.names == ["n_name", "d"]
    assert schema.field("d").type == pa.decimal128(9, 2)


def test_pandas(uri: str, connection: flight_sql.Connection) -> None:
    frame = pd.read_sql("SELECT * FROM nation WHERE n_regionkey = 1 ORDER BY n_name", connection)
    assert frame["n_name"].tolist() == ["ARGENTINA", "BRAZIL", "CANADA", "PERU", "UNITED STATES"]
    written = pd.DataFrame({"id": [1, 2], "name": ["a", None]})
    assert written.to_sql("adbc_pandas", connection, index=False) == 2
    assert written.to_sql("adbc_pandas", connection, index=False, if_exists="append") == 2
    again = pd.read_sql("SELECT count(*) AS n, count(name) AS names FROM adbc_pandas", connection)
    assert again.iloc[0].tolist() == [4, 2]
    assert pd.read_sql_table("adbc_pandas", connection)["id"].tolist() == [1, 2, 1, 2]  # pandas' own ADBC support


def test_polars(uri: str, connection: flight_sql.Connection) -> None:
    frame = pl.read_database("SELECT * FROM nation ORDER BY n_nationkey", connection)
    assert frame.shape == (25, 4)
    assert frame["n_name"][0] == "ALGERIA"
    assert frame.write_database("adbc_polars", connection, engine="adbc") == 25
    assert frame.write_database("adbc_polars", connection, engine="adbc", if_table_exists="append") == 25
    parameters = {"parameters": [1]}
    count = pl.read_database(
        "SELECT count(*) AS n FROM adbc_polars WHERE n_regionkey = ?", connection, execute_options=parameters
    )
    assert count.item() == 10


# ---- parameters


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_parameters_of_every_type(cursor: flight_sql.Cursor, values: pa.Array) -> None:
    """Each row runs the statement once, and NULL keeps the type."""
    found = read(cursor, "SELECT ? AS x", pa.record_batch({"1": values}))
    assert found["x"].to_pylist() == values.to_pylist()
    alone = read(cursor, "SELECT ? AS x", pa.record_batch({"1": values.slice(1, 1)}))
    assert alone["x"].type == found["x"].type
    assert alone["x"].null_count == 1


@pytest.mark.parametrize("values", [VALUES[name] for name in STORED], ids=STORED)
def test_values_of_every_type_are_written_row_by_row(cursor: flight_sql.Cursor, values: pa.Array) -> None:
    """`executemany` is one DoPut of all rows; a table made of the first has the type."""
    cursor.execute("CREATE OR REPLACE TABLE adbc_values AS SELECT ? AS x", pa.record_batch({"1": values[:1]}))
    cursor.executemany("INSERT INTO adbc_values VALUES (?)", pa.record_batch({"1": values}))
    assert cursor.rowcount == len(values)
    assert read(cursor, "SELECT x FROM adbc_values")["x"].to_pylist() == [values[0].as_py(), *values.to_pylist()]


def test_executemany_of_python_values(cursor: flight_sql.Cursor) -> None:
    cursor.execute("CREATE OR REPLACE TABLE adbc_many (id INTEGER, name VARCHAR)")
    cursor.executemany("INSERT INTO adbc_many VALUES (?, ?)", [(1, "a"), (2, None), (3, "c")])
    assert cursor.rowcount == 3
    cursor.executemany("UPDATE adbc_many SET name = ? WHERE id = ?", [("x", 1), ("y", 2), ("z", 99)])
    assert cursor.rowcount == 2
    cursor.executemany("DELETE FROM adbc_many WHERE id = ?", [(3,)])
    assert read(cursor, "SELECT * FROM adbc_many ORDER BY id").to_pylist() == [
        {"id": 1, "name": "x"},
        {"id": 2, "name": "y"},
    ]


def test_a_prepared_statement_tells_its_parameters(cursor: flight_sql.Cursor) -> None:
    query = "SELECT * FROM orders WHERE o_orderdate BETWEEN ? AND ? AND o_totalprice > ? AND o_comment LIKE ?"
    types = [field.type for field in cursor.adbc_prepare(query)]
    assert types == [pa.date32(), pa.date32(), pa.decimal128(15, 2), pa.string()]


# ---- transactions, which there are none of


def test_without_autocommit_the_driver_warns_and_works(uri: str) -> None:
    with pytest.warns(Warning, match="Cannot disable autocommit"):
        connection = flight_sql.connect(uri)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE adbc_plain AS SELECT 1 AS x")
        connection.commit()
        cursor.execute("INSERT INTO adbc_plain VALUES (2)")
        connection.rollback()  # of nothing: the statement was its own transaction
        assert read(cursor, "SELECT count(*) AS n FROM adbc_plain")["n"].to_pylist() == [2]


def test_a_transaction_cannot_be_begun(connection: flight_sql.Connection) -> None:
    with pytest.raises(flight_sql.Error, match=r"(?i)transaction|autocommit"):
        connection.adbc_connection.set_autocommit(False)


# ---- cancelling


def test_cancel_ends_a_running_query(uri: str, connection: flight_sql.Connection) -> None:
    with connection.cursor() as cursor:
        canceller = threading.Timer(0.5, cursor.adbc_cancel)
        canceller.start()
        began = time.monotonic()
        with pytest.raises(flight_sql.Error, match=r"(?i)cancel"):
            read(cursor, SLOW)
        canceller.join()
    assert time.monotonic() - began < 10
    with connection.cursor() as cursor:
        assert read(cursor, "SELECT 1 AS x")["x"].to_pylist() == [1]


def test_a_reader_that_is_left_early_stops_the_query(connection: flight_sql.Connection) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT a.* FROM orders a, orders b")  # 225 million rows
            with cursor.fetch_record_batch() as reader:
                yield from reader

    began = time.monotonic()
    assert next(batches()).num_rows > 0
    assert time.monotonic() - began < 10
