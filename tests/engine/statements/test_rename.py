"""ALTER TABLE and VIEW ... RENAME TO: the rows stay, and so do the queries that run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

import grism
from engine.errors import GrismError, TableExistsError, UnknownTableError, UnsupportedError
from grism import Connection


@pytest.fixture(params=["folder", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    with grism.connect(tmp_path) if request.param == "folder" else grism.connect() as db:
        yield db


def rows(db: Connection, text: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in db.sql(text).to_arrow().to_pylist()]


def test_a_table_keeps_its_rows_columns_and_versions(db: Connection) -> None:
    db.sql("CREATE TABLE a (x INTEGER NOT NULL, y VARCHAR DEFAULT 'q')")
    db.sql("INSERT INTO a (x) VALUES (1), (2)")
    db.sql("ALTER TABLE a RENAME TO b")
    assert rows(db, "SHOW TABLES") == [("b",)]
    db.sql("INSERT INTO grism.main.b (x) VALUES (3)")
    assert rows(db, "SELECT * FROM b ORDER BY x") == [(1, "q"), (2, "q"), (3, "q")]
    assert rows(db, "SELECT count(*) FROM b AT (VERSION => 2)") == [(2,)]
    with pytest.raises(GrismError, match="NULL"):
        db.sql("INSERT INTO b VALUES (NULL, 'x')")
    with pytest.raises(UnknownTableError):
        db.sql("SELECT * FROM a")


def test_names_are_exchanged_by_way_of_a_third(db: Connection) -> None:
    db.sql("CREATE TABLE a AS SELECT 1 AS x")
    db.sql("CREATE TABLE b AS SELECT 2 AS x")
    for _ in range(2):  # the second time each takes the place of what was there before
        for text in ("a RENAME TO c", "b RENAME TO a", "c RENAME TO main.b"):
            db.sql(f"ALTER TABLE {text}")
    assert rows(db, "SELECT (SELECT x FROM a), (SELECT x FROM b)") == [(1, 2)]


def test_a_query_that_runs_goes_on(db: Connection) -> None:
    db.sql("CREATE TABLE a AS SELECT i, repeat('x', 50) AS s FROM range(400000) r(i)")
    result = db.sql("SELECT * FROM a WHERE i >= 0")  # planned now, on the table as it is
    db.sql("ALTER TABLE a RENAME TO b")
    db.sql("CREATE TABLE a AS SELECT 0 AS i")
    assert sum(batch.num_rows for batch in result) == 400_000
    assert rows(db, "SELECT count(*) FROM b") == [(400_000,)]


def test_views_and_temporary_tables(db: Connection) -> None:
    db.sql("CREATE TABLE a AS SELECT 1 AS x")
    db.sql("CREATE VIEW v AS SELECT * FROM a")
    db.sql("ALTER VIEW v RENAME TO w")
    db.sql("CREATE TEMP TABLE t AS SELECT 5 AS x")
    db.sql("ALTER TABLE temp.main.t RENAME TO u")
    assert rows(db, "SELECT * FROM u UNION ALL SELECT * FROM w") == [(5,), (1,)]
    assert rows(db, "SHOW TABLES") == [("a",), ("u",), ("w",)]
    db.sql("ALTER VIEW IF EXISTS nothing RENAME TO x")
    db.sql("ALTER TABLE IF EXISTS nothing RENAME TO x")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("ALTER TABLE a RENAME TO b", TableExistsError, '"b" is there already'),
        ("ALTER TABLE a RENAME TO B", TableExistsError, "there already"),
        ("ALTER TABLE a RENAME TO v", TableExistsError, "there already"),
        ("ALTER VIEW v RENAME TO a", TableExistsError, "there already"),
        ("ALTER TABLE v RENAME TO x", TableExistsError, "is a view"),
        ("DROP TABLE v", TableExistsError, '"main.v" is a view.* DROP VIEW'),
        ("DROP VIEW a", UnknownTableError, 'no view "main.a", it is a table: DROP TABLE'),
        ("DROP VIEW vv", UnknownTableError, 'no view "main.vv"; did you mean "main.v"'),
        ("ALTER TABLE nothing RENAME TO x", UnknownTableError, "nothing"),
        ("ALTER VIEW a RENAME TO x", UnknownTableError, 'no view "main.a", it is a table: DROP TABLE and ALTER TABLE'),
        ("ALTER TABLE a RENAME TO s.x", UnsupportedError, "stays in its schema"),
        ('ALTER TABLE a RENAME TO "x/y"', UnsupportedError, "slash"),
        ("ALTER VIEW v AS SELECT 1", UnsupportedError, "ALTER VIEW renames"),
    ],
)
def test_what_is_refused(db: Connection, text: str, error: type[GrismError], message: str) -> None:
    for made in ("TABLE a AS SELECT 1 AS x", "TABLE b AS SELECT 2 AS x", "VIEW v AS SELECT 1 AS x"):
        db.sql(f"CREATE {made}")
    with pytest.raises(error, match=message):
        db.sql(text)
    assert rows(db, "SHOW TABLES") == [("a",), ("b",), ("v",)]


@pytest.mark.parametrize(
    "changes",
    [
        ["DELETE FROM a WHERE x = 2"],
        ["UPDATE a SET y = 'new' WHERE x = 2"],
        ["ALTER TABLE a DROP COLUMN z"],
        ["ALTER TABLE a DROP COLUMN z", "ALTER TABLE a ADD COLUMN w INTEGER DEFAULT 7"],
        ["ALTER TABLE a DROP COLUMN s", "DELETE FROM a WHERE x = 1", "ALTER TABLE a RENAME y TO v"],
    ],
)
def test_what_was_changed_in_place_stays_so(db: Connection, changes: list[str]) -> None:
    db.sql("CREATE TABLE b AS SELECT 0 AS other, 'x' AS another")
    db.sql("DROP TABLE b")
    db.sql("CREATE TABLE a (s STRUCT(k INTEGER, l VARCHAR), x INTEGER NOT NULL, y VARCHAR DEFAULT 'd', z DOUBLE)")
    db.sql("INSERT INTO a SELECT {'k': i, 'l': 'l' || i}, i, 'y' || i, i / 2 FROM range(5) r(i)")
    for change in changes:
        db.sql(change)
    before, told = rows(db, "SELECT * FROM a ORDER BY x"), rows(db, "DESCRIBE a")
    db.sql("ALTER TABLE a RENAME TO b")  # where a table was dropped
    assert (rows(db, "SELECT * FROM b ORDER BY x"), rows(db, "DESCRIBE b")) == (before, told)
    db.sql("ALTER TABLE b RENAME TO c")  # where none was
    assert (rows(db, "SELECT * FROM c ORDER BY x"), rows(db, "DESCRIBE c")) == (before, told)
    db.sql("ALTER TABLE c RENAME TO a")
    assert (rows(db, "SELECT * FROM a ORDER BY x"), rows(db, "DESCRIBE a")) == (before, told)
    db.sql("UPDATE a SET x = x + 100")
    assert len(rows(db, "SELECT * FROM a WHERE x >= 100")) == len(before)


def test_a_table_of_another_writer_with_rows_that_were_deleted(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lance")
    lance.write_dataset(pa.table({"x": [1, 2, 3]}), path).delete("x = 2")
    with grism.connect(tmp_path) as db:
        db.sql("ALTER TABLE a RENAME TO b")
        assert rows(db, "SELECT x FROM b ORDER BY x") == [(1,), (3,)]
        db.sql("ALTER TABLE b RENAME TO a")
        assert rows(db, "SELECT x FROM a ORDER BY x") == [(1,), (3,)]
