"""The one door, without a server and without a client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import (
    ConflictError,
    ForbiddenError,
    GrismError,
    TableExistsError,
    UnknownTableError,
    UnsupportedError,
)
from engine.rights import Grants, Identity, Rights
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import CompositeStorage, DirectoryStorage, InMemoryStorage, TableName
from local_runtime import LocalRuntime


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A folder, and a schema of tables in memory beside it."""
    storage = CompositeStorage(DirectoryStorage(tmp_path), {"memory": InMemoryStorage()})
    with LocalRuntime(storage, threads=1) as runtime:
        yield Database(runtime)


def run(database: Database, text: str) -> int:
    return database.run(StatementContext(Session()), database.parse(text))


def rows(database: Database, text: str) -> list[dict[str, object]]:
    with database.sql(text) as result:
        return result.read_all().to_pylist()


@pytest.mark.parametrize("schema", ["main", "memory", "made"])
def test_statements_change_tables_of_each_part_of_a_composed_storage(database: Database, schema: str) -> None:
    if schema == "made":
        run(database, "CREATE SCHEMA made")
    table = f"{schema}.t"
    run(database, f"CREATE TABLE {table} (a INTEGER NOT NULL, b VARCHAR DEFAULT 'x')")
    assert run(database, f"INSERT INTO {table} (a) SELECT i FROM range(4) r(i)") == 4
    assert run(database, f"UPDATE {table} SET b = 'y' WHERE a > 1") == 2
    assert run(database, f"DELETE FROM {table} WHERE a = 0") == 1
    source = "(SELECT 9 AS a) s ON t.a = s.a"
    assert run(database, f"MERGE INTO {table} t USING {source} WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)") == 1
    run(database, f"ALTER TABLE {table} RENAME b TO c")
    assert rows(database, f"SELECT a, c FROM {table} ORDER BY a") == [
        {"a": 1, "c": "x"},
        {"a": 2, "c": "y"},
        {"a": 3, "c": "y"},
        {"a": 9, "c": "x"},
    ]
    run(database, f"CREATE VIEW {schema}.v AS SELECT a FROM {table}")
    with pytest.raises(TableExistsError, match="view"):
        run(database, f"CREATE TABLE {schema}.v (a INT)")
    with pytest.raises(TableExistsError, match="there already"):
        run(database, f"CREATE VIEW {table} AS SELECT 1")
    run(database, f"DROP VIEW {schema}.v")
    run(database, f"DROP TABLE {table}")
    assert database.catalog.storage.tables() == []


def test_a_schema_that_is_mounted_stays(database: Database) -> None:
    with pytest.raises(TableExistsError, match="there already"):
        run(database, "CREATE SCHEMA Memory")
    with pytest.raises(UnsupportedError, match="mounted"):
        run(database, "DROP SCHEMA memory")


def test_an_insert_that_meets_a_cast_of_its_column_is_made_anew(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server casts between the plan of the INSERT, which gives whole numbers, and its append."""
    run(database, "CREATE TABLE t (n BIGINT)")
    write, casts = (
        DirectoryStorage.write,
        ["ALTER TABLE t ALTER n TYPE DECIMAL(18, 0)", "ALTER TABLE t ALTER n TYPE INT"],
    )

    def late(storage: DirectoryStorage, name: TableName, *arguments: object, **options: object) -> int:
        if casts:
            with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as other:
                run(Database(other), casts.pop(0))
        return write(storage, name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(DirectoryStorage, "write", late)
    assert run(database, "INSERT INTO t SELECT i FROM range(3) r(i)") == 3
    assert not casts
    assert rows(database, "SELECT n, typeof(n) AS type FROM t ORDER BY n") == [
        {"n": n, "type": "INTEGER"} for n in range(3)
    ]


def test_a_table_in_memory_that_somebody_else_changed_is_not_rewritten() -> None:
    storage = InMemoryStorage({"t": pa.table({"a": [1]})})
    handle = storage.snapshot().table(TableName("main", "t"))
    new = pa.table({"a": [2]})
    assert storage.rewrite(handle, new.to_reader()) == 1
    with pytest.raises(ConflictError, match="meanwhile"):
        storage.rewrite(handle, new.to_reader())


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("INSERT INTO t VALUES (1, 'x')", "Append to main.t"),
        ("INSERT INTO t (b) SELECT 'y'", "Append to main.t"),
        ("UPDATE t SET a = a + 1", "Change rows of main.t by UPDATE"),
        ("UPDATE t SET b = t::VARCHAR", "Rewrite main.t by UPDATE"),
        ("UPDATE t SET b = (SELECT x::VARCHAR FROM (SELECT T.*) x)", "Rewrite main.t by UPDATE"),
        (
            "UPDATE t SET b = x.y FROM (SELECT z::VARCHAR y FROM (SELECT t.* EXCLUDE a) z) x",
            "Rewrite main.t by UPDATE",
        ),
        ("UPDATE t SET b = (SELECT max(u.b) FROM (SELECT u.* FROM t AS u) u)", "Change rows of main.t by UPDATE"),
        ("DELETE FROM t WHERE a > 2", "Change rows of main.t by DELETE"),
        (
            "MERGE INTO t USING (SELECT 1 AS a) s ON t.a = s.a WHEN MATCHED THEN DELETE",
            "Change rows of main.t by MERGE",
        ),
        ("ALTER TABLE t ADD COLUMN c INT DEFAULT 7", "Add a column to main.t"),
        ("ALTER TABLE t ALTER a TYPE BIGINT", "Cast a column of main.t"),
        ("CREATE TABLE u AS SELECT a FROM t", "Create table main.u"),
        ("CREATE TEMP TABLE u AS SELECT a FROM t", "Create table temp.u"),
    ],
)
def test_explain_shows_what_is_written_and_the_select_and_has_no_effect(
    database: Database, text: str, first: str
) -> None:
    run(database, "CREATE TABLE t (a INTEGER, b VARCHAR)")
    before = database.catalog.storage.snapshot().table(TableName("main", "t"))
    plan = [row["plan"] for row in rows(database, f"EXPLAIN {text}")]
    assert plan[0] == first
    assert len(plan) > 1
    assert all(str(line).startswith("  ") for line in plan[1:])
    assert database.catalog.storage.tables() == [TableName("main", "t")]
    assert database.catalog.storage.snapshot().table(TableName("main", "t")) == before


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CREATE TABLE u (a INT)", "Create table main.u"),
        ("ALTER TABLE t ADD COLUMN c INT", "Add a column to main.t"),
        ("ALTER TABLE t RENAME a TO c", "Change a column of main.t"),
        ("CREATE VIEW v AS SELECT 1", "Create view main.v"),
        ("CREATE SCHEMA s", "Create schema s"),
        ("DROP TABLE t", "Drop table main.t"),
        ("DROP TABLE IF EXISTS nope", "Drop table main.nope"),
        ("DROP SCHEMA IF EXISTS nope", "Drop schema nope"),
        ("DROP VIEW IF EXISTS nope", "Drop view main.nope"),
    ],
)
def test_explain_of_what_computes_no_rows(database: Database, text: str, line: str) -> None:
    run(database, "CREATE TABLE t (a INTEGER)")
    assert rows(database, f"EXPLAIN {text}")[0] == {"plan": line}
    assert database.catalog.storage.tables() == [TableName("main", "t")]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1, 2, 3)",
        "UPDATE t SET nope = 1",
        "DELETE FROM nope",
        "CREATE TABLE t (a INT)",
        "DROP TABLE nope",
        "DROP SCHEMA nope",
        "DROP VIEW nope",
        "ALTER TABLE t DROP COLUMN nope",
    ],
)
def test_explain_raises_what_the_statement_would(database: Database, text: str) -> None:
    run(database, "CREATE TABLE t (a INTEGER)")
    with pytest.raises(GrismError) as explained:
        database.sql(f"EXPLAIN {text}")
    with pytest.raises(type(explained.value)):
        run(database, text)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t",
        "ALTER TABLE t RENAME a TO b",
        "DROP TABLE t",
        "CREATE TABLE u (a INT)",
    ],
)
def test_explain_asks_for_the_right_that_the_statement_takes(database: Database, text: str) -> None:
    run(database, "CREATE TABLE t (a INTEGER)")
    explained = f"EXPLAIN {text}"
    for role, error in (("reader", ForbiddenError), ("nobody", UnknownTableError)):
        session = Session(grants=Grants(Rights(), Identity("x", frozenset({role}))))
        with pytest.raises(error):
            database.sql(explained, context=StatementContext(session))
    assert rows(database, explained)


def test_describe_within_a_query_is_what_describe_tells(database: Database) -> None:
    run(database, 'CREATE TABLE t (a INTEGER NOT NULL DEFAULT 3, "B c" DECIMAL(5, 1))')
    run(database, "CREATE VIEW v AS SELECT a FROM t")
    for table in ("t", "main.t", '"T"', "v", "information_schema.tables"):
        assert rows(database, f"SELECT * FROM (DESCRIBE {table})") == rows(database, f"DESCRIBE {table}")
    assert rows(database, "SELECT d.column_name AS n FROM (DESCRIBE t) AS d WHERE \"null\" = 'NO'") == [{"n": "a"}]
    assert rows(database, "WITH t AS (SELECT 1 AS x) SELECT column_name AS n FROM (DESCRIBE t)") == [{"n": "x"}]
    assert rows(database, "SELECT column_name AS n FROM (DESCRIBE SELECT a + 1 AS y FROM t)") == [{"n": "y"}]
    before = database.ask(Session(), database.parse("SELECT * FROM (DESCRIBE t)"))
    run(database, 'ALTER TABLE t DROP COLUMN "B c"')
    assert len(rows(database, "SELECT * FROM (DESCRIBE t)")) == 1
    assert before.open(StatementContext(Session())).read_all().num_rows == 2


def test_the_door_needs_no_network_and_no_cluster() -> None:
    unwanted = {"pyarrow._flight", "grpc", "ray"}
    code = f"import sys, engine.statements.database; print(*sorted({unwanted} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
