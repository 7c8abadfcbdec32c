"""Tables in older formats of Lance's files: what these cannot hold is refused, and new tables have the present one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.errors import UnsupportedError
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime

Ask = Callable[[str], list[dict[str, object]]]
ROWS = pa.table({"k": pa.array(range(10), pa.int32()), "s": [f"w{i}" for i in range(10)]})
A_STRUCT = "SELECT 1 AS k, NULL::STRUCT(a INTEGER) AS st"


@pytest.fixture
def sql(tmp_path: Path) -> Iterator[Ask]:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        yield lambda text: runtime.sql(text).read_all().to_pylist()


def format_of(path: Path) -> str:
    return str(lance.dataset(str(path)).data_storage_version)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (10, 'x')",
        "UPDATE t SET s = 'x' WHERE k = 1",
        "DELETE FROM t WHERE k = 1",
        "MERGE INTO t USING (SELECT 1 AS k) AS n ON t.k = n.k WHEN MATCHED THEN DELETE",
        "ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 5",
        "ALTER TABLE t ALTER k TYPE BIGINT",
    ],
)
def test_what_loses_nulls_is_not_changed(sql: Ask, tmp_path: Path, statement: str) -> None:
    lance.write_dataset(ROWS, str(tmp_path / "t.lance"), data_storage_version="legacy")
    with pytest.raises(UnsupportedError, match=r"CREATE OR REPLACE TABLE main\.t AS FROM main\.t "):
        sql(statement)
    assert sql("SELECT count(*) AS n, sum(k) AS k FROM t") == [{"n": 10, "k": 45}]
    sql("CREATE INDEX i ON t (k)")
    assert sql("SELECT s FROM t WHERE k = 7") == [{"s": "w7"}]
    sql("CREATE OR REPLACE TABLE main.t AS FROM main.t")
    sql(statement)
    sql("INSERT INTO t (k, s) VALUES (NULL, 'null')")
    assert sql("SELECT k FROM t WHERE s = 'null'") == [{"k": None}]


def test_what_an_older_format_lacks_is_told(sql: Ask, tmp_path: Path) -> None:
    lance.write_dataset(ROWS, str(tmp_path / "t.lance"), data_storage_version="2.0")
    with pytest.raises(UnsupportedError, match="stored in an older format of Lance's files, which cannot hold these"):
        sql("ALTER TABLE t ADD COLUMN m MAP(VARCHAR, INTEGER) DEFAULT MAP {'a': 1}")
    sql("INSERT INTO t VALUES (NULL, NULL)")
    assert sql("SELECT count(*) AS n, count(k) AS k FROM t") == [{"n": 11, "k": 10}]
    assert format_of(tmp_path / "t.lance") == "2.0"


@pytest.mark.parametrize("old", ["2.0", "2.1"])
def test_a_table_that_takes_the_place_of_an_older_one_has_the_present_format(
    sql: Ask, tmp_path: Path, old: str
) -> None:
    lance.write_dataset(ROWS, str(tmp_path / "t.lance"), data_storage_version=old)
    sql("CREATE OR REPLACE TABLE main.t AS SELECT *, MAP {'a': k} AS m, NULL::STRUCT(a INTEGER) AS st FROM main.t")
    sql("ALTER TABLE t ADD COLUMN n MAP(VARCHAR, INTEGER) DEFAULT MAP {'a': 1}")
    assert sql("SELECT k, m, st FROM t WHERE k = 7") == [{"k": 7, "m": [("a", 7)], "st": None}]
    assert sql("SELECT s FROM t AT (VERSION => 1) WHERE k = 7") == [{"s": "w7"}]
    assert format_of(tmp_path / "t.lance") == format_of(lance.write_dataset(ROWS, str(tmp_path / "new")).uri)
    sql("RESTORE t TO VERSION 1")
    sql("INSERT INTO t VALUES (10, NULL)")
    assert sql("SELECT count(*) AS n, count(s) AS s FROM t") == [{"n": 11, "s": 10}]


def test_a_table_over_a_dropped_one_of_an_older_format(sql: Ask, tmp_path: Path) -> None:
    lance.write_dataset(ROWS, str(tmp_path / "t.lance"), data_storage_version="2.0")
    sql("DROP TABLE t")
    sql(f"CREATE TABLE t AS {A_STRUCT}")
    sql(f"INSERT INTO t {A_STRUCT}")
    sql("OPTIMIZE t")
    assert sql("SELECT * FROM t") == [{"k": 1, "st": None}] * 2
    assert format_of(tmp_path / "t.lance") == format_of(lance.write_dataset(ROWS, str(tmp_path / "new")).uri)


def test_an_older_format_and_its_indexes_under_a_name_that_was_dropped(sql: Ask, tmp_path: Path) -> None:
    lance.write_dataset(ROWS, str(tmp_path / "t.lance"), data_storage_version="2.0")
    for dropped in ("u", "w"):
        version = "2.0" if dropped == "u" else "2.1"
        lance.write_dataset(ROWS, str(tmp_path / f"{dropped}.lance"), data_storage_version=version)
        sql(f"DROP TABLE {dropped}")
    sql("CREATE INDEX i ON t (k)")
    sql("UPDATE t SET k = 70 WHERE k = 7")
    for old, new in (("t", "u"), ("u", "w")):
        sql(f"ALTER TABLE {old} RENAME TO {new}")
        assert [row["name"] for row in sql(f"SHOW INDEXES FROM {new}")] == ["i"]
        assert sql(f"SELECT s FROM {new} WHERE k = 70") == [{"s": "w7"}]
        assert format_of(tmp_path / f"{new}.lance") == "2.0"
