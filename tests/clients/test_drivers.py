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
