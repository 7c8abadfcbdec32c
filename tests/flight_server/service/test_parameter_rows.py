"""Rows of parameters: none, one or several of them, NULLs of every type, and what goes wrong in one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pyarrow as pa
import pytest

from flight_server.options import ServiceOptions
from flight_server.proto import sql
from tests.clients.raw import RawClient, flight_data
from tests.flight_server.conftest import Served


@pytest.fixture
def raw(served: Served) -> Iterator[RawClient]:
    with RawClient(served.uri) as client:
        yield client


@pytest.fixture
def table(cursor: flight_sql.Cursor) -> Iterator[str]:
    cursor.execute("CREATE OR REPLACE TABLE bound_rows AS SELECT 1 AS a")
    yield "bound_rows"
    cursor.execute("DROP TABLE bound_rows")


def rows(cursor: flight_sql.Cursor, text: str, parameters: pa.Table | None = None) -> pa.Table:
    cursor.execute(text, parameters)
    return cursor.fetch_arrow_table()


# ---- several rows


@pytest.mark.parametrize(
    ("text", "values", "status", "said"),
    [
        ("SELECT 1 // CAST(? AS INTEGER) AS x", ["1", "0"], "INVALID_ARGUMENT", "Division by zero"),
        ("SELECT CAST(? AS INTEGER) AS x", ["1", "one"], "INVALID_ARGUMENT", "Could not convert string 'one'"),
        ("SELECT CAST(n_name AS INTEGER) + ? AS x FROM nation", [1, 2], "INVALID_ARGUMENT", "'ALGERIA'"),
        ("SELECT CASE WHEN ? = 2 THEN error('said so') END AS x", [1, 2], "INVALID_ARGUMENT", "said so"),
        ("SELECT range(CAST(? AS BIGINT))[1:2] + CAST(? AS DATE) AS x", ["1", "2"], "INVALID_ARGUMENT", "DATE"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "ray"])
def test_an_error_of_one_row_is_told_as_that_of_a_single_one(
    server_uri: Callable[[str], str], kind: str, text: str, values: list[object], status: str, said: str
) -> None:
    count = text.count("?")
    with flight_sql.connect(server_uri(kind), autocommit=True) as connection, connection.cursor() as cursor:
        for bound in (values, values[-1:]):
            with pytest.raises(flight_sql.Error, match=f"(?s)^{status}.*{said}"):
                rows(cursor, text, pa.table({f"{i}": pa.array(bound) for i in range(count)}))
        with pytest.raises(flight_sql.Error, match=f"(?s)^{status}.*{said}"):
            cursor.executemany(text, [(value,) * count for value in values])


def union(*members: pa.Array, kinds: list[int]) -> pa.Table:
    """A column as drivers send it that take every parameter for one of many types."""
    return pa.table({"1": pa.UnionArray.from_sparse(pa.array(kinds, pa.int8()), list(members))})


@pytest.mark.parametrize("kind", ["parquet", "ray"])
def test_rows_of_other_types_are_told_by_our_own_words(server_uri: Callable[[str], str], kind: str) -> None:
    with flight_sql.connect(server_uri(kind), autocommit=True) as connection, connection.cursor() as cursor:
        bound = union(pa.array([1, 2]), pa.array(["a", "b"]), kinds=[0, 1])
        with pytest.raises(flight_sql.Error, match=r"^INVALID_ARGUMENT.*results of different types; cast them"):
            rows(cursor, "SELECT ? AS x", bound)
        with pytest.raises(flight_sql.Error, match=r"^INVALID_ARGUMENT.*results of different types; cast them"):
            cursor.executemany("SELECT ? AS x", bound)
        assert rows(cursor, "SELECT CAST(? AS VARCHAR) AS x", bound)["x"].to_pylist() == ["1", "b"]


@pytest.mark.parametrize("kinds", [[0, 0, 0], [0, 1, 0], [1, 1, 0]])
def test_a_null_in_a_union_is_of_the_type_of_the_other_rows(
    cursor: flight_sql.Cursor, table: str, kinds: list[int]
) -> None:
    numbers = pa.array([1, None, 3])
    bound = union(numbers, pa.array([None, None, None], pa.string()), kinds=kinds)
    expected = [None if kind else number.as_py() for kind, number in zip(kinds, numbers, strict=True)]
    found = rows(cursor, "SELECT ? AS x", bound)
    assert (found.schema, found["x"].to_pylist()) == (pa.schema([("x", pa.int64())]), expected)
    cursor.executemany(f"INSERT INTO {table} VALUES (?)", bound)
    assert sorted(rows(cursor, f"SELECT a FROM {table}")["a"].to_pylist(), key=str) == sorted([1, *expected], key=str)


def test_nulls_alone_in_a_union_have_no_type(cursor: flight_sql.Cursor) -> None:
    bound = union(pa.array([None, None], pa.int64()), kinds=[0, 0])
    assert rows(cursor, "SELECT ? AS x", bound)["x"].to_pylist() == [None, None]


# ---- no rows


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO {t} VALUES (?)",
        "INSERT INTO {t} SELECT ?",
        "UPDATE {t} SET a = ?",
        "DELETE FROM {t} WHERE a <> ?",
        "MERGE INTO {t} USING (SELECT ?::INTEGER AS b) ON a = b WHEN MATCHED THEN DELETE",
        "CREATE TABLE {t}_new AS SELECT ?::INTEGER AS a",
        "CREATE OR REPLACE TABLE {t} AS SELECT ?::INTEGER AS a",
    ],
)
@pytest.mark.parametrize("none", [pa.table({"1": pa.array([], pa.int32())}), pa.table({"1": pa.nulls(0)})], ids=str)
def test_no_rows_change_nothing(
    cursor: flight_sql.Cursor, raw: RawClient, table: str, text: str, none: pa.Table
) -> None:
    text = text.format(t=table)
    cursor.execute(text, none)
    cursor.executemany(text, none)
    for data in (none, pa.Table.from_batches([], none.schema), pa.table({})):  # JDBC's empty batch has no columns
        handle = raw.prepare(text).prepared_statement_handle
        assert raw.update(sql.CommandPreparedStatementUpdate(prepared_statement_handle=handle), data) == 0
        raw.put(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle), data)
        asked = raw.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))
        assert asked.to_pylist() == [{"Count": 0}]
        raw.close_prepared(handle)
    assert rows(cursor, f"SELECT * FROM {table}").to_pylist() == [{"a": 1}]
    with pytest.raises(flight_sql.Error, match="no table"):
        cursor.execute(f"SELECT * FROM {table}_new")


def test_rows_without_columns_bind_nothing(raw: RawClient, table: str) -> None:
    handle = raw.prepare(f"DELETE FROM {table} WHERE a = ?").prepared_statement_handle
    rows_alone = pa.table({"a": [1, 2]}).select([])
    assert rows_alone.num_rows == 2
    with pytest.raises(grpc.RpcError, match="parameters: 1 needed, 0 bound"):
        raw.update(sql.CommandPreparedStatementUpdate(prepared_statement_handle=handle), rows_alone)


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("SELECT n_name, n_nationkey + ? AS x FROM nation", pa.schema([("n_name", pa.string()), ("x", pa.int32())])),
        ("EXPLAIN SELECT n_name FROM nation WHERE n_nationkey = ?", pa.schema([("plan", pa.string())])),
    ],
)
def test_no_rows_ask_for_no_rows(cursor: flight_sql.Cursor, text: str, schema: pa.Schema) -> None:
    found = rows(cursor, text, pa.table({"1": pa.array([], pa.int32())}))
    assert (found.schema.remove_metadata(), found.num_rows) == (schema, 0)
    cursor.executemany(text, pa.table({"1": pa.array([], pa.int32())}))


def test_a_statement_without_parameters_runs_whatever_is_bound(cursor: flight_sql.Cursor, raw: RawClient) -> None:
    handle = raw.prepare("SELECT 1 AS x").prepared_statement_handle
    raw.put(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle), pa.table({}))
    query = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
    assert raw.ask(query).to_pylist() == [{"x": 1}]


# ---- binding first, then running: no schema comes with the second upload


@pytest.mark.parametrize("text", ["SELECT range FROM range(3)", "EXPLAIN SELECT 1", "SHOW TABLES"])
def test_the_rows_of_a_query_that_is_sent_as_an_update_are_no_count(raw: RawClient, text: str) -> None:
    """Go's `Exec` and JDBC's `executeUpdate` read the count: -1 is not known."""
    assert raw.update(sql.CommandStatementUpdate(query=text)) == -1
    handle = raw.prepare(text).prepared_statement_handle
    assert raw.update(sql.CommandPreparedStatementUpdate(prepared_statement_handle=handle)) == -1


def test_what_fails_in_a_query_that_is_sent_as_an_update_is_told(raw: RawClient) -> None:
    with pytest.raises(grpc.RpcError, match="Could not convert"):
        raw.update(sql.CommandStatementUpdate(query="SELECT ('x' || range)::INTEGER FROM range(3)"))


def test_too_many_rows_are_no_reason_to_send_them_again(cursor: flight_sql.Cursor, table: str) -> None:
    """Clients send again what is UNAVAILABLE."""
    most = ServiceOptions().max_parameter_rows
    with pytest.raises(flight_sql.Error, match=f"INVALID_ARGUMENT.*More than {most} rows of parameters"):
        cursor.executemany(f"DELETE FROM {table} WHERE a = ?", pa.table({"a": range(most + 1)}))
    assert rows(cursor, f"SELECT count(*) AS n FROM {table}")["n"].to_pylist() == [1]


def test_an_update_without_a_schema_takes_what_was_bound(cursor: flight_sql.Cursor, raw: RawClient, table: str) -> None:
    handle = raw.prepare(f"INSERT INTO {table} VALUES (?)").prepared_statement_handle
    update = sql.CommandPreparedStatementUpdate(prepared_statement_handle=handle)
    with pytest.raises(grpc.RpcError, match="parameters: 1 needed, none bound") as caught:
        raw.update(update)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    query = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
    with pytest.raises(grpc.RpcError, match="No parameters came to be bound") as caught:
        raw.put(query)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    (answer,) = raw.put(query, pa.table({"1": [2, 3]}))
    bound = sql.DoPutPreparedStatementResult.FromString(answer).prepared_statement_handle
    assert raw.update(sql.CommandPreparedStatementUpdate(prepared_statement_handle=bound)) == 2
    assert raw.update(update) == 2  # the statement's own handle stands for what was bound to it
    assert sorted(rows(cursor, f"SELECT a FROM {table}")["a"].to_pylist()) == [1, 2, 2, 3, 3]
    assert flight_data(None, b"x") == flight_data(None, b"x", 1)  # a descriptor only, as the Rust client sends it


# ---- NULLs


NULLS = [
    (pa.bool8(), "BOOLEAN"),
    (pa.opaque(pa.int64(), "kind", "vendor"), "BIGINT"),
    (pa.opaque(pa.list_(pa.string()), "kind", "vendor"), "VARCHAR[]"),
    (pa.fixed_shape_tensor(pa.int32(), [2, 2]), "INTEGER[4]"),
    (pa.uuid(), "UUID"),
    (pa.json_(), "JSON"),
]


def test_each_row_may_come_in_other_types(cursor: flight_sql.Cursor) -> None:
    """A statement that is prepared once is bound in the types that come with each binding."""
    text = "SELECT $1 AS a, $2 AS b"
    values = [pa.array(kind) for kind in ([1], ["x"], [1.5], [b"y"], [True], [None], [2])]
    for one, other in pairwise(values):
        given = pa.record_batch([one, other], ["1", "2"])
        assert rows(cursor, text, given).to_pylist() == [{"a": one[0].as_py(), "b": other[0].as_py()}]
        turned = pa.record_batch([other, one], ["2", "1"])
        assert rows(cursor, text, turned).to_pylist() == [{"a": one[0].as_py(), "b": other[0].as_py()}]


@pytest.mark.parametrize(("kind", "name"), NULLS, ids=str)
def test_a_null_of_an_extension_type(cursor: flight_sql.Cursor, kind: pa.BaseExtensionType, name: str) -> None:
    values = pa.ExtensionArray.from_storage(kind, pa.nulls(1, kind.storage_type))
    found = rows(cursor, "SELECT ? IS NULL AS n, typeof(?) AS t", pa.table({"1": values, "2": values}))
    assert found.to_pylist() == [{"n": True, "t": name}]


def test_a_value_of_bool8_is_a_boolean(cursor: flight_sql.Cursor) -> None:
    values = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))
    assert rows(cursor, "SELECT ? AS x", pa.table({"1": values}))["x"].to_pylist() == [True, False, None]


@pytest.mark.parametrize("values", [[{}], [None]])
@pytest.mark.parametrize("wrap", [lambda kind: kind, pa.list_], ids=["plain", "list"])
def test_a_struct_without_fields_is_refused_by_name(
    cursor: flight_sql.Cursor, values: list[object], wrap: Callable[[pa.DataType], pa.DataType]
) -> None:
    kind = wrap(pa.struct([]))
    bound = pa.array(values if kind.num_fields == 0 else [values], kind)
    with pytest.raises(flight_sql.NotSupportedError, match="struct without fields"):
        rows(cursor, "SELECT ? AS x", pa.table({"1": bound}))
