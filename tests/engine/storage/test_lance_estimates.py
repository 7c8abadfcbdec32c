"""Indexes of large tables are asked where that spares reading, and the rows are the same either way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.storage import DirectoryStorage
from engine.storage.lance_estimates import SMALL, sample_rows
from local_runtime import LocalRuntime

ROWS = SMALL + 20_000


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    folder: Path = tmp_path_factory.mktemp("estimates")
    with LocalRuntime(DirectoryStorage(str(folder)), threads=1) as runtime:
        runtime.sql(
            f"""CREATE TABLE t AS SELECT i AS ordered, (i * 7919) % {ROWS} AS scattered,
            CASE WHEN i % 10 = 0 THEN 'rare' || i ELSE 'common' || (i % 2) END AS skewed,
            'w' || (i % 10) || 'xyz' AS text FROM range({ROWS}) r(i)"""
        )
        for column in ("ordered", "scattered", "skewed"):
            runtime.sql(f"CREATE INDEX {column}_index ON t ({column})")
        runtime.sql("CREATE INDEX text_index ON t USING NGRAM (text)")
        runtime.sql("CREATE TABLE small AS SELECT * FROM t LIMIT 1000")
        runtime.sql("CREATE INDEX small_index ON small (scattered)")
        yield runtime


def asked(runtime: LocalRuntime, where: str, table: str = "t") -> bool:
    """Whether the scan asks an index, which has to find what the kernel finds by itself."""
    with runtime.sql(f"EXPLAIN SELECT ordered FROM {table} WHERE {where}") as plan:
        shown = any("index=" in line for line in plan.read_all()["plan"].to_pylist())
    with runtime.sql(f"SELECT ordered FROM {table} WHERE {where}") as found:
        got = found.read_all()["ordered"]
    with runtime.sql(f"SELECT ordered FROM (SELECT *, ({where}) AS own FROM {table}) WHERE own IS TRUE") as own:
        assert sorted(got.to_pylist()) == sorted(pa.chunked_array(own.read_all()["ordered"]).to_pylist())
    return shown


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("scattered < 100", True),
        (f"scattered < {ROWS // 3}", False),
        (f"scattered BETWEEN {ROWS // 3} AND {ROWS // 3} + 50", True),
        (f"scattered < {ROWS // 3} AND ordered < 50", True),
        ("scattered <> 7", False),
        (f"ordered < {ROWS // 5}", True),
        (f"ordered > {ROWS // 5}", False),
        ("scattered = 7", True),
        ("scattered IN (7, 77, 777)", True),
        ("scattered IS NULL", True),
        ("scattered IS NOT NULL", False),
    ],
)
def test_an_index_is_asked_for_few_rows_or_such_that_lie_together(
    runtime: LocalRuntime, where: str, expected: bool
) -> None:
    assert asked(runtime, where) == expected


def test_what_is_found_for_single_values_is_learned(runtime: LocalRuntime) -> None:
    assert asked(runtime, "skewed = 'common1'")
    assert not asked(runtime, "skewed = 'common1'")
    assert not asked(runtime, "skewed = 'common0'")
    assert asked(runtime, "skewed = 'rare70'")
    assert asked(runtime, "contains(text, 'w7x')")
    assert not asked(runtime, "contains(text, 'w7x')")
    assert asked(runtime, "contains(text, 'nowhere')")


def test_a_sample_serves_while_the_table_is_about_as_large(runtime: LocalRuntime) -> None:
    runtime.sql("INSERT INTO t SELECT * REPLACE (-1 AS scattered) FROM t LIMIT 100")
    assert asked(runtime, "scattered < 100")
    runtime.sql("INSERT INTO t SELECT * REPLACE (-1 AS scattered) FROM t LIMIT 60000")
    runtime.sql("OPTIMIZE t")
    assert asked(runtime, "scattered = 7")
    assert not asked(runtime, "scattered < 100")


@pytest.mark.parametrize(
    ("rows", "size", "looked_at"),
    [(10**6, 10**8, 1000), (10**6, None, 1000), (10**6, 10**10, 419), (10**6, 10**12, 100), (50, 10**9, 50)],
)
def test_of_large_rows_fewer_are_looked_at(rows: int, size: int | None, looked_at: int) -> None:
    assert sample_rows(rows, size) == looked_at


def test_of_small_tables_indexes_are_always_asked(runtime: LocalRuntime) -> None:
    assert asked(runtime, "scattered < 90000", "small")
