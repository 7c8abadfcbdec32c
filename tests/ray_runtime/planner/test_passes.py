"""Every pass of the distributed planner leaves a plan that gives the same rows on one node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import GrismError
from engine.execution import run
from engine.logical.nodes import LogicalPlan
from engine.physical import PhysicalOperator
from engine.storage import DirectoryStorage, InMemoryStorage
from engine.storage.protocol import Storage, TableName, WriteMode
from local_runtime import LocalExecutionContext, LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from tests.harness.compare import difference
from tests.harness.oracle import Oracle
from tests.harness.regenerate import tables_of
from tests.harness.slt import SltFile, parse
from tests.tpch.dataset import query_text

SUITES = [parse(path) for path in sorted((Path(__file__).parents[2] / "sql").glob("*.slt"))]
# Small enough that small tables really distribute: nothing is broadcast or sorted in one task, and samples are telling.
SPREAD = DistributedOptions(
    slots=2,
    partitions=4,
    broadcast_bytes=0,
    gather_bytes=0,
    split_rows=3,
    sort_gather_bytes=0,
    reduced_bytes=0,
    sample_rows=3,
)
DEFAULT = DistributedOptions(slots=2, partitions=4)


Kind = tuple[tuple[str, str], ...]
"""What the passes make of a query: for each that changed the plan, its name and the operators of the plan."""


def check_passes(
    runtime: LocalRuntime,
    storage: Storage,
    query: str | LogicalPlan,
    options: DistributedOptions,
    expected: pa.Table | None = None,
    seen: set[Kind] | None = None,
) -> None:
    """Run the plan after each pass on one node, and plan the stages. What is expected is what the runtime gives.

    A query of a kind that is in `seen` is planned, and not run.
    """
    planner = DistributedPlanner(runtime.kernel, storage, options)
    logical = runtime.frontend.plan(query) if isinstance(query, str) else query
    changed = [
        (name, root)
        for (_, before), (name, root) in pairwise([("", None), *planner.passes(logical)])
        if root != before  # else the pass found nothing to do
    ]
    if seen is not None:
        kind = tuple((name, operators(root)) for name, root in changed)
        if kind in seen:
            return
        seen.add(kind)
    if expected is None:
        expected = runtime.execute(runtime.plan(logical)).read_all()
    for name, root in changed:
        with_context = LocalExecutionContext(storage, runtime.kernel)
        got: pa.Table = run(root, with_context).reader.read_all()
        if len({name.lower() for name in expected.schema.names}) < len(expected.schema.names):
            got = got.rename_columns(expected.schema.names)
        assert got.schema.equals(expected.schema), f"{name} changed the schema of {query}"
        assert got.num_rows == expected.num_rows, f"{name} changed the rows of {query}"
        found = difference(got, expected, ordered=False)
        assert found is None, f"{name}: {found}\n{query}"
    assert planner.plan(logical).stages.stages


def operators(root: PhysicalOperator) -> str:
    """The tree's operators, by their names."""
    return f"{type(root).__name__}({', '.join(map(operators, root.children))})"


@pytest.fixture(scope="module")
def tpch(tpch_dir: Path) -> Iterator[LocalRuntime]:
    with LocalRuntime(DirectoryStorage(str(tpch_dir)), threads=2) as runtime:
        yield runtime


@pytest.mark.parametrize("options", [SPREAD, DEFAULT], ids=["spread", "default"])
@pytest.mark.parametrize("number", range(1, 23))
def test_tpch(tpch: LocalRuntime, number: int, options: DistributedOptions) -> None:
    small = replace(SPREAD, split_rows=10_000, sample_rows=1000)
    check_passes(tpch, tpch.storage, query_text(number), small if options is SPREAD else options)


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.path.stem)
def test_suite(file: SltFile, every: int) -> None:
    """Every so many queries of a suite; each is planned anew for each pass. All run in the soak, else one of a kind.

    The rows of the whole plan are those of the kernel for each query: `tests/sql/test_suites.py` runs it on Ray.
    """
    storage, seen = InMemoryStorage(), None if every == 1 else set[Kind]()
    oracle = Oracle()
    with LocalRuntime(storage, threads=2) as runtime:
        for name, table in tables_of(file, oracle).items():
            oracle.put(name, table)
            storage.write(TableName("main", name), table.to_reader(), WriteMode.CREATE)
        for record in file.records[::every]:
            if record.error is None and record.types is not None and record.runs_on("ray"):
                try:
                    check_passes(runtime, storage, record.sql, SPREAD, seen=seen)
                except GrismError as error:
                    pytest.fail(f"line {record.line}: {error}\n{record.sql}")
    oracle.close()


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT count(*) FROM t", None),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r, t", "operator"),
        ("SELECT k::VARIANT AS v FROM t ORDER BY k", "values of a type that stays with its task"),
    ],
)
def test_a_plan_of_one_task_says_why(sql: str, reason: str | None) -> None:
    with LocalRuntime(InMemoryStorage({"t": pa.table({"k": [1, 2, 3, 4]})}), threads=1) as runtime:
        planner = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD)
        plan = planner.plan(runtime.frontend.plan(sql))
        shown = planner.explain(plan)
    if reason is None:
        assert plan.whole is None
        assert not planner.whole
    else:
        assert reason in str(plan.whole)
        assert str(plan.whole) in shown
        assert planner.whole == {plan.whole: 1}
