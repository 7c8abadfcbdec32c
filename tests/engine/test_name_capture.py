"""Columns keep their meaning that are called like tables in a statement for the kernel, or like each other."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.engine.querying import tuples

TABLES = {
    "x": pa.table({"a": [1, 2, 3]}),
    "one": pa.table({"a": [5]}),
    "y": pa.table({"a": [1, 2, 4], "a_1": [7, 8, 9]}),
    "u": pa.table({"t": [{"k": 9}, {"k": 8}], "k": [1, 2]}),
    "w": pa.table({"r0": [3, None], "r1": [5, 6], "r2": [7, 8], "l": [9, 10], "t": [1, 1], "k": [1, 2]}),
    "s": pa.table({"k": [1, 2], "r1": [{"a": 100}, {"a": 200}]}),
    "x2": pa.table({"a": [1, 2], "k": [1, 2]}),
}


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(TABLES), threads=1) as made:
        yield made


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT (SELECT o.a + t1.a FROM one o) AS z FROM x t1", [(6,), (7,), (8,)]),
        ("SELECT t1.a FROM x t1 WHERE t1.a NOT IN (SELECT t2.a - t1.a FROM y t2)", [(3,)]),
        (
            "SELECT t1.a, (SELECT list(s.v ORDER BY s.v) FROM (SELECT t2.a * 10 + t1.a AS v FROM y t2) s) FROM x t1",
            [(1, [11, 21, 41]), (2, [12, 22, 42]), (3, [13, 23, 43])],
        ),
        (
            "SELECT (SELECT list(v ORDER BY v) FROM (SELECT y.a_1 + t2.a AS v FROM y) s) FROM one t1, x t2",
            [([8, 9, 10],), ([9, 10, 11],), ([10, 11, 12],)],
        ),
        (
            "SELECT q.z, q.kk FROM u u1, (SELECT u2.t.k AS z, u2.k AS kk FROM u u2) q WHERE u1.k = 1",
            [(8, 2), (9, 1)],
        ),
        (
            "SELECT u1.k, q.z FROM u u1 JOIN (SELECT u2.t.k + u2.k AS z, u2.k AS kk FROM u u2) q ON q.kk = u1.k",
            [(1, 10), (2, 10)],
        ),
        ("SELECT u1.k, u1.t.k AS z FROM u u1 WHERE u1.k > 0", [(1, 9), (2, 8)]),
        (
            "SELECT k FROM w WHERE NOT EXISTS (SELECT 1 FROM x p JOIN x q ON p.a = q.a AND (r0 IS NULL OR p.a = -q.a))",
            [(1,)],
        ),
        ("SELECT (SELECT concat(p.a, w.r1) FROM one p CROSS JOIN one q) AS v FROM w", [("55",), ("56",)]),
        ("SELECT (SELECT concat(p.a, w.l) FROM one p LEFT JOIN one q ON p.a = q.a) AS v FROM w", [("510",), ("59",)]),
        ("SELECT (SELECT concat(p.a, w.t) FROM one p) AS v FROM w", [("51",), ("51",)]),
        ("SELECT w.k FROM w WHERE EXISTS (SELECT 1 FROM x p, x q WHERE p.a = q.a AND p.a + q.a = w.r0 - 1)", [(1,)]),
        ("SELECT w.k, (SELECT count(*) FROM x p, x q WHERE p.a = q.a AND w.r0 > q.a) AS n FROM w", [(1, 2), (2, 0)]),
        ("SELECT s.r1.a FROM s JOIN x2 ON s.k = x2.a", [(100,), (200,)]),
        ("SELECT s.k FROM s JOIN x2 ON s.k = x2.a AND s.r1.a > x2.k + 50", [(1,), (2,)]),
    ],
)
def test_names_keep_their_meaning(runtime: LocalRuntime, sql: str, rows: list[tuple[object, ...]]) -> None:
    assert sorted(tuples(runtime.sql(sql).read_all()), key=repr) == sorted(rows, key=repr)


def test_a_long_or_over_a_join(runtime: LocalRuntime) -> None:
    condition = " OR ".join(f"x.a + y.a = {n}" for n in range(990))
    (counted,) = tuples(runtime.sql(f"SELECT count(*) FROM x JOIN y ON x.a = y.a WHERE {condition}").read_all())
    assert counted == (2,)
