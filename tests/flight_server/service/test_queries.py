"""Statements and prepared statements, by the ADBC driver with pandas and polars, and by a bare Flight client."""

from __future__ import annotations

import datetime
import decimal
import re

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import duckdb
import grpc
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from pyarrow import flight

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.flight_server.conftest import Served

QUERY = "SELECT n_regionkey, count(*) AS nations FROM nation GROUP BY n_regionkey ORDER BY n_regionkey"


def info(client: flight.FlightClient, command: Message) -> flight.FlightInfo:
    return client.get_flight_info(flight.FlightDescriptor.for_command(wrap(command)))


def rows(client: flight.FlightClient, command: Message) -> pa.Table:
    return client.do_get(info(client, command).endpoints[0].ticket).read_all()


def test_pandas_polars_arrow_and_bare_flight_read_the_same(
    served: Served, connection: flight_sql.Connection, client: flight.FlightClient
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM orders")
        arrow = cursor.fetch_arrow_table().sort_by("o_orderkey")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM orders ORDER BY o_orderkey")
        frame = cursor.fetch_df()
    polars = pl.read_database("SELECT * FROM orders ORDER BY o_orderkey", connection)
    bare = rows(client, sql.CommandStatementQuery(query="SELECT * FROM orders")).sort_by("o_orderkey")
    stored = pq.read_table(served.data / "orders.parquet").cast(arrow.schema).sort_by("o_orderkey")
    assert arrow.equals(stored)
    assert bare.equals(stored)
    assert pa.Table.from_pandas(frame, schema=stored.schema, preserve_index=False).equals(stored)
    assert polars.to_arrow().cast(stored.schema).equals(stored)


def test_schema_info_and_stream_agree(client: flight.FlightClient) -> None:
    query = """SELECT n_name, n_nationkey::DECIMAL(9, 2) AS d, [n_nationkey] AS l, {'a': n_name} AS s, DATE '2024-01-01'
               AS day, now() AS t, NULL AS nothing, 'x'::BLOB AS b, INTERVAL 1 DAY AS i FROM nation"""
    command = sql.CommandStatementQuery(query=query)
    planned = info(client, command)
    table = client.do_get(planned.endpoints[0].ticket).read_all()
    assert client.get_schema(flight.FlightDescriptor.for_command(wrap(command))).schema.equals(planned.schema)
    assert table.schema.equals(planned.schema, check_metadata=True)
    assert table.schema.field("n_name").type == pa.string()
    assert table.num_rows == 25


def test_a_ticket_gives_the_rows_of_the_moment_of_planning_each_time(client: flight.FlightClient) -> None:
    planned = info(client, sql.CommandStatementQuery(query="SELECT random() < 2 AS x, n_name FROM nation"))
    first, second = (client.do_get(planned.endpoints[0].ticket).read_all() for _ in range(2))
    assert first.equals(second)


def test_explain_is_a_statement(cursor: flight_sql.Cursor) -> None:
    cursor.execute("explain SELECT count(*) FROM nation WHERE n_regionkey = ?", (1,))
    plan = cursor.fetch_arrow_table()
    assert plan.schema.equals(pa.schema([("plan", pa.string())]))
    assert any("TableScanExec" in line for line in plan["plan"].to_pylist())


def test_messages_fit_plain_grpc_clients(served: Served, client: flight.FlightClient) -> None:
    """A grpcio channel takes 4 MB messages at most, unless it is told otherwise."""
    planned = info(client, sql.CommandStatementQuery(query="SELECT *, l_comment AS again FROM lineitem"))
    with grpc.insecure_channel(served.uri.removeprefix("grpc://")) as channel:
        do_get = channel.unary_stream("/arrow.flight.protocol.FlightService/DoGet")
        ticket = messages.Ticket(ticket=planned.endpoints[0].ticket.ticket)
        sizes = [len(message) for message in do_get(ticket.SerializeToString())]
    assert sum(sizes) > 8_000_000
    assert max(sizes) < 4 * 2**20


# ---- parameters


def test_parameters_of_each_kind(cursor: flight_sql.Cursor) -> None:
    values = {
        "INTEGER": 7,
        "BIGINT": 2**40,
        "DOUBLE": 0.5,
        "VARCHAR": "O'Neill; \\ %",
        "BOOLEAN": True,
        "DATE": datetime.date(2024, 2, 29),
        "TIMESTAMP": datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
        "TIME": datetime.time(1, 2, 3),
        "BLOB": b"\x00\xff'",
        "DECIMAL(12, 3)": decimal.Decimal("123456789.125"),
    }
    for name, value in values.items():
        cursor.execute(f"SELECT CAST(? AS {name}) AS x, CAST(? AS {name}) AS nothing", (value, None))
        assert cursor.fetchall() == [(value, None)], name


def test_a_prepared_statement_runs_again_with_other_values(connection: flight_sql.Connection) -> None:
    with connection.cursor() as cursor:
        query = "SELECT n_name FROM nation WHERE n_nationkey = ?"
        for key, name in [(0, "ALGERIA"), (24, "UNITED STATES"), (0, "ALGERIA")] * 30:
            cursor.execute(query, (key,))
            assert cursor.fetchall() == [(name,)]


def test_parameters_stand_in_any_clause(cursor: flight_sql.Cursor) -> None:
    cursor.execute(
        "SELECT n_name || ? FROM nation WHERE n_nationkey BETWEEN ? AND ? ORDER BY 1 LIMIT ?", ("!", 0, 9, 2)
    )
    assert cursor.fetchall() == [("ALGERIA!",), ("ARGENTINA!",)]


def test_numbered_parameters(cursor: flight_sql.Cursor) -> None:
    cursor.execute("SELECT $2::VARCHAR, $1::INTEGER, $2::VARCHAR", (1, "a"))
    assert cursor.fetchall() == [("a", 1, "a")]


def test_the_schemas_of_a_prepared_statement(connection: flight_sql.Connection) -> None:
    with connection.cursor() as cursor:
        parameters = cursor.adbc_prepare("SELECT n_name FROM nation WHERE n_nationkey = ? AND n_name LIKE ?")
        assert parameters.names == ["1", "2"]


class Prepared:
    """A prepared statement in the protocol's own steps."""

    def __init__(self, client: flight.FlightClient, query: str) -> None:
        self.client = client
        message = sql.ActionCreatePreparedStatementRequest(query=query)
        (body,) = client.do_action(flight.Action("CreatePreparedStatement", wrap(message)))
        self.result = unwrapped(body)
        self.handle = self.result.prepared_statement_handle

    def bind(self, parameters: pa.Table, handle: bytes | None = None) -> bytes:
        command = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle or self.handle)
        descriptor = flight.FlightDescriptor.for_command(wrap(command))
        writer, reader = self.client.do_put(descriptor, parameters.schema)
        with writer:
            writer.write_table(parameters)
            writer.done_writing()
            answer = sql.DoPutPreparedStatementResult.FromString(reader.read().to_pybytes())
        return answer.prepared_statement_handle

    def rows(self, handle: bytes) -> pa.Table:
        return rows(self.client, sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))

    def close(self, handle: bytes | None = None) -> None:
        message = sql.ActionClosePreparedStatementRequest(prepared_statement_handle=handle or self.handle)
        assert list(self.client.do_action(flight.Action("ClosePreparedStatement", wrap(message)))) == []


def unwrapped(result: flight.Result) -> sql.ActionCreatePreparedStatementResult:
    envelope = Any.FromString(result.body.to_pybytes())
    assert envelope.type_url.endswith("/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult")
    return sql.ActionCreatePreparedStatementResult.FromString(envelope.value)


def test_binding_answers_with_a_new_handle_and_leaves_the_old_as_it_was(client: flight.FlightClient) -> None:
    statement = Prepared(client, "SELECT n_name FROM nation WHERE n_nationkey = ?")
    with pytest.raises(pa.ArrowInvalid, match="parameters: 1 needed, none bound"):
        statement.rows(statement.handle)
    first = statement.bind(pa.table({"1": [0]}))
    second = statement.bind(pa.table({"1": [1]}), first)
    assert len({statement.handle, first, second}) == 3
    assert statement.rows(second)["n_name"].to_pylist() == ["ARGENTINA"]
    assert statement.rows(first)["n_name"].to_pylist() == ["ALGERIA"]
    assert statement.rows(statement.handle)["n_name"].to_pylist() == ["ALGERIA"]  # which was bound to this handle
    statement.close(second)
    for handle in (statement.handle, first, second):
        with pytest.raises(pa.ArrowInvalid, match="none of the open prepared statements"):
            statement.rows(handle)


def test_closing_what_is_not_open_is_no_error(client: flight.FlightClient) -> None:
    """As after a restart, or where it has expired: a client that is done has nothing to mend."""
    statement, other = Prepared(client, "SELECT 1 AS x"), Prepared(client, "SELECT 2 AS x")
    for handle in (statement.handle, statement.handle, b"x", bytes(32)):
        statement.close(handle)
    assert other.rows(other.handle)["x"].to_pylist() == [2]
    other.close()


def test_several_rows_of_parameters_give_their_results_one_after_the_other(client: flight.FlightClient) -> None:
    statement = Prepared(client, "SELECT ? AS asked, n_name FROM nation WHERE n_nationkey = ?")
    keys = [3, 0, 24, 99, 0]
    table = statement.rows(statement.bind(pa.table({"1": keys, "2": keys})))
    assert table["asked"].to_pylist() == [3, 0, 24, 0]
    assert table["n_name"].to_pylist() == ["CANADA", "ALGERIA", "UNITED STATES", "ALGERIA"]
    statement.close()


def test_parameters_in_a_dictionary_are_its_values(client: flight.FlightClient) -> None:
    statement = Prepared(client, "SELECT ? AS asked")
    names = pa.array(["a", None, "b", "a"]).dictionary_encode()
    assert statement.rows(statement.bind(pa.table({"1": names})))["asked"].to_pylist() == ["a", None, "b", "a"]
    statement.close()


def test_what_cannot_be_bound(client: flight.FlightClient) -> None:
    statement = Prepared(client, "SELECT n_name FROM nation WHERE n_nationkey = ?")
    with pytest.raises(pa.ArrowInvalid, match="parameters: 1 needed, 2 bound"):
        statement.bind(pa.table({"1": [0], "2": [0]}))
    statement.close()


def test_a_prepared_statement_says_what_it_gives(client: flight.FlightClient) -> None:
    statement = Prepared(client, "SELECT sum(l_tax) AS tax, ? AS x FROM lineitem")
    schema = pa.ipc.read_schema(pa.py_buffer(statement.result.dataset_schema))
    assert schema.names == ["tax", "x"]
    assert schema[0].metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"DECIMAL"
    assert not statement.result.is_update
    statement.close()


def read(cursor: flight_sql.Cursor, query: str) -> list[tuple[object, ...]]:
    cursor.execute(query)
    return cursor.fetchall()


# ---- bad input: the status, the message, and that the next query works


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("SELEC 1", "INVALID_ARGUMENT", r"Syntax error at line 1, column 1: .*SELEC"),
        ("SELECT\n  1 +\n  FROM nation WHERE", "INVALID_ARGUMENT", r"Syntax error at line 3"),
        ("SELECT * FROM natoin", "NOT_FOUND", r'no table "main.natoin"; did you mean "nation"'),
        ("SELECT n_nam FROM nation", "NOT_FOUND", r'no column "n_nam".*"n_name"'),
        ("SELECT n_name + 1 FROM nation", "INVALID_ARGUMENT", r"n_name|VARCHAR|convert"),
        ("SELECT nosuchfunction(1)", "INVALID_ARGUMENT|NOT_FOUND", r"nosuchfunction"),
        ("   ", "INVALID_ARGUMENT", r"empty"),
        ("-- nothing", "INVALID_ARGUMENT", r"empty"),
        ("SELECT 1;\nSELEC 2", "INVALID_ARGUMENT", r"line 2, column 1.*statement 2 of 2; none has taken effect"),
        (
            "SELECT 1; COPY nation TO 'x'",
            "UNAUTHORIZED",
            r"Statements of this kind are not run here; SELECT is.*statement 2 of 2; none has",
        ),
        ("EXPLAIN SELEC 1", "INVALID_ARGUMENT", r"Syntax error at line 1, column 9"),
        ("EXPLAIN\n SELEC 1", "INVALID_ARGUMENT", r"Syntax error at line 2, column 2"),
        (
            "DESCRIBE SELECT\n nope FROM nation",
            "NOT_FOUND",
            r"line 2, column 2.*LINE 2:  nope FROM nation\n {9}\^{4}\.",
        ),
        ("EXPLAIN SELECT * FROM natoin", "NOT_FOUND", r'no table "main.natoin"'),
        ("SELECT CAST('a' || n_name AS INTEGER) FROM nation", "INVALID_ARGUMENT", r"Could not convert.*ALGERIA"),
        ("SELECT 9223372036854775807 + n_nationkey FROM nation", "INVALID_ARGUMENT", r"[Oo]verflow"),
        ("SELECT * FROM broken", "INTERNAL", r"broken"),
        ("SELECT * FROM read_csv('/etc/passwd')", "UNAUTHORIZED", r""),
        ("SELECT * FROM '/etc/passwd'", "UNAUTHORIZED|NOT_FOUND", r""),
        ("COPY nation TO '/tmp/nation.csv'", "UNAUTHORIZED", r"Statements of this kind are not run here; SELECT is"),
        ("SELECT ? + $b", "NOT_IMPLEMENTED", r"Mixing named and positional parameters is not supported"),
        ("ATTACH '/tmp/x.db'", "UNAUTHORIZED", r"Statements of this kind are not run here; SELECT is"),
        ("INSTALL httpfs", "UNAUTHORIZED", r"Statements of this kind are not run here; SELECT is"),
        ("SET threads = 1", "UNAUTHORIZED", r'"threads" cannot be set; a session has catalog, .*, timeout'),
        ("RESET threads", "UNAUTHORIZED", r'"threads" cannot be set'),
        ("SET GLOBAL timeout = 1", "UNAUTHORIZED", r"SET GLOBAL is not handled"),
        ("SET VARIABLE x = 1", "UNAUTHORIZED", r"SET VARIABLE is not handled"),
        ("SET timeout = 'soon'", "INVALID_ARGUMENT", r"timeout cannot be 'soon': it is a duration such as"),
        ("SET partitions = 1.5", "INVALID_ARGUMENT", r"partitions cannot be '1.5': it is a whole number"),
        ("SET runtime = 'spark'", "INVALID_ARGUMENT", r"runtime cannot be 'spark': there is local"),
        ("SET schema", "INVALID_ARGUMENT", r"Syntax error.*SET schema"),
        ("SET schema =", "INVALID_ARGUMENT", r"Syntax error.*SET schema ="),
        ("SET schema = 'main' 'x'", "INVALID_ARGUMENT", r"syntax error"),
        ("USE nowhere", "INVALID_ARGUMENT", r"schema cannot be 'nowhere': there is main"),
        ("USE other.main", "INVALID_ARGUMENT", r'USE names a schema, or "grism" and a schema'),
        ("PRAGMA database_list", "UNAUTHORIZED", r"Statements of this kind are not run here; SELECT is"),
        ("SELECT getenv('HOME')", "UNAUTHORIZED", r"getenv"),
    ],
)
def test_bad_statements(connection: flight_sql.Connection, query: str, status: str, message: str) -> None:
    with connection.cursor() as cursor, pytest.raises(adbc_driver_manager.Error) as caught:
        read(cursor, query)
    text = str(caught.value)
    assert text.split(":")[0] in status.split("|"), text
    assert re.search(message, text, re.DOTALL), text
    for internal in ("Traceback", ".py", "__t0", "duckdb", "/engine/", "exception_type"):
        assert internal not in text
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_an_error_in_mid_stream_has_its_status_and_ends_the_result(client: flight.FlightClient) -> None:
    query = "SELECT CASE WHEN i = 19000000 THEN CAST('x' || i AS INTEGER) ELSE 1 END AS n FROM range(20000000) t(i)"
    reader = client.do_get(info(client, sql.CommandStatementQuery(query=query)).endpoints[0].ticket)
    assert reader.read_chunk().data.num_rows > 0
    with pytest.raises(pa.ArrowInvalid, match="Could not convert string 'x19000000' to INT32") as caught:
        reader.read_all()
    assert "exception_type" not in str(caught.value)


def test_division_is_the_dialect_s(cursor: flight_sql.Cursor) -> None:
    query = "SELECT 1 / 2 AS quotient, 7 // 2 AS whole, -7 % 3 AS rest, 1 / 0 AS infinite"
    assert read(cursor, query) == duckdb.connect().execute(query).fetchall()
    with pytest.raises(adbc_driver_manager.Error, match=r"INVALID_ARGUMENT.*Division by zero"):
        read(cursor, "SELECT 1 // 0")


def test_a_text_of_a_megabyte(cursor: flight_sql.Cursor) -> None:
    text = "x" * 1_000_000
    cursor.execute(f"SELECT length('{text}') AS n")
    assert cursor.fetchall() == [(1_000_000,)]


def test_ten_thousand_columns(cursor: flight_sql.Cursor) -> None:
    cursor.execute("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(10_000)))
    (row,) = cursor.fetchall()
    assert row == tuple(range(10_000))


def test_a_client_that_leaves_in_the_middle(served: Served, connection: flight_sql.Connection) -> None:
    with flight.connect(served.uri) as client:
        planned = info(client, sql.CommandStatementQuery(query="SELECT a.* FROM lineitem a, lineitem b"))
        reader = client.do_get(planned.endpoints[0].ticket)
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM nation")
        assert cursor.fetchall() == [(25,)]
