"""Statements that reach for files, settings, other schemas: by views, CTEs, quoted and cased names, parameters, DDL."""

from __future__ import annotations

from pathlib import Path

import grpc
import pyarrow as pa
import pytest

from flight_server.proto import sql
from tests.attacks.conftest import Attacked
from tests.clients.raw import RawClient

REACHES = [
    "SELECT * FROM '{secrets}'",
    'SELECT * FROM "{secrets}"',
    "SELECT * FROM read_parquet('{secrets}')",
    "SELECT * FROM READ_Parquet('{secrets}')",
    "SELECT * FROM \"read_parquet\"('{secrets}')",
    "SELECT * FROM parquet_scan('{secrets}')",
    "SELECT * FROM main.read_parquet('{secrets}')",
    "SELECT * FROM system.main.read_parquet('{secrets}')",
    "SELECT * FROM nation, LATERAL (SELECT * FROM read_parquet('{secrets}'))",
    "SELECT (SELECT max(r_name) FROM read_parquet('{secrets}'))",
    "WITH nation AS (SELECT * FROM read_parquet('{secrets}')) SELECT * FROM nation",
    "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r, read_parquet('{secrets}') WHERE x < 2) FROM r",
    "SELECT * FROM nation WHERE EXISTS (SELECT 1 FROM '{secrets}')",
    "SELECT * FROM nation UNION ALL BY NAME SELECT * FROM '{secrets}'",
    "FROM '{secrets}'",
    "PIVOT '{secrets}' ON r_name IN ('ASIA') USING count(*)",
    "SELECT * FROM query('SELECT * FROM ''{secrets}''')",
    "SELECT * FROM query_table('{secrets}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT content FROM read_text('{secrets}')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT getenv('PATH')",
    "SELECT current_setting('allowed_directories')",
    "SELECT * FROM duckdb_memory()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM system.main.pragma_database_list",
    "CREATE VIEW stolen AS SELECT * FROM '{secrets}'",
    "CREATE VIEW stolen AS SELECT * FROM read_parquet('{secrets}')",
    "CREATE TABLE stolen AS SELECT * FROM '{secrets}'",
    'CREATE TABLE "../stolen" AS SELECT 1 AS x',
    'CREATE TABLE "a/b" AS SELECT 1 AS x',
    'CREATE TABLE ".hidden" AS SELECT 1 AS x',
    'CREATE SCHEMA "../up"',
    'CREATE SCHEMA ".sessions"',
    'DROP TABLE "../secrets"',
    'SELECT * FROM "../secrets"',
    'SELECT * FROM "..".secrets',
    "INSERT INTO '{folder}/made.parquet' SELECT 1",
    "CREATE TABLE stolen (x VARCHAR DEFAULT (SELECT max(content) FROM read_text('{secrets}')))",
    "CREATE TABLE stolen (x VARCHAR DEFAULT getenv('PATH'))",
    "COPY nation TO '{folder}/made.parquet'",
    "COPY (SELECT 1) TO '{folder}/made.csv'",
    "EXPORT DATABASE '{folder}/made'",
    "ATTACH '{folder}/made.db' AS made",
    "ATTACH ':memory:' AS made",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '1GB'",
    "SET SESSION threads = 1",
    "RESET threads",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CHECKPOINT memory",
    "VACUUM",
    "USE memory",
    "CREATE MACRO stolen() AS 1",
    "CREATE FUNCTION stolen() AS TABLE SELECT 1",
    "CREATE SECRET stolen (TYPE s3)",
    "CREATE TYPE stolen AS ENUM ('a')",
    "CREATE SEQUENCE stolen",
    "PREPARE stolen AS SELECT 1",
    "EXECUTE stolen",
    "SELECT 1; DROP TABLE nation",
    "EXPLAIN ANALYZE SELECT * FROM '{secrets}'",
    "EXPLAIN COPY nation TO '{folder}/made.parquet'",
    "DESCRIBE '{secrets}'",
    "DESCRIBE SELECT * FROM '{secrets}'",
    "SUMMARIZE '{secrets}'",
]
TYPED = {"NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"}


@pytest.mark.parametrize("text", REACHES)
def test_what_reaches_beyond_the_tables_is_refused(survivor: Attacked, text: str) -> None:
    asked = text.format(secrets=survivor.secrets, folder=survivor.data.parent)
    before = files(survivor.data.parent)
    with RawClient(survivor.uri) as client:
        for ask in (
            lambda: client.ask(sql.CommandStatementQuery(query=asked)),
            lambda: client.update(sql.CommandStatementUpdate(query=asked)),
            lambda: client.ask(
                sql.CommandPreparedStatementQuery(
                    prepared_statement_handle=client.prepare(asked).prepared_statement_handle
                )
            ),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                ask()
            assert caught.value.code().name in TYPED, caught.value.details()
            assert "AFRICA" not in (caught.value.details() or "")
    assert files(survivor.data.parent) == before


@pytest.mark.parametrize("function", ["databases", "settings", "tables", "views", "schemas"])
def test_what_is_told_of_the_catalog_tells_nothing_of_the_kernel(survivor: Attacked, function: str) -> None:
    with RawClient(survivor.uri) as client:
        told = str(client.ask(sql.CommandStatementQuery(query=f"FROM duckdb_{function}()")).to_pylist())
    for hidden in (str(survivor.data), "memory", "allowed_directories", "system"):
        assert hidden not in told


@pytest.mark.parametrize("value", ["{secrets}", "/etc/passwd", "'; DROP TABLE nation; --", "nation"])
def test_parameters_are_values(survivor: Attacked, value: str) -> None:
    given = value.format(secrets=survivor.secrets)
    with RawClient(survivor.uri) as client:
        handle = client.prepare("SELECT ? AS given, count(*) AS n FROM nation").prepared_statement_handle
        query = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
        (answer,) = client.put(query, pa.table({"1": [given]}))
        bound = sql.DoPutPreparedStatementResult.FromString(answer).prepared_statement_handle
        table = client.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=bound))
        assert table.to_pylist() == [{"given": given, "n": 25}]


def files(folder: Path) -> set[str]:
    """Every file below, but the log and what the server keeps for itself."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if path.name != "log" and not path.parts[-1].startswith(".")}
