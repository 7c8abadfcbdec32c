"""The call sequences of the Flight SQL ODBC driver, as Power BI and Tableau make them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import ipc

from flight_server.proto import sql
from flight_server.service import schemas
from tests.clients.raw import RawClient


@pytest.fixture
def odbc(raw: RawClient) -> RawClient:
    """Connected: Handshake, then all of GetSqlInfo, which the driver keeps."""
    raw.handshake("Basic YW5uOnNlY3JldA==")
    info = raw.ask(sql.CommandGetSqlInfo())
    values = dict(zip(info["info_name"].to_pylist(), info["value"].to_pylist(), strict=True))
    assert values[0] == "grism"  # SQL_DBMS_NAME
    assert values[504] == '"'  # SQL_IDENTIFIER_QUOTE_CHAR
    assert values[8] == 0  # SQL_TXN_CAPABLE
    return raw


def test_sql_exec_direct(odbc: RawClient) -> None:
    """SQLExecDirect: GetFlightInfo of the statement, and its schema before any row (SQLDescribeCol)."""
    info = odbc.info(sql.CommandStatementQuery(query="SELECT o_totalprice, o_orderdate FROM orders LIMIT 10"))
    told = ipc.read_schema(pa.py_buffer(info.schema))
    assert told.types == [pa.decimal128(15, 2), pa.date32()]
    assert not any(endpoint.location for endpoint in info.endpoint)  # fetch where this came from
    assert odbc.get(info).num_rows == 10


def test_sql_prepare_and_execute(odbc: RawClient) -> None:
    prepared = odbc.prepare("SELECT count(*) AS n FROM nation")
    command = sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
    for _ in range(2):
        assert odbc.ask(command)["n"].to_pylist() == [25]
    odbc.close_prepared(prepared.prepared_statement_handle)


def test_an_update_by_execute_update(odbc: RawClient) -> None:
    """A DoPut of a descriptor without any data, and without a schema."""
    run = odbc.update
    assert run(sql.CommandStatementUpdate(query="CREATE OR REPLACE TABLE odbc_made AS SELECT 1 AS x")) in (0, 1)
    assert run(sql.CommandStatementUpdate(query="INSERT INTO odbc_made VALUES (2), (3)")) == 2
    assert run(sql.CommandStatementUpdate(query="DELETE FROM odbc_made WHERE x > 1")) == 2
    assert run(sql.CommandStatementUpdate(query="DROP TABLE odbc_made")) == 0


def test_sql_tables_in_its_four_meanings(odbc: RawClient) -> None:
    """SQLTables with "%" in one place lists catalogs, schemas or types; Power BI opens its navigator so."""
    assert odbc.ask(sql.CommandGetCatalogs()).num_rows == 1
    assert odbc.ask(sql.CommandGetDbSchemas()).num_rows >= 1
    assert odbc.ask(sql.CommandGetTableTypes()).num_rows == 3
    tables = odbc.ask(sql.CommandGetTables(catalog="grism", db_schema_filter_pattern="%", table_types=["TABLE"]))
    assert set(tables["table_type"].to_pylist()) == {"TABLE"}


def test_sql_columns(odbc: RawClient) -> None:
    command = sql.CommandGetTables(
        catalog="grism", db_schema_filter_pattern="main", table_name_filter_pattern="nation", include_schema=True
    )
    (row,) = odbc.ask(command).to_pylist()
    assert ipc.read_schema(pa.py_buffer(row["table_schema"])).names[0] == "n_nationkey"


@pytest.mark.parametrize(
    ("code", "name"), [(4, "INTEGER"), (12, "VARCHAR"), (-5, "BIGINT"), (91, "DATE"), (-7, "BOOLEAN")]
)
def test_sql_get_type_info(odbc: RawClient, code: int, name: str) -> None:
    found = odbc.ask(sql.CommandGetXdbcTypeInfo(data_type=code))
    assert found.schema.equals(schemas.XDBC_TYPE_INFO)
    assert name in found["type_name"].to_pylist()
    assert set(found["data_type"].to_pylist()) == {code}
