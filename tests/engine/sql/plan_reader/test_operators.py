"""Operators of bound plans: what the nodes give is what the text gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from engine.logical.nodes import Collect, Distinct, Join, Rename, SqlQuery, in_operators, walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from local_runtime.planner import LocalPlan
from tests.engine.querying import tuples

TABLES = {
    "t": pa.table(
        {
            "a": pa.array([1, 2, 2, 3, None], pa.int32()),
            "b": pa.array([10, None, 20, 30, 40], pa.int64()),
            "s": ["x", "y", None, "y", "x"],
            "r": [
                {"p": 1, "q": {"z": "u"}},
                None,
                {"p": 2, "q": None},
                {"p": None, "q": {"z": "w"}},
                {"p": 5, "q": None},
            ],
            "l": pa.array([[1, 2], [], None, [3], [None]], pa.list_(pa.int32())),
        }
    ),
    "u": pa.table({"a": pa.array([2, 3, 3, None], pa.int32()), "c": ["x", "y", "z", None]}),
    "none": pa.table({"a": pa.array([], pa.int32())}),
}


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(TABLES), threads=1) as made:
        yield made


def rows(runtime: LocalRuntime, plan: LocalPlan) -> list[str]:
    return sorted(map(repr, tuples(runtime.execute(plan).read_all())))


STATEMENTS = [
    "SELECT count(*) FROM t",
    "SELECT 1 FROM t GROUP BY ()",
    "SELECT sum(a) FROM none GROUP BY ()",
    "SELECT r.p, r.q.z, r FROM t WHERE r.p > 1",
    "SELECT * FROM t WHERE false",
    "SELECT a AS x, a AS y, a + 1 AS z, a FROM t",
    "SELECT x FROM (SELECT 1 AS x, 2 AS x)",
    "SELECT a, count(*), grouping(a, s) FROM t GROUP BY GROUPING SETS ((a), (s), (a, s), (a), ())",
    "SELECT a % 2 AS k, grouping(a % 2), sum(b) FROM t GROUP BY ROLLUP (a % 2)",
    "SELECT a, a, count(*) FROM t GROUP BY a, a",
    "SELECT DISTINCT a, s FROM t",
    "SELECT DISTINCT s FROM t ORDER BY upper(s)",
    "SELECT DISTINCT ON (s) s, b FROM t ORDER BY s, b DESC",
    "SELECT a FROM t UNION SELECT a FROM u UNION ALL SELECT 7",
    "SELECT a FROM t INTERSECT ALL SELECT a FROM u",
    "SELECT a FROM t EXCEPT SELECT a FROM u",
    "SELECT t.a, c FROM t LEFT JOIN u ON t.a < u.a OR t.s = u.c",
    "SELECT t.a, c FROM t FULL JOIN u USING (a)",
    "SELECT a FROM t SEMI JOIN u USING (a)",
    "SELECT b FROM t ANTI JOIN u ON t.a = u.a",
    "SELECT b, a IN (SELECT a FROM u) FROM t",
    "SELECT b, a NOT IN (SELECT a FROM u WHERE a IS NOT NULL) FROM t",
    "SELECT b, a > ALL (SELECT a FROM u WHERE u.c <> t.s) FROM t",
    "SELECT b FROM t WHERE (a, s) IN (SELECT a, c FROM u)",
    "SELECT b, (a, s) IN (SELECT a, c FROM u) FROM t",
    "SELECT b FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a AND u.c < t.s)",
    "SELECT b FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a > t.a)",
    "SELECT b, (SELECT max(c) FROM u WHERE u.a = t.a) FROM t",
    "SELECT b, (SELECT count(*) FROM u WHERE u.a > t.a) FROM t",
    "SELECT b, (SELECT c FROM u WHERE u.a = t.a AND c <> 'z') FROM t",
    "SELECT b, k FROM t, LATERAL (SELECT u.a + t.b AS k FROM u WHERE u.a = t.a)",
    "WITH w AS MATERIALIZED (SELECT a, count(*) AS n FROM t GROUP BY a) SELECT x.n FROM w x JOIN w y ON x.a = y.n",
    "SELECT b, unnest(l), unnest([7, 8, 9]) FROM t",
    "SELECT b, i FROM t, unnest(l) AS v(i)",
    "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) v(n, m)",
    "SELECT i * 2 FROM range(3) r(i)",
    "SELECT b, sum(b) OVER (PARTITION BY s ORDER BY b ROWS 1 PRECEDING) FROM t",
    "SELECT b FROM t QUALIFY row_number() OVER (ORDER BY b) > 1",
    "SELECT b FROM t ORDER BY b DESC NULLS FIRST LIMIT 2 OFFSET 1",
    "SELECT b FROM t ORDER BY b LIMIT 0",
    "FROM (SELECT a, s, b FROM t) PIVOT (sum(b) FOR s IN ('x', 'y'))",
    "UNPIVOT (SELECT a, b FROM t) ON a, b",
    "SELECT '101'::BIT = '1'::BIT, count(*) FROM t",
]


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_is_read_gives_what_the_text_gives(runtime: LocalRuntime, text: str) -> None:
    plan = runtime.plan(runtime.frontend.plan(text))
    assert isinstance(plan, LocalPlan)
    assert plan.outline is not None, "it is not taken apart"
    assert rows(runtime, replace(plan, root=plan.outline)) == rows(runtime, plan)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("WITH RECURSIVE r AS (SELECT 1 AS i UNION SELECT i + 1 FROM r WHERE i < 3) FROM r", "RECURSIVE_CTE"),
        ("SELECT * FROM t ASOF JOIN u ON t.a >= u.a", "ASOF"),
        ("SELECT * FROM t POSITIONAL JOIN u", "POSITIONAL"),
        ("SELECT a FROM t LIMIT 40%", "LIMIT"),
        ("SELECT a FROM t TABLESAMPLE 100 PERCENT", "SAMPLE"),
    ],
)
def test_what_is_not_known_runs_whole(runtime: LocalRuntime, text: str, reason: str) -> None:
    runtime.frontend.readings.clear()
    query = runtime.frontend.plan(text)
    assert in_operators(query) is query
    ((found, times),) = runtime.frontend.readings.items()
    assert reason in found
    assert times == 1
    assert f"({found})" in runtime.explain(runtime.plan(query))


def nodes(runtime: LocalRuntime, text: str, kind: type) -> list[object]:
    plan = in_operators(runtime.frontend.plan(text))
    assert not any(isinstance(node, SqlQuery) for node in walk(plan))
    return [node for node in walk(plan) if isinstance(node, kind)]


def test_marks_that_only_choose_rows_are_semi_and_anti_joins(runtime: LocalRuntime) -> None:
    text = "SELECT b FROM t WHERE {} (SELECT 1 FROM u WHERE u.c > t.s)"
    for how, kind in (("EXISTS", "semi"), ("NOT EXISTS", "anti")):
        (join,) = nodes(runtime, text.format(how), Join)
        assert isinstance(join, Join)
        assert join.kind == kind
    (mark,) = nodes(runtime, "SELECT b FROM t WHERE a NOT IN (SELECT a FROM u)", Join)  # NULL is neither
    assert isinstance(mark, Join)
    assert mark.kind == "mark"


def test_a_part_that_one_place_reads_is_not_shared(runtime: LocalRuntime) -> None:
    assert nodes(runtime, "WITH w AS (SELECT a FROM t) SELECT * FROM w", Collect) == []
    shared = nodes(runtime, "WITH w AS MATERIALIZED (SELECT a FROM t) SELECT * FROM w x, w y", Collect)
    assert len({id(node) for node in shared}) == 1
    readers = nodes(runtime, "WITH w AS MATERIALIZED (SELECT a FROM t) SELECT * FROM w x, w y", Rename)
    assert len(readers) >= 2


def test_distinct_rows_are_no_distinct_on(runtime: LocalRuntime) -> None:
    (plain,) = nodes(runtime, "SELECT DISTINCT s, a FROM t", Distinct)
    (chosen,) = nodes(runtime, "SELECT DISTINCT ON (s) s, a FROM t ORDER BY s, a", Distinct)
    assert isinstance(plain, Distinct)
    assert isinstance(chosen, Distinct)
    assert (plain.on, plain.order) == ((), ())
    assert len(chosen.on) == 1
    assert len(chosen.order) == 2
