"""Searches through ADBC, with queries that are bound, on each runtime."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import numpy as np
import pyarrow as pa
import pytest

from tests.harness.server import drop_afterwards

VECTORS = "SELECT i AS id, [i % 7, i % 5, i % 3, 1]::FLOAT[4] AS v FROM range({0}, {0} + 20) r(i)"


@pytest.fixture
def cursor(runtime_uri: str) -> Iterator[flight_sql.Cursor]:
    """A cursor of a server with the table `searched`, of 60 vectors in three fragments."""
    with (
        drop_afterwards(runtime_uri) as uri,
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"CREATE TABLE searched AS {VECTORS.format(0)}")
        for start in (20, 40):
            cursor.execute(f"INSERT INTO searched {VECTORS.format(start)}")
        yield cursor


def test_a_query_is_a_parameter(cursor: flight_sql.Cursor) -> None:
    text = "SELECT id, _distance FROM vector_search(searched, v, ?, k := ?) WHERE id < ? ORDER BY _distance, id"
    cursor.adbc_prepare(text)
    wanted = [(10, 0.0), (25, 1.0), (31, 1.0)]
    for kind in (pa.list_(pa.float32(), 4), pa.list_(pa.float64())):
        row = {"1": pa.array([[3, 0, 1, 1]], kind), "2": pa.array([3], pa.int64()), "3": pa.array([40], pa.int64())}
        cursor.execute(text, pa.record_batch(row))
        assert cursor.fetchall() == wanted
    several = pa.record_batch(
        {"1": pa.array([[3, 0, 1, 1], [0, 0, 0, 1]], pa.list_(pa.float32(), 4)), "2": [1, 2], "3": [40, 40]}
    )
    cursor.execute(text, several)
    assert cursor.fetchall() == [(10, 0.0), (0, 0.0), (15, 1.0)]


def test_parameters_are_told(cursor: flight_sql.Cursor) -> None:
    schema = cursor.adbc_prepare("SELECT id FROM vector_search(searched, v, ?, k := ?) WHERE id < ?")
    assert [field.type for field in schema] == [pa.list_(pa.float32(), 4), pa.int64(), pa.int64()]


def test_a_wrong_query_is_an_error_of_the_client(cursor: flight_sql.Cursor) -> None:
    with pytest.raises(flight_sql.Error, match="has 3 dimensions"):
        cursor.execute(
            "SELECT id FROM vector_search(searched, v, ?)", pa.record_batch({"1": pa.array([[1.0, 2.0, 3.0]])})
        )
    rows = cursor.execute("SELECT id FROM vector_search(searched, v, [3, 0, 1, 1], k := 1)").fetchall()
    assert np.array(rows).shape == (1, 1)


def test_what_a_search_finds_is_of_no_table(cursor: flight_sql.Cursor) -> None:
    cursor.execute("SELECT id, _distance FROM vector_search(searched, v, [3, 0, 1, 1], k := 1)")
    found = cursor.fetch_arrow_table().schema
    assert all(b"ARROW:FLIGHT:SQL:TABLE_NAME" not in (field.metadata or {}) for field in found)


def test_vectors_of_bytes_and_several_in_a_row(cursor: flight_sql.Cursor) -> None:
    """Queries are bound in the type that a client is told, and in others."""
    cursor.execute(
        "CREATE TABLE searched_more AS SELECT i AS id, [i - 10, 3]::TINYINT[2] AS t, "
        "[[i, 1], [7, i % 4]]::FLOAT[2][] AS m FROM range(20) r(i)"
    )
    bytes_of = "SELECT id, _distance FROM vector_search(searched_more, t, ?, k := 2) ORDER BY _distance, id"
    assert cursor.adbc_prepare(bytes_of).types == [pa.list_(pa.int8(), 2)]
    for kind in (pa.list_(pa.int8(), 2), pa.list_(pa.float32()), pa.list_(pa.float16(), 2)):
        value = [np.float16(-8), np.float16(3)] if kind.value_type == pa.float16() else [-8, 3]
        cursor.execute(bytes_of, pa.record_batch({"1": pa.array([value], kind)}))
        assert cursor.fetchall() == [(2, 0.0), (1, 1.0)]
    several = "SELECT id, _distance FROM vector_search(searched_more, m, ?, k := 2) ORDER BY _distance, id"
    assert cursor.adbc_prepare(several).types == [pa.list_(pa.list_(pa.float32(), 2))]
    for kind in (pa.list_(pa.list_(pa.float32(), 2)), pa.list_(pa.list_(pa.float64()))):
        cursor.execute(several, pa.record_batch({"1": pa.array([[[5, 1], [7, 3]]], kind)}))
        assert cursor.fetchall() == [(6, 2.0), (3, 4.0)]
