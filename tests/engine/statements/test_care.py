"""OPTIMIZE, VACUUM, tags, RESTORE, SHOW VERSIONS and SHOW TAGS, on each runtime."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import lance
import pytest

from engine.errors import (
    ForbiddenError,
    InvalidValueError,
    SqlSyntaxError,
    StorageError,
    TableExistsError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
)
from engine.rights import Grants, Identity, Rights
from engine.statements.care_descriptions import (
    CreateTag,
    DropTag,
    Optimize,
    Restore,
    ShowTags,
    ShowVersions,
    Vacuum,
    VersionAsked,
)
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.descriptions import AlterTable, Describe, DropColumn, ShowSettings, Statement
from engine.statements.parser import parse_statement
from engine.statements.session import Session
from engine.storage import CompositeStorage, DirectoryStorage, InMemoryStorage
from engine.storage.protocol import TableName, Tag
from local_runtime import LocalRuntime
from tests.harness.runtimes import SqlRuntime, Tables

Row = dict[str, object]


@pytest.fixture
def database(runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> Database:
    """Lance tables in a folder, on each runtime."""
    return Database(make_runtime(runtime_name, "lance")[0])


@pytest.fixture
def local(tmp_path: Path) -> Database:
    """A folder of its own, and a schema of tables in memory beside it."""
    return Database(
        LocalRuntime(CompositeStorage(DirectoryStorage(tmp_path), {"memory": InMemoryStorage()}), threads=1)
    )


def run(database: Database, *texts: str) -> list[Row]:
    """The rows of the last statement."""
    for text in texts:
        with database.sql(text) as result:
            rows: list[Row] = result.read_all().to_pylist()
    return rows


def dataset(database: Database, table: str) -> lance.LanceDataset:
    assert database.folder is not None
    return lance.dataset(str(database.folder / f"{table}.lance"))


def made(database: Database, table: str, rows: int) -> str:
    """A table of as many rows, each in a fragment of its own, in versions 2, 3, ..."""
    run(database, f"CREATE OR REPLACE TABLE {table} (i INTEGER, u UUID DEFAULT '6ba7b810-9dad-11d1-80b4-00c04fd430c8')")
    for i in range(rows):
        run(database, f"INSERT INTO {table} (i) VALUES ({i})")
    return table


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("OPTIMIZE t", Optimize(("t",))),
        ("optimize table s.t;", Optimize(("s", "t"))),
        ("OPTIMIZE table", Optimize(("table",))),
        ("VACUUM t", Vacuum(("t",), timedelta(days=7))),
        ("VACUUM t RETAIN '2 hours'", Vacuum(("t",), timedelta(hours=2))),
        ("VACUUM TABLE t RETAIN INTERVAL '1' WEEK", Vacuum(("t",), timedelta(weeks=1))),
        ("VACUUM t RETAIN 0 SECONDS", Vacuum(("t",), timedelta(0))),
        ("ALTER TABLE t CREATE TAG 'a'", CreateTag(("t",), "a", VersionAsked())),
        ("ALTER TABLE t CREATE TAG a AT (VERSION => 3)", CreateTag(("t",), "a", VersionAsked("3"))),
        ("ALTER TABLE t CREATE TAG 'b' AT (TAG => 'a')", CreateTag(("t",), "b", VersionAsked(Tag("a")))),
        (
            "ALTER TABLE IF EXISTS t CREATE OR REPLACE TAG IF NOT EXISTS 'a'",
            CreateTag(("t",), "a", VersionAsked(), True, True, True),
        ),
        ("ALTER TABLE t DROP TAG IF EXISTS 'a'", DropTag(("t",), "a", True)),
        ("ALTER TABLE t DROP tag", AlterTable(("t",), DropColumn("tag"))),
        ("RESTORE TABLE t TO VERSION 3", Restore(("t",), VersionAsked("3"))),
        ("RESTORE t TO TAG 'a'", Restore(("t",), VersionAsked(Tag("a")))),
        ("SHOW VERSIONS FROM s.t", ShowVersions(("s", "t"))),
        ("SHOW TAGS IN t", ShowTags(("t",))),
        ("SHOW tags", ShowSettings("tags", Describe('SELECT * FROM "tags"', ("tags",)))),
    ],
)
def test_what_statements_are(text: str, statement: Statement) -> None:
    assert parse_statement(text) == statement


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("OPTIMIZE", SqlSyntaxError),
        ("OPTIMIZE t WHERE i = 1", SqlSyntaxError),
        ("VACUUM t RETAIN", SqlSyntaxError),
        ("VACUUM t RETAIN 'a while'", InvalidValueError),
        ("VACUUM t RETAIN '-1 days'", InvalidValueError),
        ("VACUUM t RETAIN '1.5 days'", InvalidValueError),
        ("RESTORE t", SqlSyntaxError),
        ("RESTORE t TO 3", SqlSyntaxError),
        ("RESTORE t TO TIMESTAMP 'noon'", InvalidValueError),
        ("ALTER TABLE t CREATE TAG 'a' AT (MOON => 1)", UnsupportedError),
        ("ALTER TABLE t CREATE COLUMN a", SqlSyntaxError),
    ],
)
def test_what_no_statement_is(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_statement(text)


def test_optimize_joins_fragments_and_drops_deleted_rows(database: Database) -> None:
    table = made(database, "optimized", 5)
    dataset(database, table).create_scalar_index("i", "BTREE")
    run(database, f"INSERT INTO {table} (i) SELECT * FROM range(5, 8)", f"DELETE FROM {table} WHERE i IN (2, 6)")
    before = run(database, f"SELECT * FROM {table} ORDER BY i")
    (told,) = run(database, f"OPTIMIZE {table}")
    assert told | {"bytes_before": 0, "bytes_after": 0, "version": 0} == {
        "version": 0,
        "fragments_before": 5,
        "fragments_after": 2,  # those that the index has, and the new ones
        "files_before": 5,
        "files_after": 2,
        "bytes_before": 0,
        "bytes_after": 0,
        "rows_indexed": 2,
    }
    assert run(database, f"SELECT * FROM {table} ORDER BY i") == before
    assert dataset(database, table).stats.index_stats("i_idx")["num_unindexed_rows"] == 0
    assert run(database, f"SELECT typeof(u) AS u FROM {table} WHERE i = 7") == [{"u": "UUID"}]
    (again,) = run(database, f"OPTIMIZE {table}")
    assert (again["fragments_before"], again["fragments_after"], again["rows_indexed"]) == (2, 1, 0)
    assert run(database, f"OPTIMIZE {table}")[0]["version"] == again["version"]


def test_tags_name_versions(database: Database) -> None:
    table = made(database, "tagged", 4)
    run(database, f"ALTER TABLE {table} CREATE TAG 'two' AT (VERSION => 3)", f"ALTER TABLE {table} CREATE TAG newest")
    assert run(database, f"SELECT max(i) AS i FROM {table} AT (TAG => 'two')") == [{"i": 1}]
    run(database, f"CREATE OR REPLACE VIEW of_a_tag AS SELECT i FROM {table} AT (TAG => 'two')")
    assert run(database, "SELECT max(i) AS i FROM of_a_tag") == [{"i": 1}]
    found = run(database, f"SHOW TAGS FROM {table}")
    assert [(row["tag"], row["version"]) for row in found] == [("newest", 5), ("two", 3)]
    with pytest.raises(TableExistsError, match='the tag "two" already, for version 3'):
        run(database, f"ALTER TABLE {table} CREATE TAG 'two'")
    run(database, f"ALTER TABLE {table} CREATE TAG IF NOT EXISTS 'two'")
    run(database, f"ALTER TABLE {table} CREATE OR REPLACE TAG 'two' AT (VERSION => 2)")
    assert run(database, f"SELECT max(i) AS i FROM {table} AT (TAG => 'two')") == [{"i": 0}]
    with pytest.raises(UnknownTableError, match='has no tag "tow"; did you mean "two"'):
        run(database, f"SELECT * FROM {table} AT (TAG => 'tow')")
    with pytest.raises(UnknownTableError, match="no tag"):
        run(database, f"ALTER TABLE {table} DROP TAG 'tow'")
    with pytest.raises(UnsupportedError, match="cannot be a tag"):
        run(database, f"ALTER TABLE {table} CREATE TAG 'näher'")
    run(database, f"ALTER TABLE {table} DROP TAG 'two'", f"ALTER TABLE {table} DROP TAG IF EXISTS 'two'")
    assert [row["tag"] for row in run(database, f"SHOW TAGS FROM {table}")] == ["newest"]
    run(database, "DROP VIEW of_a_tag")


def test_the_place_of_a_tag_that_is_not_there_is_told(database: Database) -> None:
    table = made(database, "placed", 1)
    with pytest.raises(UnknownTableError) as caught:
        run(database, f"SELECT 'é', *\nFROM {table} AT (TAG => 'x') WHERE true")
    assert "(line 2, column 6)" in str(caught.value)


def test_versions_are_told(database: Database) -> None:
    table = made(database, "versions", 2)
    run(database, f"UPDATE {table} SET i = 7 WHERE i = 1", f"DELETE FROM {table} WHERE i = 0")
    run(database, f"ALTER TABLE {table} ADD COLUMN c INTEGER", f"ALTER TABLE {table} CREATE TAG 'c'")
    run(database, f"RESTORE TABLE {table} TO VERSION 3")
    found = run(database, f"SHOW VERSIONS FROM {table}")
    assert [(row["version"], row["operation"], row["rows"], row["tags"]) for row in found] == [
        (7, "restore", 2, []),
        (6, "add columns", 1, ["c"]),
        (5, "update", 1, []),
        (4, "update", 2, []),
        (3, "append", 2, []),
        (2, "append", 1, []),
        (1, "create", 0, []),
    ]
    times = [row["timestamp"] for row in found]
    assert times == sorted(times, reverse=True)  # type: ignore[type-var]


def test_versions_are_told_of_a_table_whose_indexes_came_through_a_compaction(database: Database) -> None:
    table = made(database, "indexed_versions", 2)
    run(database, f"CREATE INDEX x ON {table} (i)", f"OPTIMIZE {table}")
    found = [row["operation"] for row in run(database, f"SHOW VERSIONS FROM {table}")]
    assert found[-4:] == ["index", "append", "append", "create"]
    assert "optimize" in found


def test_restore_brings_rows_and_columns_back(database: Database) -> None:
    table = made(database, "restored", 3)
    before = run(database, f"SELECT *, typeof(u) AS kind FROM {table} ORDER BY i")
    run(database, f"ALTER TABLE {table} CREATE TAG 'good'", f"ALTER TABLE {table} DROP COLUMN u")
    run(database, f"UPDATE {table} SET i = -i", f"OPTIMIZE {table}")
    run(database, f"RESTORE TABLE {table} TO TAG 'good'")
    assert run(database, f"SELECT *, typeof(u) AS kind FROM {table} ORDER BY i") == before
    run(database, f"INSERT INTO {table} (i) VALUES (9)")
    assert run(database, f"SELECT typeof(u) AS kind FROM {table} WHERE i = 9") == [{"kind": "UUID"}]
    with pytest.raises(UnknownTableError, match="no version '99'"):
        run(database, f"RESTORE TABLE {table} TO VERSION 99")
    with pytest.raises(UnknownTableError, match="no version as of 2001"):
        run(database, f"RESTORE TABLE {table} TO TIMESTAMP '2001-01-01'")


def test_vacuum_removes_what_nobody_needs(database: Database) -> None:
    table = made(database, "vacuumed", 6)
    run(database, f"ALTER TABLE {table} CREATE TAG 'kept' AT (VERSION => 4)", f"OPTIMIZE {table}")
    newest = dataset(database, table).version
    (told,) = run(database, f"VACUUM {table}")
    assert (told["versions_removed"], told["versions_left"]) == (0, newest)
    (told,) = run(database, f"VACUUM {table} RETAIN '0 seconds'")
    assert (told["versions_removed"], told["versions_left"]) == (newest - 2, 2)
    assert told["bytes_removed"] > 0  # type: ignore[operator]
    assert [row["version"] for row in run(database, f"SHOW VERSIONS FROM {table}")] == [newest, 4]
    assert run(database, f"SELECT count(*) AS n FROM {table}") == [{"n": 6}]
    assert run(database, f"SELECT count(*) AS n FROM {table} AT (TAG => 'kept')") == [{"n": 3}]
    with pytest.raises(UnknownTableError, match="old ones may be gone"):
        run(database, f"SELECT * FROM {table} AT (VERSION => 3)")


def test_vacuum_keeps_what_a_statement_is_planned_of(database: Database) -> None:
    """Also a change, which asks for rows by several queries, before it writes."""
    table = made(database, "planned", 1)
    snapshot = database.catalog.snapshot(Session())
    handle = snapshot.table(TableName("main", table))
    run(database, f"UPDATE {table} SET i = i + 1", f"OPTIMIZE {table}")
    (told,) = run(database, f"VACUUM {table} RETAIN '0 seconds'")
    assert told["versions_left"] == 2
    plan = database.planning.plan(Session(), f"SELECT i FROM {table}", snapshot=snapshot)
    with database.planning.execute(StatementContext(Session()), plan) as result:
        assert result.read_all().to_pylist() == [{"i": 0}]
    assert handle in database.catalog.pins.tables()
    del snapshot, plan, result


def test_no_snapshot_outlives_its_statement(local: Database) -> None:
    run(local, "CREATE TABLE t AS SELECT 1 AS i, 'a' AS s", "CREATE VIEW v AS SELECT i FROM t")
    for text in (
        *(f"SELECT s FROM t WHERE i = {i}" for i in range(6)),  # planned by their template at last
        "SELECT count(*) FROM v JOIN t USING (i)",
        "UPDATE t SET i = i + 1 WHERE s = 'a'",
        "MERGE INTO t USING (SELECT 5 AS i) x ON t.i = x.i WHEN NOT MATCHED THEN INSERT (i) VALUES (x.i)",
        "INSERT INTO t SELECT * FROM t",
        "DELETE FROM t USING v WHERE t.i = v.i",
        "ALTER TABLE t ADD COLUMN c INTEGER DEFAULT 3",
        "SELECT column_name FROM information_schema.columns",
        "EXPLAIN SELECT * FROM t",
        "CREATE INDEX k ON t (i)",
        "SHOW INDEXES FROM t",
        "DESCRIBE t",
    ):
        run(local, text)
        gc.collect()
        assert (text, local.catalog.pins.tables()) == (text, set())
    with pytest.raises(UnknownColumnError):
        run(local, "SELECT nope FROM t")
    gc.collect()
    assert local.catalog.pins.tables() == set()


def test_vacuum_keeps_what_a_query_reads(database: Database) -> None:
    table = "streamed"
    run(database, f"CREATE OR REPLACE TABLE {table} AS SELECT i, repeat('x', 1000) AS s FROM range(30000) t(i)")
    answer = database.ask(Session(), database.parse(f"SELECT i, s FROM {table}"))
    later = database.ask(Session(), database.parse(f"SELECT count(*) AS n FROM {table}"))
    with answer.open(StatementContext(Session())) as result:
        batches = iter(result)
        rows = next(batches).num_rows
        run(database, f"DELETE FROM {table} WHERE i >= 10", f"INSERT INTO {table} VALUES (-1, NULL)")
        (told,) = run(database, f"VACUUM {table} RETAIN '0 seconds'")
        assert told["versions_left"] == 2
        rows += sum(batch.num_rows for batch in batches)
    assert rows == 30_000
    with later.open(StatementContext(Session())) as result:  # which was planned, as for a client that fetches later
        assert result.read_all().to_pylist() == [{"n": 30_000}]
    del answer, later, result, batches
    (told,) = run(database, f"VACUUM {table} RETAIN '0 seconds'")
    assert told["versions_left"] == 1
    assert run(database, f"SELECT count(*) AS n FROM {table}") == [{"n": 11}]


def test_care_is_for_lance_tables(local: Database) -> None:
    run(local, "CREATE TABLE memory.m AS SELECT 1 AS a", "CREATE VIEW v AS SELECT 1 AS a")
    for text in ("OPTIMIZE {}", "VACUUM {}", "RESTORE {} TO VERSION 1", "SHOW TAGS FROM {}", "SHOW VERSIONS FROM {}"):
        with pytest.raises(UnsupportedError, match="in memory"):
            run(local, text.format("memory.m"))
        with pytest.raises((UnsupportedError, TableExistsError), match="is a view"):
            run(local, text.format("v"))
        with pytest.raises(UnknownTableError, match="no table"):
            run(local, text.format("nope"))
    run(local, "ALTER TABLE IF EXISTS nope CREATE TAG 'x'", "ALTER TABLE IF EXISTS nope DROP TAG 'x'")


def test_parquet_tables_need_no_care(local: Database, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "q.parquet")
    for text in ("OPTIMIZE q", "VACUUM q", "ALTER TABLE q CREATE TAG 'x'", "SHOW VERSIONS FROM q"):
        with pytest.raises(UnsupportedError, match="Parquet"):
            run(local, text)


def test_temporary_tables_too(local: Database, tmp_path: Path) -> None:
    context = StatementContext(Session(data=tmp_path))
    for text in ("CREATE TEMP TABLE tt (i INT)", *["INSERT INTO tt VALUES (1)"] * 3, "OPTIMIZE tt"):
        with local.sql(text, None, context) as result:
            told = result.read_all().to_pylist()
    assert told[0]["fragments_after"] == 1
    context.session.end()


def test_rights(local: Database) -> None:
    made(local, "t", 2)

    def may(role: str, text: str) -> bool:
        grants = Grants(Rights(), Identity("x", frozenset({role})))
        try:
            local.sql(text, None, StatementContext(Session(grants=grants))).close()
        except ForbiddenError:
            return False
        return True

    read = ("SHOW VERSIONS FROM t", "SHOW TAGS FROM t")
    write = ("OPTIMIZE t",)
    admin = ("VACUUM t", "ALTER TABLE t CREATE TAG a", "ALTER TABLE t DROP TAG a", "RESTORE t TO VERSION 3")
    for role, allowed in (("reader", read), ("writer", read + write), ("admin", read + write + admin)):
        assert [may(role, text) for text in read + write + admin] == [
            text in allowed for text in read + write + admin
        ], role
        assert may(role, "EXPLAIN VACUUM t") == (role == "admin")


def test_a_table_of_the_same_name_has_not_the_tags_of_the_dropped_one(local: Database) -> None:
    made(local, "t", 2)
    run(local, "ALTER TABLE t CREATE TAG 'old'", "DROP TABLE t", "CREATE TABLE t (a INTEGER)")
    assert run(local, "SHOW TAGS FROM t") == []
    assert [row["operation"] for row in run(local, "SHOW VERSIONS FROM t")] == ["create"]
    with pytest.raises(UnknownTableError, match="it has none"):
        run(local, "SELECT * FROM t AT (TAG => 'old')")
    run(local, "ALTER TABLE t CREATE TAG 'old'")
    assert run(local, "SELECT count(*) AS n FROM t AT (TAG => 'old')") == [{"n": 0}]
    run(local, "VACUUM t RETAIN '0 days'")
    assert len(dataset(local, "t").versions()) == 1


def test_writers_and_readers_beside_optimize(local: Database) -> None:
    made(local, "t", 10)
    done = threading.Event()
    failures: list[BaseException] = []

    def until_done(work: Callable[[int], None]) -> threading.Thread:
        def loop() -> None:
            count = 0
            try:
                while not done.is_set():
                    work(count)
                    count += 1
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=loop)
        thread.start()
        return thread

    written: list[int] = []

    def write(count: int) -> None:
        run(local, f"INSERT INTO t (i) VALUES ({100 + count})", f"UPDATE t SET i = i + 1000 WHERE i = {100 + count}")
        written.append(1100 + count)

    def read(_: int) -> None:
        (row,) = run(local, "SELECT count(*) AS n, count(*) FILTER (i < 10) AS old FROM t")
        assert row["old"] == 10

    threads = [until_done(write), until_done(read)]
    try:
        for _ in range(8):
            run(local, "OPTIMIZE t")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    found = [row["i"] for row in run(local, "SELECT i FROM t ORDER BY i")]
    assert found == [*range(10), *written]


def test_vacuum_keeps_what_a_writer_has_begun_with(local: Database) -> None:
    """An INSERT whose rows are still being computed, while others commit, and the versions between go."""
    made(local, "t", 1)
    session = Session()
    storage = local.catalog.storage
    handle = storage.snapshot().table(local.catalog.full_name(session, ("t",)))
    first = local.ask(session, local.parse("SELECT 7::INTEGER AS i"))
    with first.open(StatementContext(session)) as rows:
        started, go = threading.Event(), threading.Event()

        def batches() -> object:
            started.set()
            assert go.wait(60)
            yield from rows

        import pyarrow as pa

        from engine.storage import WriteMode

        reader = pa.RecordBatchReader.from_batches(rows.schema, batches())
        writer = threading.Thread(target=lambda: storage.write(handle.name, reader, WriteMode.APPEND))
        writer.start()
        assert started.wait(60)
        for i in range(3):
            run(local, f"INSERT INTO t (i) VALUES ({i})")
        run(local, "VACUUM t RETAIN '0 seconds'")
        go.set()
        writer.join()
    assert run(local, "SELECT count(*) AS n FROM t WHERE i = 7") == [{"n": 1}]


def test_a_version_that_goes_before_it_is_restored(local: Database) -> None:
    made(local, "t", 3)
    handle = local.catalog.snapshot(Session()).table(local.catalog.full_name(Session(), ("t",)), "2")
    run(local, "VACUUM t RETAIN '0 seconds'")
    with pytest.raises(StorageError, match="is gone"):
        local.catalog.storage.care(handle.name).restore(handle)
