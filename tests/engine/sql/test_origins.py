"""From which tables the columns of results come: the plan that runs tells the same as the plan as it is bound."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.schema_inference import plan_origins
from engine.sql.views import Names, View
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName, WriteMode
from local_runtime import LocalRuntime

WIDE = ", ".join(f"a AS c{i}" for i in range(300))
T, U, O = "main.t", "main.u", "other.o"  # noqa: E741
ORIGINS = {
    "SELECT a, b FROM t": [T, T],
    "SELECT * FROM t, u": [T, T, T, U, U],
    "SELECT x.a AS renamed, 1 AS one, x.a + 1 AS more FROM t AS x": [T, None, None],
    "SELECT s.p, s FROM t": [None, T],
    "SELECT x FROM (SELECT a AS x, b FROM t WHERE b > '' ORDER BY b LIMIT 3)": [T],
    "WITH c AS MATERIALIZED (SELECT * FROM t) SELECT c.a, d.b FROM c, c AS d ORDER BY 1": [T, T],
    "SELECT v FROM other.o ORDER BY v DESC LIMIT 1 OFFSET 1": [O],
    # of columns that a join makes equal, each has its own
    "SELECT u.a, t.a FROM t JOIN u ON t.a = u.a": [U, T],
    "SELECT t.a, u.a FROM u JOIN t ON t.a = u.a": [T, U],
    "SELECT y.a FROM t AS x JOIN t AS y ON x.a = y.a": [T],
    "SELECT u.a FROM t JOIN u ON t.a = u.a AND t.a = 3 JOIN other.o ON v = u.a": [U],
    "SELECT a FROM t JOIN u USING (a)": [T],
    "SELECT * FROM t LEFT JOIN u ON t.a = u.a": [T, T, T, U, U],
    "SELECT t.a, u.c FROM t LEFT JOIN u ON t.a = u.a WHERE u.a IS NULL": [T, U],
    "SELECT a, c FROM t FULL JOIN u USING (a)": [None, U],
    "SELECT u.c FROM t RIGHT JOIN u ON t.a > u.a": [U],
    "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)": [T],
    "SELECT a FROM t WHERE a NOT IN (SELECT a FROM u)": [T],
    "SELECT z.a FROM t, LATERAL (SELECT t.a) AS z": [T],
    "SELECT * FROM t POSITIONAL JOIN u": [T, T, T, U, U],
    "SELECT t.b, u.c FROM t ASOF JOIN u ON t.a >= u.a": [T, U],
    # what stands once for each group, or row
    "SELECT b, count(*), max(a) FROM t GROUP BY b": [T, None, None],
    "SELECT b, a FROM t GROUP BY ROLLUP (a, b)": [None, None],
    "SELECT DISTINCT a FROM t": [T],
    "SELECT DISTINCT ON (a) b FROM t ORDER BY a": [T],
    "SELECT a, row_number() OVER (ORDER BY a) AS n FROM t QUALIFY n < 3": [T, None],
    "SELECT a, unnest([1, 2]) FROM t": [T, None],
    "SELECT a FROM t TABLESAMPLE 50%": [T],
    # what is computed, whatever a planner makes of it
    "SELECT a + 0 AS a, coalesce(a, a) AS b FROM t": [None, None],
    "SELECT a FROM (SELECT a + 0 AS a FROM t)": [None],
    "SELECT a FROM (SELECT CASE WHEN true THEN a END AS a FROM t)": [None],
    "SELECT r.p FROM (SELECT {'p': a} AS r FROM t)": [None],
    "SELECT * REPLACE (a + 0 AS a) FROM u": [None, U],
    "SELECT a::INTEGER FROM t": [T],
    "SELECT a::BIGINT FROM t": [None],
    "SELECT (SELECT max(a) FROM u), (SELECT c FROM u WHERE u.a = t.a), a FROM t": [None, None, T],
    "SELECT a FROM t UNION ALL SELECT a FROM u": [None],
    "SELECT a FROM t EXCEPT SELECT a FROM u": [None],
    "WITH RECURSIVE r AS (SELECT a FROM t UNION ALL SELECT a + 1 FROM r WHERE a < 9) SELECT r.a, c FROM r, u": [
        None,
        U,
    ],
    "SELECT * FROM (PIVOT (SELECT a, c FROM u) ON c IN ('x') USING count(*))": [U, None],
    "SELECT range, a FROM range(3), t": [None, T],
    # whatever rows there are
    "SELECT a FROM t WHERE false": [T],
    "SELECT a, 'x' AS x FROM t LIMIT 0": [T, None],
    "SELECT a FROM t WHERE a = 3": [T],
    # views have the columns of their tables
    "SELECT k, more FROM seen": [T, None],
    f"SELECT {WIDE} FROM t": [T] * 300,
    f"SELECT {WIDE.replace('a AS', 'a + 1 AS')} FROM t": [None] * 300,
}


class _Views:
    def find(self, name: TableName) -> View | None:
        if name.table == "seen":
            return View(name, "SELECT a AS k, a + 1 AS more FROM t")
        return None


NAMES = Names(views=_Views())


@pytest.fixture(scope="module")
def over() -> Iterator[LocalRuntime]:
    numbers, texts = pa.array([1, 2, 3], pa.int32()), pa.array(["x", "y", "z"])
    parts = pa.array([{"p": 1}] * 3, pa.struct([("p", pa.int32())]))
    storage = InMemoryStorage(
        {"t": pa.table({"a": numbers, "b": texts, "s": parts}), "u": pa.table({"a": numbers, "c": texts})}
    )
    storage.write(TableName("other", "o"), pa.table({"v": numbers}).to_reader(), WriteMode.CREATE)
    with LocalRuntime(storage, threads=1) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def unplanned(over: LocalRuntime) -> Iterator[LocalRuntime]:
    """One that knows of no text before it is asked."""
    with LocalRuntime(over.storage, threads=1) as runtime:
        yield runtime


def shown(origins: tuple[TableName | None, ...], count: int) -> list[str | None]:
    return [None if origin is None else str(origin) for origin in origins] or [None] * count


@pytest.mark.parametrize("text", ORIGINS)
def test_the_tables_that_columns_come_from(over: LocalRuntime, unplanned: LocalRuntime, text: str) -> None:
    snapshot, wanted = over.storage.snapshot(), ORIGINS[text]
    plan = over.frontend.plan(text, names=NAMES)
    assert shown(plan_origins(plan), len(wanted)) == wanted
    assert over.plan(plan).origins == plan_origins(plan)
    schema, origins = unplanned.frontend.result(text, snapshot=snapshot, names=NAMES)
    assert len(schema) == len(wanted)
    assert shown(origins, len(wanted)) == wanted


def test_they_are_asked_for_once(over: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the plan that runs does not tell, it is bound once more, whatever the parameters are."""
    asked = []
    as_bound = over.kernel.binder.as_bound
    monkeypatch.setattr(over.kernel.binder, "as_bound", lambda *given: asked.append(given) or as_bound(*given))
    over.frontend.plan("SELECT b FROM t WHERE a > 1")
    over.frontend.plan("SELECT 1")
    assert not asked
    text = "SELECT u.a FROM t JOIN u ON t.a = u.a WHERE t.b > ?"
    for value in ("x", "y"):
        plan = over.frontend.plan(text, parameters=[pa.scalar(value)])
        assert shown(plan_origins(plan), 1) == [U]
    assert len(asked) == 1
