"""From text to a plan: versions, when a plan is remembered, what runs whole, and what planning costs."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from engine.binder import Binder
from engine.errors import (
    GrismError,
    InvalidValueError,
    PlanningError,
    UnknownTableError,
    UnsupportedError,
)
from engine.kernel import Kernel
from engine.logical.nodes import LogicalPlan, SqlQuery, in_operators, walk
from engine.sql import syntax
from engine.sql.views import Names
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName, WriteMode
from local_runtime import LocalRuntime
from tests.engine.querying import put, result, rows, run, tuples

OTHER = Names(schemas=("other",))


def taken_apart(plan: LogicalPlan) -> bool:
    return in_operators(plan) is not plan


@pytest.fixture
def fresh() -> InMemoryStorage:
    """A storage of a test's own, with table `t`."""
    return InMemoryStorage({"t": pa.table({"a": [1, 2, 3]})})


@pytest.fixture
def over(fresh: InMemoryStorage) -> Any:
    with LocalRuntime(fresh, threads=1) as runtime:
        yield runtime


# Versions


def test_time_travel_by_version(over: LocalRuntime, fresh: InMemoryStorage) -> None:
    first = fresh.snapshot().table(TableName("main", "t")).version
    fresh.write(TableName("main", "t"), pa.table({"a": [4]}).to_reader(), WriteMode.APPEND)
    second = fresh.snapshot().table(TableName("main", "t")).version
    assert rows(over, "SELECT sum(a)::INT FROM t") == [(10,)]
    assert rows(over, f"SELECT sum(a)::INT FROM t AT (VERSION => {first})") == [(6,)]
    assert rows(over, f"SELECT sum(a)::INT FROM t AT (VERSION => '{second}')") == [(10,)]
    assert rows(over, f"SELECT sum(x.a)::INT FROM main.t AS x AT (VERSION => {first})") == [(6,)]
    both = f"SELECT n.a FROM t n ANTI JOIN t AS o AT (VERSION => {first}) ON n.a = o.a"
    assert rows(over, both) == [(4,)]
    got = rows(over, "SELECT count(*) FROM t AT (VERSION => ?)", [pa.scalar(int(first))])
    assert got == [(3,)]


def test_time_travel_by_instant(over: LocalRuntime, fresh: InMemoryStorage) -> None:
    between = datetime.datetime.now(datetime.UTC)
    fresh.write(TableName("main", "t"), pa.table({"a": [4]}).to_reader(), WriteMode.APPEND)
    tokyo = between.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    for at in (
        f"'{between:%Y-%m-%d %H:%M:%S.%f}'",
        f"TIMESTAMP '{between:%Y-%m-%d %H:%M:%S.%f}'",
        f"'{tokyo.isoformat()}'",
    ):
        assert rows(over, f"SELECT count(*) FROM t AT (TIMESTAMP => {at})") == [(3,)]
    assert rows(over, "SELECT count(*) FROM t AT (TIMESTAMP => now())") == [(4,)]
    got = rows(over, "SELECT count(*) FROM t AT (TIMESTAMP => ?)", [pa.scalar(between, pa.timestamp("us", "UTC"))])
    assert got == [(3,)]


@pytest.mark.parametrize(
    ("clause", "error", "message"),
    [
        ("VERSION => 999", UnknownTableError, "no version '999'"),
        ("TIMESTAMP => '1999-01-01'", UnknownTableError, "1999"),
        ("TIMESTAMP => 'yesterday'", InvalidValueError, "'yesterday' is no timestamp"),
        ("VERSION => 1 + 1", UnsupportedError, "AT takes a constant"),
        ("SNAPSHOT => 1", PlanningError, "SNAPSHOT"),
    ],
)
def test_versions_that_are_not_there(over: LocalRuntime, clause: str, error: type[GrismError], message: str) -> None:
    with pytest.raises(error, match=message):
        over.frontend.plan(f"SELECT * FROM t AT ({clause})")


def test_a_query_reads_one_version_whatever_is_written_meanwhile(over: LocalRuntime, fresh: InMemoryStorage) -> None:
    snapshot = fresh.snapshot()
    assert tuples(run(over, over.frontend.plan("SELECT sum(a)::INT FROM t", snapshot=snapshot))) == [(6,)]
    put(fresh, "t", pa.table({"a": [100]}))
    again = over.frontend.plan("SELECT sum(a)::INT, (SELECT count(*) FROM t) FROM t", snapshot=snapshot)
    assert tuples(run(over, again)) == [(6, 3)]
    assert rows(over, "SELECT sum(a)::INT FROM t") == [(100,)]


# Remembered plans


def test_the_same_text_gives_the_same_plan(over: LocalRuntime) -> None:
    text = "SELECT a FROM t WHERE a > 1"
    assert over.frontend.plan(text) is over.frontend.plan(text)
    assert over.plan(over.frontend.plan(text)) is over.plan(over.frontend.plan(text))


@pytest.mark.parametrize("text", ["SELECT now(), a FROM t", "SELECT current_date FROM t", "SELECT localtime"])
def test_a_plan_with_the_time_in_it_is_not_remembered(over: LocalRuntime, text: str) -> None:
    assert over.frontend.plan(text) is not over.frontend.plan(text)


def test_a_plan_with_parameters_is_not_remembered(over: LocalRuntime) -> None:
    for value in (1, 2):
        assert rows(over, "SELECT a FROM t WHERE a = ?", [pa.scalar(value)]) == [(value,)]


def test_a_plan_is_forgotten_when_a_table_changes(over: LocalRuntime, fresh: InMemoryStorage) -> None:
    text = "SELECT * FROM t"
    before = over.frontend.plan(text)
    put(fresh, "t", pa.table({"b": ["new"]}))
    after = over.frontend.plan(text)
    assert after is not before
    assert result(over, text).to_pylist() == [{"b": "new"}]
    fresh.drop(TableName("main", "t"))
    with pytest.raises(UnknownTableError):
        over.frontend.plan(text)
    put(fresh, "t", pa.table({"c": [1.5]}))
    assert result(over, text).to_pylist() == [{"c": 1.5}]


def test_plans_of_different_schemas_are_different(local: LocalRuntime) -> None:
    text = "SELECT * FROM teams"
    assert local.frontend.plan(text).names == ("code", "title", "size")
    assert local.frontend.plan(text, names=OTHER).names == ("code", "colour")


def test_an_error_is_not_remembered(over: LocalRuntime, fresh: InMemoryStorage) -> None:
    with pytest.raises(UnknownTableError):
        over.frontend.plan("SELECT * FROM later")
    put(fresh, "later", pa.table({"x": [1]}))
    assert rows(over, "SELECT * FROM later") == [(1,)]


# What is too large is left to the kernel


@pytest.mark.parametrize(
    "make",
    [
        lambda: "SELECT id FROM people WHERE name IN (" + ", ".join(f"'name {i}'" for i in range(10_000)) + ", 'ann')",
        lambda: "SELECT id FROM people WHERE name = 'ann' AND " + " AND ".join(f"id <> {i + 10}" for i in range(1_100)),
        lambda: "SELECT id FROM people p0 WHERE name = 'ann' AND id = " + "(SELECT 1 WHERE 1 = " * 80 + "1" + ")" * 80,
    ],
    ids=["long", "many conditions", "deep"],
)
def test_large_statements_run_whole(local: LocalRuntime, make: Callable[[], str]) -> None:
    text = make()
    assert not taken_apart(local.frontend.plan(text))
    assert rows(local, text) == [(1,)]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT a FROM wide", "a"),
        ("SELECT wide.a FROM wide", "a"),
        ("SELECT w.a AS w FROM wide AS w", "a"),
        ("SELECT d.a FROM (SELECT b AS a FROM main.wide) AS d WHERE a IS NOT NULL", "a b"),
        ("SELECT wide.s.c FROM wide", "s c"),
        ("SELECT wide.a.abs() FROM wide", "a"),
        ("SELECT a FROM wide NATURAL JOIN (SELECT 1 AS a)", "a b c s"),
        ("SELECT wide FROM wide", "a b c s"),
        ("SELECT (wide).a FROM wide", "a b c s"),
        ("SELECT wide.to_json() FROM wide", "a b c s"),
        ("SELECT * FROM wide", "a b c s"),
        ("SELECT COLUMNS('a') FROM wide", "a b c s"),
        ("SELECT x FROM wide AS t(x)", "a b c s"),
    ],
)
def test_a_text_knows_of_a_table_the_columns_that_it_names(text: str, want: str) -> None:
    wide = pa.table({"a": [1], "b": [2], "c": [3], "s": pa.array([{"c": 4}])})
    with LocalRuntime(InMemoryStorage({"wide": wide}), threads=1) as runtime:
        (query,) = (node for node in walk(runtime.frontend.plan(text)) if isinstance(node, SqlQuery))
        ((_, plan),) = query.inputs
        assert set(plan.names) == set(want.split())
        assert run(runtime, query).num_rows == 1


# Rewriting keeps the meaning


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT id FROM (SELECT id, id = 1 OR id = 2 AS b FROM people) WHERE NOT b ORDER BY 1", [(3,), (4,), (5,)]),
        (
            "SELECT id FROM (SELECT id, id = 1 OR id = 2 AS b, id = 2 OR id = 3 AS c FROM people) WHERE b = c AND b",
            [(2,)],
        ),
        ("SELECT count(*) FROM (SELECT id = 1 AND id = 2 AS b FROM people) WHERE b IS NOT NULL", [(5,)]),
        ("SELECT id FROM (SELECT id, -id AS n FROM people) WHERE -n = 2", [(2,)]),
        ("SELECT id FROM (SELECT id, id + 1 AS n FROM people) WHERE n * 2 = 6", [(2,)]),
        ("SELECT id FROM (SELECT id, {'k': id}::JSON->'k' AS j FROM people) WHERE j || 'x' = '2x'", [(2,)]),
    ],
)
def test_predicates_that_move_below_a_projection_mean_the_same(
    local: LocalRuntime, text: str, want: list[tuple[Any, ...]]
) -> None:
    assert rows(local, text) == want


@pytest.mark.parametrize(("rows", "whole"), [(3, True), (2_200_000, False)])
def test_a_wide_statement_over_little_is_not_taken_apart(rows: int, whole: bool) -> None:
    table = pa.table({"x": pa.array(range(rows), pa.int64())})  # the larger one has 17 MB
    items = [f"sum(x) + {i} AS s{i}" for i in range(201)]
    with LocalRuntime(InMemoryStorage({"t": table}), threads=1) as runtime:
        wide, narrow = (runtime.frontend.plan(f"SELECT {', '.join(items[:n])} FROM t") for n in (201, 200))
        assert taken_apart(wide) is not whole
        assert taken_apart(narrow)
        (row,) = runtime.execute(runtime.plan(wide)).read_all().to_pylist()
    assert row == {f"s{i}": rows * (rows - 1) // 2 + i for i in range(201)}


# What planning costs


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the kernel was asked for what, and how many nodes of trees were walked."""
    found: Counter[str] = Counter()
    walked = syntax.walk

    def counting(owner: type, name: str) -> Callable[..., Any]:
        ask = getattr(owner, name)

        def asked(*arguments: Any, **named: Any) -> Any:
            found[name] += 1
            return ask(*arguments, **named)

        return asked

    def stepping(root: syntax.Node) -> Iterator[tuple[syntax.Node, frozenset[str]]]:
        for each in walked(root):
            found["nodes"] += 1
            yield each

    for owner, name in ((Kernel, "parse"), (Kernel, "unparse"), (Binder, "describe")):
        monkeypatch.setattr(owner, name, counting(owner, name))
    monkeypatch.setattr(syntax, "walk", stepping)
    return found


def test_a_wide_statement_is_read_bound_and_written_once(over: LocalRuntime, steps: Counter[str]) -> None:
    text = "SELECT " + ", ".join(f"sum(a) + {i} AS s{i}" for i in range(300)) + " FROM t"
    over.frontend.plan("SELECT * FROM t")
    nodes = sum(1 for _ in syntax.walk(over.kernel.parse(text)))
    steps.clear()
    assert not taken_apart(over.frontend.plan(text))
    assert steps == {"parse": 1, "describe": 1, "unparse": 1, "nodes": nodes}


def test_what_is_put_in_costs_one_more_reading(over: LocalRuntime, steps: Counter[str]) -> None:
    text = "SELECT " + ", ".join(f"sum(a) + ? + epoch(now()) AS s{i}" for i in range(300)) + " FROM t"
    values = [pa.scalar(i) for i in range(300)]
    over.frontend.plan("SELECT * FROM t")
    nodes = sum(1 for _ in syntax.walk(over.kernel.parse(text)))
    steps.clear()
    over.frontend.plan(text, parameters=values)
    assert steps["parse"] == 2
    assert steps["describe"] == steps["unparse"] == 1
    assert steps["nodes"] <= 4 * nodes
