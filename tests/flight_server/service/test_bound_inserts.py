"""INSERT of many rows of parameters: one change, whatever is done with the values, and nothing where one fails."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pyarrow as pa
import pytest

from flight_server.options import ServiceOptions
from flight_server.proto import sql
from tests.clients.raw import RawClient, command_descriptor, flight_data
from tests.harness.waiting import until

MANY = 3 * ServiceOptions().max_parameter_rows
FEW = 10  # whose values are put into the text, the first time
ON_RAY = 5  # one of so many
PATIENCE = 30.0
UTC = datetime.UTC

# How columns are defined, what is inserted, and the parameters of some rows; they are repeated for more rows.
INSERTS: list[tuple[str, str, list[pa.Array]]] = [
    ("a BIGINT, b VARCHAR", "VALUES (?, ?)", [pa.array([1, None, 3]), pa.array(["x", "O'Neill", None])]),
    ("a BIGINT, b VARCHAR", "SELECT ?, ?", [pa.array([1, None, 3]), pa.array(["x", None, ""])]),
    ("a BIGINT, b VARCHAR", "(b, a) VALUES (upper($2), $1 + 1)", [pa.array([1, 2]), pa.array(["x", "y"])]),
    ("a BIGINT, b VARCHAR", "(b) VALUES (?)", [pa.array(["x", "y"])]),
    ("a BIGINT DEFAULT 7, b VARCHAR", "VALUES (DEFAULT, ?)", [pa.array(["x", "y"])]),
    ("a BIGINT, b VARCHAR", "VALUES (?, ?), (0, 'always')", [pa.array([1, 2]), pa.array(["x", "y"])]),
    ("a BIGINT, b VARCHAR", "VALUES ($2, $1 || '-' || $1)", [pa.array(["x", "y"]), pa.array([1, 2])]),
    ("a BIGINT, b VARCHAR", "BY NAME SELECT ? AS b, ? AS a", [pa.array(["x", "y"]), pa.array([1, 2])]),
    ("a INTEGER, b VARCHAR", "VALUES (?, ?)", [pa.array(["1", "-2", None]), pa.array([1.5, None, 0.1])]),
    ("a SMALLINT, b DOUBLE", "SELECT ?, ?", [pa.array([1, 2], pa.int64()), pa.array([1, 2], pa.int8())]),
    ("a BIGINT, b VARCHAR", "VALUES (?, typeof(?))", [pa.nulls(2), pa.array([1, 2], pa.uint16())]),
    ("a BIGINT, b VARCHAR", "VALUES (length(?), typeof(?))", [pa.array(["x", "yy"]), pa.array(["z", None])]),
    (
        "a DATE, b TIMESTAMP, c DECIMAL(9, 2), d BLOB, e BOOLEAN, f TIME, g TIMESTAMPTZ",
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            pa.array([datetime.date(2024, 2, 29), None]),
            pa.array([datetime.datetime(1960, 1, 1, 0, 0, 0, 7), None], pa.timestamp("us")),
            pa.array([Decimal("-1.50"), None], pa.decimal128(9, 2)),
            pa.array([b"\x00\xff", None]),
            pa.array([True, None]),
            pa.array([datetime.time(23, 59, 59, 7), None]),
            pa.array([datetime.datetime(2024, 7, 1, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
        ],
    ),
    # a text takes the type of its place
    ("a DATE, b BOOLEAN", "VALUES (?, ? < DATE '2024-02-01')", [pa.array(["2024-01-31"]), pa.array(["2024-01-31"])]),
    (
        "a VARCHAR, b INTEGER",
        "VALUES (typeof(greatest(?, DATE '2024-02-01')), ?)",
        [pa.array(["2024-01-31"]), pa.nulls(1)],
    ),
    ("a VARCHAR, b VARCHAR", "SELECT typeof(?), coalesce(?, 'none')", [pa.array(["x"]), pa.array(["x"])]),
    ("a INTERVAL, b INTEGER[]", "VALUES (?, ?)", [pa.array(["1 day", "2 hours"]), pa.array([[1, None], None])]),
    ("a VARCHAR, b BIGINT", "SELECT string_agg(?, ','), count(?)", [pa.array(["x", "y"]), pa.array([1, None])]),
    ("a BIGINT, b VARCHAR", "SELECT x, ? FROM range(?) AS r(x)", [pa.array(["x", "y"]), pa.array([1, 2])]),
    ("a BIGINT, b VARCHAR", "SELECT unnest([?, ?]), 'both'", [pa.array([1, 2]), pa.array([3, 4])]),
    ("a BIGINT, b BIGINT", "VALUES (?, (SELECT max(x) FROM range(?) AS r(x)))", [pa.array([1, 2]), pa.array([3, 4])]),
    ("a BIGINT, b VARCHAR", "SELECT DISTINCT ?, ?", [pa.array([1, 2]), pa.array(["x", "y"])]),
]


def parameters(columns: list[pa.Array], rows: int) -> pa.Table:
    """So many rows of the columns, which are repeated."""
    indices = pa.array([row % len(columns[0]) for row in range(rows)])
    return pa.table({str(place): column.take(indices) for place, column in enumerate(columns, 1)})


@pytest.mark.parametrize(
    ("columns", "insert", "values"), INSERTS, ids=lambda value: value[:40] if isinstance(value, str) else "values"
)
def test_many_rows_are_what_few_are(
    runtime_name: str, writer: flight_sql.Connection, t: str, columns: str, insert: str, values: list[pa.Array]
) -> None:
    if runtime_name == "ray" and [each[1] for each in INSERTS].index(insert) % ON_RAY:
        pytest.skip("what many rows become is made by the server; the values of few take a query on the cluster")
    bound = parameters(values, 2 * FEW)
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} ({columns})")
        cursor.execute(f"CREATE TABLE {t}_few ({columns})")
        cursor.executemany(f"INSERT INTO {t} {insert}", bound)
        count = cursor.rowcount
        for start in range(0, bound.num_rows, FEW):
            cursor.executemany(f"INSERT INTO {t}_few {insert}", bound.slice(start, FEW))
            count -= cursor.rowcount
        assert count == 0
        found = {}
        for name in (t, f"{t}_few"):
            cursor.execute(f"SELECT * FROM {name}")
            found[name] = cursor.fetch_arrow_table()
            cursor.execute(f"DROP TABLE {name}")
    assert found[t].num_rows >= bound.num_rows
    assert found[t].equals(found[f"{t}_few"])


@pytest.mark.parametrize("insert", ["VALUES (?, ?)", "SELECT ?, ?", "VALUES (?, upper(?))"])
def test_more_rows_than_are_kept(writer: flight_sql.Connection, t: str, insert: str) -> None:
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} (id BIGINT, name VARCHAR)")
        names = pa.array(["x", "y"]).take(pa.array([i % 2 for i in range(MANY)]))
        cursor.executemany(f"INSERT INTO {t} {insert}", pa.table({"1": range(MANY), "2": names}))
        assert cursor.rowcount == MANY
        cursor.execute(f"SELECT count(*), count(DISTINCT id), count(DISTINCT name), max(lower(name)) FROM {t}")
        assert cursor.fetchone() == (MANY, MANY, 2, "y")
        cursor.execute(f"DROP TABLE {t}")


def test_what_varies_varies_by_row(writer: flight_sql.Connection, t: str) -> None:
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} (a BIGINT, b VARCHAR, c DOUBLE DEFAULT random(), d TIMESTAMPTZ)")
        same = pa.table({"1": pa.array([1] * MANY)})
        cursor.executemany(f"INSERT INTO {t} (a, b, d) VALUES (?, uuid(), now())", same)
        cursor.execute(f"SELECT count(*), count(DISTINCT a), count(DISTINCT b), count(DISTINCT d) FROM {t}")
        assert cursor.fetchone() == (MANY, 1, MANY, 1)
        cursor.execute(f"SELECT count(DISTINCT c) > 1000 FROM {t}")
        assert cursor.fetchone() == (True,)
        cursor.execute(f"DROP TABLE {t}")


@pytest.mark.parametrize(
    ("insert", "name", "said"),
    [
        ("VALUES (?, ?)", None, "takes no NULLs"),
        ("VALUES (?, CASE WHEN ? = 'bad' THEN error('no such name') ELSE 'x' END)", "bad", "no such name"),
        ("VALUES (?, ?::INTEGER)", "bad", "bad"),
        ("SELECT ?, ?::INTEGER", "bad", "bad"),
        ("SELECT ?, ?::INTEGER LIMIT 1", "bad", "bad"),
    ],
)
def test_an_error_tells_its_row_and_leaves_nothing(
    writer: flight_sql.Connection, t: str, insert: str, name: str | None, said: str
) -> None:
    many = 40 if "LIMIT" in insert else MANY  # each is a query of its own
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} (id BIGINT, name VARCHAR NOT NULL)")
        for rows in (many, 5, 5):  # few are appended otherwise, and once more as is known from before
            place = rows * 9 // 10
            names = pa.array([name if i == place else "1" for i in range(rows)])
            with pytest.raises(
                flight_sql.Error, match=f"^INVALID_ARGUMENT.*In row {place + 1} of the parameters: .*{said}"
            ):
                cursor.executemany(f"INSERT INTO {t} {insert}", pa.table({"1": range(rows), "2": names}))
        cursor.execute(f"SELECT count(*) FROM {t}")
        assert cursor.fetchone() == (0,)
        cursor.execute(f"DROP TABLE {t}")


def endless() -> pa.RecordBatchReader:
    batch = pa.record_batch({"1": pa.array(range(1000))})

    def batches() -> Iterator[pa.RecordBatch]:
        while True:
            yield batch

    return pa.RecordBatchReader.from_batches(batch.schema, batches())


def test_the_time_of_a_query_is_that_of_an_insert(writer: flight_sql.Connection, t: str) -> None:
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} (id BIGINT)")
        cursor.execute("SET timeout = '1s'")
        try:
            with pytest.raises(flight_sql.Error, match="ran out of time"):
                cursor.executemany(f"INSERT INTO {t} VALUES (?)", endless())
        finally:
            cursor.execute("RESET timeout")
        cursor.execute(f"SELECT count(*) FROM {t}")
        assert cursor.fetchone() == (0,)
        cursor.execute(f"DROP TABLE {t}")


@pytest.mark.parametrize("ends", ["cancelled", "left"])
def test_a_client_that_leaves_midway_leaves_nothing(
    writable_uri: str, writer: flight_sql.Connection, t: str, ends: str
) -> None:
    """It has sent more rows than are kept, and goes on sending until the server has taken some."""
    with writer.cursor() as cursor, RawClient(writable_uri) as raw:
        cursor.execute(f"CREATE TABLE {t} (id BIGINT)")
        handle = raw.prepare(f"INSERT INTO {t} VALUES (?)").prepared_statement_handle
        command = sql.CommandPreparedStatementUpdate(prepared_statement_handle=handle)
        sent = threading.Event()

        def requests() -> Iterator[bytes]:
            messages = flight_data(pa.table({"1": range(MANY)}), command_descriptor(command), 1000)
            yield from messages
            sent.set()
            while True:
                yield messages[-1]

        call = raw.duplex("DoPut", requests())
        assert sent.wait(PATIENCE)
        if ends == "cancelled":
            call.cancel()
        else:
            raw.channel.close()
        with pytest.raises((grpc.RpcError, ValueError)):
            list(call)
        running = f"SELECT count(*) FROM system.queries WHERE state = 'running' AND text LIKE 'INSERT INTO {t} %'"

        def ended() -> bool:
            cursor.execute(running)
            return cursor.fetchone() == (0,)

        until(ended, PATIENCE)
        cursor.execute(f"SELECT count(*) FROM {t}")
        assert cursor.fetchone() == (0,)
        cursor.execute(f"DROP TABLE {t}")


@pytest.mark.parametrize("text", ["UPDATE {t} SET id = ?", "DELETE FROM {t} WHERE id = ?", "SELECT ?"])
def test_others_take_no_more_rows_than_are_kept(writer: flight_sql.Connection, t: str, text: str) -> None:
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} AS SELECT 1::BIGINT AS id")
        bound: Any = pa.table({"1": range(MANY)})
        with pytest.raises(flight_sql.Error, match=r"^INVALID_ARGUMENT.*More than \d+ rows of parameters were bound"):
            cursor.executemany(text.format(t=t), bound)
        cursor.execute(f"DROP TABLE {t}")
