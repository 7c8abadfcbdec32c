"""The call sequences of the Flight SQL JDBC driver (Arrow Java), as DBeaver and others make them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import ipc

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service import schemas
from tests.clients.raw import RawClient


def options(**values: str) -> bytes:
    request = messages.SetSessionOptionsRequest()
    for name, value in values.items():
        request.session_options[name].string_value = value
    return request.SerializeToString()


def schema(data: bytes) -> pa.Schema:
    return ipc.read_schema(pa.py_buffer(data))


@pytest.fixture
def jdbc(raw: RawClient) -> RawClient:
    """Connected with a user, a password, `catalog=grism`, and a parameter of the URL that the driver does not know."""
    raw.headers.append(("useservice", "something"))
    raw.handshake("Basic YW5uOnNlY3JldA==")
    (answer,) = raw.action("SetSessionOptions", options(catalog="grism"))
    assert not messages.SetSessionOptionsResult.FromString(answer).errors
    return raw


def test_a_token_is_taken_to_the_handshake_too(raw: RawClient) -> None:
    raw.handshake("Bearer anything")
    assert raw.ask(sql.CommandStatementQuery(query="SELECT 1 AS x"))["x"].to_pylist() == [1]


def test_every_statement_is_prepared(jdbc: RawClient) -> None:
    """`Statement.executeQuery`: prepare, GetFlightInfo, DoGet, close."""
    prepared = jdbc.prepare("SELECT n_name FROM nation ORDER BY n_nationkey")
    told = schema(prepared.dataset_schema)
    assert told.names == ["n_name"]
    assert told.field(0).metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"VARCHAR"
    assert len(schema(prepared.parameter_schema)) == 0
    assert prepared.HasField("is_update")
    assert not prepared.is_update
    rows = jdbc.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle))
    assert rows.num_rows == 25
    assert rows.schema.equals(told)
    jdbc.close_prepared(prepared.prepared_statement_handle)


@pytest.mark.parametrize("reads_the_answer", [True, False], ids=["new drivers", "old drivers"])
def test_parameters_have_the_type_that_was_told(jdbc: RawClient, reads_the_answer: bool) -> None:
    """`PreparedStatement.setLong(1, ...)`: the driver makes vectors of the types that it was told, and no others."""
    prepared = jdbc.prepare("SELECT n_name FROM nation WHERE n_nationkey = ? AND n_name LIKE ?")
    told, handle = schema(prepared.parameter_schema), prepared.prepared_statement_handle
    assert told.types == [pa.int32(), pa.string()]
    for key, name in ((3, "CANADA"), (0, "ALGERIA")):
        command = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
        (answer,) = jdbc.put(command, pa.table([[key], ["%A%"]], schema=told))
        bound = sql.DoPutPreparedStatementResult.FromString(answer).prepared_statement_handle
        if reads_the_answer:
            handle = bound
        rows = jdbc.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))
        assert rows["n_name"].to_pylist() == [name]
    jdbc.close_prepared(handle)


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("SELECT n_nationkey, n_name FROM nation WHERE n_nationkey = ?", [pa.int32(), pa.string()]),
        ("SELECT ?::DATE AS d", [pa.date32()]),
        ("SELECT 1 AS x", [pa.int32()]),
        ("EXPLAIN SELECT ?::DATE", [pa.string()]),
        ("INSERT INTO nation SELECT ?, ?, ?, ?", [pa.int64()]),
    ],
)
def test_the_schema_of_a_prepared_statement_is_told_before_it_is_bound(
    query: str, types: list[pa.DataType], runtime_uri: str
) -> None:
    """What arrow-go's client asks with GetSchema is what preparing told."""
    with RawClient(runtime_uri) as raw:
        prepared = raw.prepare(query)
        command = sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
        told = raw.schema(command)
        assert told.types == types
        if not prepared.is_update:
            assert told.equals(schema(prepared.dataset_schema), check_metadata=True)
            assert len(schema(prepared.parameter_schema)) == query.count("?")
        raw.close_prepared(prepared.prepared_statement_handle)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1.25::DECIMAL(9, 2) AS d, 'x' AS v, [1] AS l, NULL AS n, INTERVAL 1 DAY AS i",
        "SELECT uuid() AS u, '{}'::JSON AS j, 'a'::ENUM('a', 'b') AS e, {'a': 1} AS s",
        "SELECT n_regionkey, sum(n_nationkey) AS n FROM nation GROUP BY ALL",
        "DESCRIBE nation",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
    ],
)
def test_all_schemas_of_a_result_say_the_same_of_its_columns(query: str, runtime_uri: str) -> None:
    with RawClient(runtime_uri) as raw:
        prepared = raw.prepare(query)
        told = schema(prepared.dataset_schema)
        command = sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
        for each in (command, sql.CommandStatementQuery(query=query)):
            assert raw.schema(each).equals(told, check_metadata=True)
            assert raw.ask(each).schema.equals(told, check_metadata=True)  # FlightInfo's, and the stream's
        for field in told:
            assert field.metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"]
            assert field.metadata[b"ARROW:FLIGHT:SQL:IS_READ_ONLY"] == b"1"


def test_an_update_is_known_by_its_schema_without_columns(jdbc: RawClient) -> None:
    """`Statement.execute` of DDL, then `PreparedStatement.executeBatch`."""
    made = jdbc.prepare("CREATE OR REPLACE TABLE jdbc_made (id INTEGER, name VARCHAR)")
    assert made.is_update
    assert len(made.dataset_schema) == 0 or len(schema(made.dataset_schema)) == 0
    command = sql.CommandPreparedStatementUpdate
    assert jdbc.update(command(prepared_statement_handle=made.prepared_statement_handle)) == 0
    jdbc.close_prepared(made.prepared_statement_handle)
    insert = jdbc.prepare("INSERT INTO jdbc_made VALUES (?, ?)")
    told = schema(insert.parameter_schema)
    assert told.types == [pa.int32(), pa.string()]
    batch = pa.table([[1, 2], ["a", None]], schema=told)
    assert jdbc.update(command(prepared_statement_handle=insert.prepared_statement_handle), batch) == 2
    jdbc.close_prepared(insert.prepared_statement_handle)
    rows = jdbc.ask(sql.CommandStatementQuery(query="SELECT count(name) AS names, count(*) AS n FROM jdbc_made"))
    assert rows.to_pylist() == [{"names": 1, "n": 2}]


def test_database_metadata(jdbc: RawClient) -> None:
    """What `DatabaseMetaData` asks for when a tool opens its tree."""
    info = jdbc.ask(sql.CommandGetSqlInfo())
    assert info.num_rows > 80
    assert not any(member.nullable for member in info.schema.field("value").type)  # as arrow-go and Arrow C++ have it
    assert jdbc.ask(sql.CommandGetCatalogs())["catalog_name"].to_pylist() == ["grism"]
    found = jdbc.ask(sql.CommandGetDbSchemas(catalog="grism", db_schema_filter_pattern="%"))
    assert "main" in found["db_schema_name"].to_pylist()
    assert "TABLE" in jdbc.ask(sql.CommandGetTableTypes())["table_type"].to_pylist()
    tables = jdbc.ask(
        sql.CommandGetTables(
            catalog="grism",
            db_schema_filter_pattern="main",
            table_name_filter_pattern="%",
            table_types=["TABLE", "VIEW", "SYSTEM TABLE"],
        )
    )
    assert {"nation", "region", "orders"} <= set(tables["table_name"].to_pylist())
    assert jdbc.ask(sql.CommandGetXdbcTypeInfo()).num_rows > 15
    for command in (
        sql.CommandGetPrimaryKeys(catalog="grism", db_schema="main", table="orders"),
        sql.CommandGetImportedKeys(catalog="grism", db_schema="main", table="orders"),
        sql.CommandGetExportedKeys(catalog="grism", db_schema="main", table="orders"),
        sql.CommandGetCrossReference(pk_table="nation", fk_table="region"),
    ):
        keys = jdbc.ask(command)
        assert keys.num_rows == 0
        assert keys.schema in (schemas.PRIMARY_KEYS, schemas.FOREIGN_KEYS)


def test_columns_are_read_out_of_table_schemas(jdbc: RawClient) -> None:
    """`getColumns`: GetTables with schemas; the type's name, precision and scale from each field's metadata."""
    tables = jdbc.ask(sql.CommandGetTables(table_name_filter_pattern="orders", include_schema=True))
    columns = {field.name: field for field in schema(tables["table_schema"][0].as_py())}
    said = {
        name: [field.metadata.get(b"ARROW:FLIGHT:SQL:" + key) for key in (b"TYPE_NAME", b"PRECISION", b"SCALE")]
        for name, field in columns.items()
    }
    assert said["o_totalprice"] == [b"DECIMAL", b"15", b"2"]
    assert said["o_orderkey"] == [b"BIGINT", b"19", b"0"]
    assert said["o_orderdate"][0] == b"DATE"
    assert {field.metadata[b"ARROW:FLIGHT:SQL:TABLE_NAME"] for field in columns.values()} == {b"orders"}
    assert {field.metadata[b"ARROW:FLIGHT:SQL:SCHEMA_NAME"] for field in columns.values()} == {b"main"}
    assert {field.metadata[b"ARROW:FLIGHT:SQL:IS_READ_ONLY"] for field in columns.values()} == {b"1"}  # Parquet
    # ADBC's driver in Java cannot list columns of which this is told.
    assert not any(b"ARROW:FLIGHT:SQL:IS_AUTO_INCREMENT" in field.metadata for field in columns.values())


def test_the_driver_keeps_cookies(raw: RawClient) -> None:
    """Another connection with the cookie is in the same session."""
    action = raw.channel.unary_stream("/arrow.flight.protocol.FlightService/DoAction")
    body = options(schema="main", timeout="7s")
    request = b"\x0a\x11SetSessionOptions\x12" + bytes([len(body)]) + body
    call = action(request, timeout=20)
    list(call)
    (cookie,) = [value for name, value in call.initial_metadata() if name == "set-cookie"]
    with RawClient(raw.uri, [("cookie", cookie.partition(";")[0])]) as again:
        (answer,) = again.action("GetSessionOptions", b"")
        assert messages.GetSessionOptionsResult.FromString(answer).session_options["timeout"].double_value == 7
        (answer,) = again.action("CloseSession", b"")
        assert messages.CloseSessionResult.FromString(answer).status == messages.CloseSessionResult.CLOSED
