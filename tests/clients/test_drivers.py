"""Drivers are known by their user agents: each is told parameters that it can make."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import ipc

from flight_server.proto import sql
from tests.clients.raw import RawClient

QUERY = "SELECT ?::TIMESTAMP, ?::TIMESTAMPTZ, ?::TIMESTAMP_NS, ?::TIMESTAMP_S, ?::TIME, ?::DATE, ?::INTEGER, ?::BLOB"
EXACT = [
    pa.timestamp("us"),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ns"),
    pa.timestamp("s"),
    pa.time64("us"),
    pa.date32(),
    pa.int32(),
    pa.binary(),
]
MILLISECONDS = [pa.timestamp("ms", kind.tz) if pa.types.is_timestamp(kind) else kind for kind in EXACT]
MILLISECONDS[4] = pa.time32("ms")


def told(agent: str, uri: str, query: str) -> pa.Schema | None:
    with RawClient(uri, agent=agent) as client:
        schema = client.prepare(query).parameter_schema
        return ipc.read_schema(pa.py_buffer(schema)) if schema else None


@pytest.mark.parametrize(
    ("agent", "want"),
    [
        ("grpc-java-netty/1.71.0", MILLISECONDS),
        ("grpc-go/1.84.0", None),
        ("ADBC Flight SQL Driver v1.13.0 grpc-go/1.84.0", EXACT),
        ("grpc-c++/1.71.0 grpc-c/46.0.0", EXACT),
        ("tonic/0.14.2", EXACT),
        ("something grpc-java-netty/1.71.0", EXACT),
        ("", EXACT),
    ],
)
def test_the_parameters_that_a_driver_is_told(agent: str, want: list[pa.DataType] | None, uri: str) -> None:
    schema = told(agent, uri, QUERY)
    assert (schema if schema is None else schema.types) == want


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ("SELECT ?::INT, ?", [pa.int32(), pa.string()]),
        ("SELECT ? + 1, ? * 1.5", [pa.int64(), pa.float64()]),
        ("INSERT INTO told SELECT ?, ?, ?", [pa.int32(), pa.string(), pa.date32()]),
        ("INSERT INTO told (d, v) SELECT ?, ? UNION ALL SELECT ?, ?", [pa.date32(), pa.string()] * 2),
        ("INSERT INTO told BY NAME SELECT ? AS d, i + ? AS i FROM told", [pa.date32(), pa.int64()]),
        (
            "INSERT INTO told WITH a AS (SELECT 1 AS x) SELECT x, ?, ? FROM a WHERE x < ?",
            [pa.string(), pa.date32(), pa.int32()],
        ),
        (
            "INSERT INTO told VALUES (?, ?, ?), (? + 1, 'x', ?)",
            [pa.int32(), pa.string(), pa.date32(), pa.int64(), pa.date32()],
        ),
        ("CREATE TABLE other AS SELECT ? AS x, ?::INT AS y", [pa.string(), pa.int32()]),
    ],
)
def test_each_parameter_has_its_own_type(query: str, want: list[pa.DataType], raw: RawClient) -> None:
    raw.update(sql.CommandStatementUpdate(query="CREATE TEMP TABLE told (i INTEGER, v VARCHAR, d DATE)"))
    told = raw.prepare(query).parameter_schema
    assert ipc.read_schema(pa.py_buffer(told)).types == want


@pytest.mark.parametrize("agent", ["grpc-java-netty/1.71.0", "grpc-go/1.84.0", ""])
def test_that_there_are_none_is_told_to_all(agent: str, uri: str) -> None:
    assert told(agent, uri, "SELECT 1") == pa.schema([])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INTEGER", 7),
        ("DOUBLE", 1.5),
        ("BOOLEAN", True),
        ("VARCHAR", "x"),
        ("DATE", "2024-01-31"),
        ("DECIMAL(9, 2)", "1.25"),
        ("TIMESTAMP", "2024-01-31 01:02:03.000004"),
        ("TIME", "01:02:03"),
        ("BLOB", "x"),
        ("SMALLINT", 3),
        ("INTEGER", "7"),
    ],
)
def test_what_database_sql_sends_is_taken(kind: str, value: object, uri: str) -> None:
    """Told no types, Go's `database/sql` makes int64, float64, bool and utf8, without names."""
    with RawClient(uri, agent="grpc-go/1.84.0") as go:
        handle = go.prepare(f"SELECT count(*) AS n FROM (SELECT '{value}'::{kind} AS x) WHERE x = ? AND x <= ?")
        command = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle.prepared_statement_handle)
        column = pa.array([value])
        (answer,) = go.put(command, pa.Table.from_arrays([column, column], names=["", ""]))
        bound = sql.DoPutPreparedStatementResult.FromString(answer).prepared_statement_handle
        rows = go.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=bound))
        assert rows["n"].to_pylist() == [1]


def bind(client: RawClient, query: str, names: list[str], *columns: list[object]) -> bytes:
    """The handle of a query with what is bound to it."""
    handle = client.prepare(query).prepared_statement_handle
    table = pa.Table.from_arrays([pa.array(column) for column in columns], names=names)
    (answer,) = client.put(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle), table)
    return sql.DoPutPreparedStatementResult.FromString(answer).prepared_statement_handle


@pytest.mark.parametrize(
    ("query", "names", "want"),
    [
        ("SELECT $b - $a AS x", ["a", "b"], [9, 18]),
        ("SELECT $b - $a AS x", ["b", "a"], [-9, -18]),
        ("SELECT $b - $a AS x", ["$a", "$b"], [9, 18]),
        ("SELECT $b - $a AS x", ["$b", "a"], [-9, -18]),
        ("SELECT ? - ? AS x", ["1", "2"], [-9, -18]),
        ("SELECT ? - ? AS x", ["2", "1"], [9, 18]),
        ("SELECT $2 - $1 AS x", ["$1", "$2"], [9, 18]),
        # Other names, as many drivers give them, say nothing: what comes first is the first.
        ("SELECT $b - $a AS x", ["A", "B"], [-9, -18]),
        ("SELECT $b - $a AS x", ["a", "c"], [-9, -18]),
        ("SELECT $b - $a AS x", ["a", "a"], [-9, -18]),
        ("SELECT $b - $a AS x", ["", ""], [-9, -18]),
        ("SELECT ? - ? AS x", ["0", "1"], [-9, -18]),
    ],
)
def test_columns_with_the_names_of_the_parameters_are_bound_by_name(
    query: str, names: list[str], want: list[int], runtime_uri: str
) -> None:
    with RawClient(runtime_uri) as client:
        handle = bind(client, query, names, [1, 2], [10, 20])
        assert client.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))["x"].to_pylist() == want


def test_rows_of_an_insert_are_bound_by_name_too(raw: RawClient) -> None:
    raw.update(sql.CommandStatementUpdate(query="CREATE TEMP TABLE by_name (id BIGINT, name VARCHAR)"))
    prepared = raw.prepare("INSERT INTO by_name VALUES ($id, $name)")
    rows = pa.table({"name": [f"n{i}" for i in range(600)], "id": range(600)})  # of more than one query
    command = sql.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)
    assert raw.update(command, rows) == 600
    answer = raw.ask(sql.CommandStatementQuery(query="SELECT count(*) AS n FROM by_name WHERE name = 'n' || id"))
    assert answer["n"].to_pylist() == [600]
