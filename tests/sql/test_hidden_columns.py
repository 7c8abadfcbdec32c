"""Columns of ours, as the addresses of rows, that no statement may name, and columns of others of such names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import lance
import pyarrow as pa
import pytest

from engine.errors import GrismError, SchemaMismatchError, UnknownColumnError, UnknownTableError, UnsupportedError
from engine.statements.database import Database
from tests.harness.runtimes import SqlRuntime, Tables

T = pa.table({"a": pa.array([0, 1, 2, 3], pa.int32()), "b": pa.array([0, 10, 20, 30], pa.int64())})
U = pa.table({"i": pa.array([1, 2], pa.int32()), "w": pa.array([5, 6], pa.int64())})
ODD = pa.table(
    {
        "i": range(40),
        "_RowAddr": [10 * i for i in range(40)],
        "__grism_hit": [i % 2 for i in range(40)],
        "v": pa.array([[i, 1] for i in range(40)], pa.list_(pa.float32(), 2)),
        "blob": pa.array([b"x" * i for i in range(40)], pa.large_binary()),
    }
)


@pytest.fixture
def made(runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> tuple[Database, Tables]:
    """A database with the tables `t` and `u`, and what puts others beside them."""
    runtime, tables = make_runtime(runtime_name, "lance")
    for name, table in (("t", T), ("u", U)):
        tables.put(name, table)
    return Database(runtime), tables


@pytest.fixture
def database(made: tuple[Database, Tables]) -> Database:
    return made[0]


@pytest.fixture
def odd(made: tuple[Database, Tables]) -> Iterator[Database]:
    """With the table `odd`, which another tool wrote with names of ours in other cases of letters."""
    database, tables = made
    tables.put("odd", U)
    (directory,) = tables.storage.directories()
    blobs = ODD.schema.set(4, ODD.schema.field("blob").with_metadata({"lance-encoding:blob": "true"}))
    lance.write_dataset(ODD.cast(blobs), f"{directory}/odd.lance", mode="overwrite")
    yield database
    tables.remove("odd")


def rows(database: Database, text: str) -> list[tuple[object, ...]]:
    """The rows that a statement answers with."""
    with closing(database.sql(text)) as result:
        return [tuple(row.values()) for batch in result for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE t SET b = {}",
        "UPDATE t SET b = t.{} WHERE a = 1",
        "UPDATE t SET b = 1 WHERE {} = 2",
        "UPDATE t SET b = 1 WHERE {} IS NULL OR true",
        "UPDATE t SET b = {} FROM u WHERE t.a = u.i",
        "UPDATE t SET b = x.y FROM (SELECT t.{} AS y) x",
        "UPDATE t SET {} = 1",
        "DELETE FROM t WHERE {} = 1",
        "DELETE FROM t WHERE a IN (SELECT {} FROM u)",
        "DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.i = {})",
        "DELETE FROM t USING u WHERE t.a = u.i AND {} = 1",
        "MERGE INTO t USING u ON t.{} = u.i WHEN MATCHED THEN DELETE",
        "MERGE INTO t USING u ON t.a = u.i WHEN MATCHED AND {} = 1 THEN DELETE",
        "MERGE INTO t USING u ON t.a = u.i WHEN MATCHED THEN UPDATE SET b = {}",
        "MERGE INTO t USING u ON t.a = u.i WHEN NOT MATCHED BY SOURCE AND t.{} > 1 THEN DELETE",
        "MERGE INTO t USING u ON t.a = u.i WHEN NOT MATCHED BY SOURCE THEN UPDATE SET b = {}",
        "MERGE INTO t USING u ON t.a = u.w WHEN NOT MATCHED THEN INSERT VALUES (1, {})",
        "MERGE INTO t USING u ON t.a = u.w WHEN NOT MATCHED THEN INSERT ({}) VALUES (1)",
        "INSERT INTO t ({}) VALUES (1)",
        "INSERT INTO t SELECT a, {} FROM t",
        "ALTER TABLE t ALTER COLUMN a TYPE BIGINT USING {}",
        "ALTER TABLE t ALTER COLUMN {} TYPE BIGINT",
        "ALTER TABLE t RENAME {} TO c",
        "ALTER TABLE t DROP COLUMN {}",
        "CREATE INDEX i ON t ({})",
        "EXPLAIN UPDATE t SET b = 1 WHERE {} = 2",
        "SELECT {} FROM t",
    ],
)
def test_nobody_else_may_name_them(text: str, database: Database) -> None:
    for name in ("_rowaddr", '"_RowAddr"', "__grism_stays", "__grism_hit", "__grism_value0", "v0"):
        with pytest.raises(UnknownColumnError, match=f'no column "{name.strip(chr(34))}"'):
            database.sql(text.format(name)).close()
    assert rows(database, "SELECT * FROM t ORDER BY a") == [(0, 0), (1, 10), (2, 20), (3, 30)]


def test_a_value_of_a_merge_names_no_other(database: Database) -> None:
    """The columns that are computed beside it have the table's names."""
    merge = "MERGE INTO t USING u ON t.a = u.w WHEN NOT MATCHED THEN INSERT (a, b) VALUES (i, {})"
    for name, error in (("a", UnknownColumnError), ("t.a", UnknownTableError)):
        with pytest.raises(error):
            database.sql(merge.format(name)).close()
    database.sql(merge.format("w")).close()
    assert rows(database, "SELECT * FROM t WHERE a IN (1, 2) ORDER BY b") == [(1, 5), (2, 6), (1, 10), (2, 20)]


@pytest.mark.parametrize(
    ("text", "changed", "want"),
    [
        ("UPDATE t SET b = x._rowaddr FROM (SELECT 5 AS _rowaddr) x WHERE a < 2", 2, [5, 5, 20, 30]),
        ("UPDATE t SET b = _rowaddr FROM (SELECT 5 AS _rowaddr) x WHERE a = 3", 1, [0, 10, 20, 5]),
        ("UPDATE t SET b = 7 WHERE b IN (SELECT _rowaddr FROM (SELECT 20 AS _rowaddr))", 1, [0, 10, 7, 30]),
        ("UPDATE t SET b = length('_rowaddr') WHERE a = 0", 1, [8, 10, 20, 30]),
        ("DELETE FROM t USING (SELECT 1 AS _rowaddr) x WHERE a = _rowaddr", 1, [0, 20, 30]),
        (
            """MERGE INTO t USING (SELECT 2 AS _rowaddr) x ON a = _rowaddr WHEN MATCHED THEN UPDATE SET b = _rowaddr
               WHEN NOT MATCHED BY SOURCE AND a = 3 THEN DELETE""",
            2,
            [0, 10, 2],
        ),
    ],
)
def test_columns_of_others_may_have_the_names(text: str, changed: int, want: list[int], database: Database) -> None:
    assert rows(database, text) == [(changed,)]
    assert rows(database, "SELECT b FROM t ORDER BY a") == [(value,) for value in want]


@pytest.mark.parametrize("name", ["_rowaddr", "_ROWADDR", "_RowId", "__grism_stays", "__Grism_x"])
@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE new AS SELECT 1 AS {}",
        "ALTER TABLE t ADD COLUMN {} INTEGER",
        "ALTER TABLE t RENAME b TO {}",
    ],
)
def test_no_table_is_given_such_a_column(text: str, name: str, database: Database) -> None:
    with pytest.raises(SchemaMismatchError, match=f'cannot have a column named "{name}"'):
        database.sql(text.format(name)).close()


def test_a_table_that_has_such_columns(odd: Database) -> None:
    assert rows(odd, "SELECT i, _rowaddr, octet_length(blob) FROM odd WHERE _rowaddr = 30") == [(3, 30, 3)]
    assert rows(odd, "SELECT _rowaddr, blob FROM odd ORDER BY _rowaddr DESC LIMIT 1") == [(390, b"x" * 39)]
    for text, changed in {
        "UPDATE odd SET i = -1 WHERE _rowaddr = 40": 1,
        "UPDATE odd SET _rowaddr = 7 WHERE __grism_hit = 1 AND i < 4": 2,
        "DELETE FROM odd WHERE _rowaddr > 50": 34,
        "MERGE INTO odd USING u ON odd.i = u.i WHEN MATCHED AND _rowaddr > 7 THEN UPDATE SET _rowaddr = w": 1,
        "INSERT INTO odd (i, _rowaddr) VALUES (50, 500)": 1,
    }.items():
        assert rows(odd, text) == [(changed,)], text
    want = [(-1, 40, 4), (0, 0, 0), (1, 7, 1), (2, 6, 2), (3, 7, 3), (5, 50, 5), (50, 500, None)]
    assert rows(odd, "SELECT i, _rowaddr, octet_length(blob) FROM odd ORDER BY i") == want
    with pytest.raises(UnsupportedError, match='has a column "_rowaddr" of its own'):
        odd.sql("SELECT i FROM vector_search(odd, v, [1, 1])").close()
    for text in ("CREATE INDEX x ON odd (_rowaddr)", "ALTER TABLE odd RENAME _rowaddr TO address"):
        odd.sql(text).close()
    assert rows(odd, "SELECT i FROM odd WHERE address = 7 ORDER BY i") == [(1,), (3,)]
    assert rows(odd, "SELECT i FROM vector_search(odd, v, [1, 1], k := 1)") == [(1,)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("UPDATE {} SET n = 1 WHERE last_query = 'x'", "Change rows of"),
        ("UPDATE {} SET last_query = 'see run_query()'", "Change rows of"),
        ("UPDATE {} SET last_query = '_query' WHERE n = 1", "Change rows of"),
        ("UPDATE {0} SET n = u.w FROM u WHERE {0}.last_query = u.i::VARCHAR", "Change rows of"),
        ("UPDATE {} SET n = 1 WHERE a_rowaddr = 1 OR _rowaddress = 2 OR a__grism_hit = 3", "Change rows of"),
        ("DELETE FROM {} WHERE last_query = '_query'", "Change rows of"),
        ("MERGE INTO {0} USING u ON {0}.n = u.i AND last_query = '_query' WHEN MATCHED THEN DELETE", "Change rows of"),
        ("ALTER TABLE {} ALTER COLUMN last_query TYPE INTEGER", "Cast a column of"),
        ("ALTER TABLE {} ALTER COLUMN n TYPE VARCHAR USING last_query || '_query'", "Cast a column of"),
        ("ALTER TABLE {} ALTER COLUMN a_rowaddr TYPE VARCHAR", "Cast a column of"),
        ("UPDATE {} SET last_query = '_rowaddr'", "Rewrite"),
        ("UPDATE {} SET last_query = '__GRISM_x'", "Rewrite"),
        ("ALTER TABLE {} ALTER COLUMN n TYPE VARCHAR USING '_RowAddr'", "Rewrite"),
    ],
)
@pytest.mark.parametrize("own", ["plain", "_query"])
def test_what_only_looks_like_them_is_changed_in_place(
    text: str, first: str, own: str, made: tuple[Database, Tables]
) -> None:
    """Also in a table that has a column of the name which only searches have."""
    database, tables = made
    names = dict.fromkeys(["n", "a_rowaddr", "_rowaddress", "a__grism_hit", own], pa.array([1, 2], pa.int64()))
    tables.put("queries", pa.table({**names, "last_query": ["7", "8"]}))
    try:
        plan = rows(database, f"EXPLAIN {text.format('queries')}")
    finally:
        tables.remove("queries")
    assert str(plan[0][0]).startswith(f"{first} main.queries")


def test_what_is_wrong_is_told_like_elsewhere(database: Database) -> None:
    with pytest.raises(GrismError) as of_a_query:
        database.sql("SELECT b FROM t WHERE _rowaddr = 1").close()
    with pytest.raises(GrismError) as of_a_change:
        database.sql("DELETE FROM t WHERE _rowaddr = 1").close()
    assert of_a_change.value.message.startswith('There is no column "_rowaddr" in reach; did you mean "a"?')
    assert of_a_change.value.message.partition("?")[0] == of_a_query.value.message.partition("?")[0]
