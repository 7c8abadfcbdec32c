"""`duckdb_tables()` and the like: the kernel's columns over the tables of a session, and only those it may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from engine.errors import ForbiddenError, UnsupportedError
from engine.rights import Action, Grants, Identity, Rights, grant
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from tests.harness.runtimes import SqlRuntime

FUNCTIONS = ("columns", "constraints", "databases", "indexes", "schemas", "settings", "tables", "views")
Rows = list[dict[str, Any]]


@pytest.fixture
def ask(runtime: SqlRuntime) -> Iterator[Callable[..., Rows]]:
    """Statements in a session, over a schema `told` with a table, a view, and a temporary table."""
    database, session = Database(runtime), Session()

    def ask(text: str, of: Session = session) -> Rows:
        parsed = database.parse(text)
        context = StatementContext(of)
        if parsed.has_effects:
            return [{"changed": database.run(context, parsed)}]
        with database.ask(of, parsed).open(context) as result:
            rows: Rows = result.read_all().to_pylist()
            return rows

    for text in (
        "CREATE SCHEMA told",
        "CREATE TABLE told.t (a INTEGER NOT NULL, b DECIMAL(9, 2) DEFAULT 1.5)",
        "CREATE VIEW told.v AS SELECT a FROM told.t",
        "INSERT INTO told.t (a) VALUES (1), (2)",
        "CREATE TEMP TABLE own AS SELECT 'x' AS c",
    ):
        ask(text)
    yield ask
    for text in ("DROP TABLE own", "DROP SCHEMA told CASCADE"):
        ask(text)
    session.end()


def test_the_columns_are_those_of_the_kernel(ask: Callable[..., Rows]) -> None:
    with duckdb.connect() as kernel:
        for name in FUNCTIONS:
            text = f"DESCRIBE SELECT * FROM duckdb_{name}()"
            told = [(row["column_name"], row["column_type"]) for row in ask(text)]
            wanted = [(row[0], row[1]) for row in kernel.execute(text).fetchall() if row[1] != "VARIANT"]
            assert told == wanted, name


def test_what_they_tell(ask: Callable[..., Rows]) -> None:
    tables = ask(
        """SELECT database_name AS d, schema_name AS s, table_name AS t, temporary, estimated_size AS n,
            column_count AS c, sql FROM duckdb_tables() WHERE schema_name = 'told' OR temporary ORDER BY d"""
    )
    made = 'CREATE TABLE "told"."t"("a" INTEGER NOT NULL, "b" DECIMAL(9,2) DEFAULT(1.5));'
    assert [tuple(row.values()) for row in tables] == [
        ("grism", "told", "t", False, 2, 2, made),
        ("temp", "main", "own", True, 1, 1, 'CREATE TEMP TABLE "own"("c" VARCHAR);'),
    ]
    joined = ask(
        """SELECT t.table_name, list(c.column_name ORDER BY column_index) AS names,
            any_value(k.constraint_column_names) AS k
        FROM duckdb_tables() t JOIN duckdb_columns() c USING (table_oid) LEFT JOIN duckdb_constraints() k
            USING (table_oid) WHERE t.schema_name = 'told' GROUP BY ALL"""
    )
    assert joined == [{"table_name": "t", "names": ["a", "b"], "k": ["a"]}]
    assert ask("SELECT view_name, column_count, is_bound FROM duckdb_views() WHERE schema_name = 'told'") == [
        {"view_name": "v", "column_count": 1, "is_bound": True}
    ]
    assert ask("SELECT duckdb_schemas.schema_name FROM duckdb_schemas() WHERE schema_name = 'told'") == [
        {"schema_name": "told"}
    ]
    assert ask("SELECT count(*) AS n FROM duckdb_databases() WHERE database_name = current_database()") == [{"n": 1}]
    assert ask("SELECT value FROM duckdb_settings() WHERE name = 'TimeZone'") == [{"value": "UTC"}]
    assert ask("SELECT count(*) AS n FROM duckdb_indexes()") == [{"n": 0}]
    assert ask("SELECT count(*) > 100 AS many FROM duckdb_functions()") == [{"many": True}]


def test_a_reader_sees_what_they_may_read(ask: Callable[..., Rows]) -> None:
    rights = Rights({"some": (grant("told.v", Action.READ),)})
    reader = Session(grants=Grants(rights, Identity("ann", frozenset({"some"}))))
    assert ask("SELECT table_name FROM duckdb_tables()", reader) == []
    assert ask("SELECT view_name FROM duckdb_views()", reader) == [{"view_name": "v"}]
    assert {row["table_name"] for row in ask("SELECT table_name FROM duckdb_columns()", reader)} <= {"v"}
    assert ask("SELECT * FROM duckdb_constraints()", reader) == []


def test_what_is_refused(ask: Callable[..., Rows]) -> None:
    with pytest.raises(ForbiddenError, match="table function duckdb_tables"):
        ask("SELECT * FROM duckdb_tables(1)")
    with pytest.raises(ForbiddenError, match="duckdb_secrets"):
        ask("SELECT * FROM duckdb_secrets()")
    with pytest.raises(UnsupportedError, match="reads tables"):
        ask("CREATE TABLE told.d (a BIGINT DEFAULT (SELECT count(*) FROM duckdb_tables()))")
