"""One task asks an index for single values; parts of a table are read without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from ray_runtime.planner.planner import DistributedPlan


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[LocalRuntime]:
    """Tables of four fragments, of which one has indexes."""
    rows = pa.table({"k": range(400), "s": [f"some {i % 9} words" for i in range(400)]})
    for table in ("t", "u"):
        lance.write_dataset(rows, tmp_path / f"{table}.lance", max_rows_per_file=100)
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        for made in ("i ON t (k)", "j ON t USING NGRAM (s)", "l ON t USING BITMAP (s)"):
            runtime.sql(f"CREATE INDEX {made}").close()
        yield runtime


def plan(runtime: LocalRuntime, text: str) -> tuple[DistributedPlan, str]:
    """The plan of a query in stages, and its EXPLAIN."""
    planner = DistributedPlanner(runtime.kernel, runtime.storage, DistributedOptions(partitions=2, split_rows=50))
    made = planner.plan(runtime.frontend.plan(text))
    return made, planner.explain(made)


@pytest.mark.parametrize(
    ("predicate", "index"),
    [
        ("k = 7", "i"),
        ("k IN (7, 300) AND s <> 'x'", "i"),
        ("k = 7 OR k = 300", "i"),
        ("contains(s, '3 words')", "j"),
    ],
)
def test_a_lookup_is_one_task(runtime: LocalRuntime, predicate: str, index: str) -> None:
    made, shown = plan(runtime, f"SELECT k FROM t WHERE {predicate}")
    assert [len(stage.splits) for stage in made.stages if stage.splits] == [1]
    assert f"index={index} " in shown


@pytest.mark.parametrize("predicate", ["k > 7", "s = 'some 3 words'", "k IS NULL", "k = 7 OR s > 'x'"])
def test_what_may_be_many_rows_is_cut(runtime: LocalRuntime, predicate: str) -> None:
    made, shown = plan(runtime, f"SELECT k FROM t WHERE {predicate}")
    (splits,) = [stage.splits for stage in made.stages if stage.splits]
    assert len(splits) > 1
    assert "index=" not in shown
    for (tasks,) in splits:
        for split in tasks:
            assert split.table.name.table == "t"


def test_a_table_without_the_index_is_cut(runtime: LocalRuntime) -> None:
    made, shown = plan(runtime, "SELECT k FROM u WHERE k = 7")
    assert "index=" not in shown
    assert any(len(stage.splits) > 1 for stage in made.stages)
