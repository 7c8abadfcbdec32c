"""Statements that are asked again with other values: which are not bound again, and that all give their own rows."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import lance
import pyarrow as pa
import pytest

from engine.errors import InvalidValueError, KernelLostError, UnknownTableError
from engine.operators.look_up import LookUpExec
from engine.sql import generic_plans
from engine.sql.frontend import SqlFrontend
from engine.sql.views import Names
from engine.storage import InMemoryStorage
from engine.storage.directory import DirectoryStorage
from engine.storage.protocol import TableName
from local_runtime import LocalRuntime
from tests.engine.querying import put, run, tuples
from tests.engine.sql.named_views import Named
from tests.harness.kernel_loss import lose

_DAYS = [datetime.date(2020 + i % 4, 1, 1 + i) for i in range(20)]
_ITEMS = pa.table(
    {
        "k": pa.array(range(20), pa.int64()),
        "i": pa.array([*range(19), None], pa.int32()),
        "s": [f"{'abc'[i % 3]}'{i % 2}" for i in range(20)],
        "p": [float(i) / 4 for i in range(20)],
        "day": _DAYS,
        "ts": pa.array([datetime.datetime.combine(day, datetime.time(3)) for day in _DAYS], pa.timestamp("us")),
        "m": pa.array([Decimal(i) for i in range(20)], pa.decimal128(15, 2)),
        "b": [i % 2 == 0 for i in range(20)],
    }
)
_OTHERS = pa.table({"k": pa.array(range(5, 15), pa.int64()), "t": [f"t{i}" for i in range(10)]})


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage({"items": _ITEMS, "others": _OTHERS}), threads=1) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    """The same tables, and `items` with an index for each column that may have one, and with a blob."""
    folder = tmp_path_factory.mktemp("indexed")
    blob = pa.field("x", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    items = _ITEMS.append_column(blob, pa.array([bytes([i]) for i in range(20)], pa.large_binary()))
    for name, rows in (("items", items), ("others", _OTHERS)):
        made = lance.write_dataset(rows, str(folder / f"{name}.lance"), data_storage_version="2.0")
        for column in ("k", "i", "s", "p", "day", "ts") if name == "items" else ():
            made.create_scalar_index(column, "BTREE")
    with LocalRuntime(DirectoryStorage(folder), threads=1) as runtime:
        yield runtime


def _day(year: int) -> datetime.date:
    return datetime.date(year, 1, 5)


def _read(runtime: LocalRuntime) -> int:
    return sum(runtime.frontend.readings.values())


def _given(values: Sequence[Any]) -> list[pa.Scalar]:
    return [value if isinstance(value, pa.Scalar) else pa.scalar(value) for value in values]


def _ask(runtime: LocalRuntime, frontend: SqlFrontend, text: str, values: Sequence[Any]) -> tuple[Any, Any]:
    """The schema and the rows; or the error, where the values have no answer."""
    try:
        table = run(runtime, frontend.plan(text, parameters=_given(values)))
    except InvalidValueError as error:
        return type(error), str(error)
    return table.schema, sorted(tuples(table), key=repr)


def _all_right(runtime: LocalRuntime, text: str, sets: Sequence[Sequence[Any]]) -> list[int]:
    """How many statements were bound for each of the values; all have the rows of one who never heard of the text."""
    bound = []
    for values in sets:
        before = _read(runtime)
        found = _ask(runtime, runtime.frontend, text, values)
        bound.append(_read(runtime) - before)
        assert found == _ask(runtime, SqlFrontend(runtime.kernel, runtime.storage), text, values)
    return bound


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("SELECT k, s FROM items WHERE k = ?", [[3], [4], [19], [-1], [3]]),
        ("SELECT k FROM items WHERE i = ?", [[3], [4], [18], [0], [-1]]),  # a BIGINT beside INTEGER
        (
            "SELECT k FROM items WHERE s = ? AND p > $2".replace("?", "$1"),
            [["a'0", 0.5], ["b'1", 0.25], ["it's", 1.5], ["c'0", 1.0], ["", 9.0]],
        ),
        ("SELECT k FROM items WHERE p >= ?", [[1], [2], [3], [0], [-4]]),
        ("SELECT k FROM items WHERE k BETWEEN ? AND ?", [[1, 5], [7, 9], [9, 7], [2, 2], [0, 19]]),
        ("SELECT k FROM items WHERE k IN (?, ?)", [[1, 5], [7, 9], [9, 9], [3, 4], [6, 6]]),
        ("SELECT k, k + $x FROM items WHERE k < 3 OR k > $x", [[7], [8], [-5], [12], [-6]]),
        ("SELECT k FROM items WHERE day >= ?", [[_day(y)] for y in (2020, 2021, 2022, 2019, 2023)]),
        ("SELECT k FROM items WHERE ts < ?", [[datetime.datetime(y, 1, 9, 2, 0, 0, 7)] for y in range(2020, 2025)]),
        ("SELECT k FROM items WHERE b = ?", [[True], [False], [True], [False], [True]]),
        ("SELECT k FROM items WHERE i <> ? OR i IS NULL", [[7], [8], [3], [0], [18]]),
        (
            "SELECT b, count(*) FROM items WHERE k < ? GROUP BY b HAVING count(*) > ?",
            [[9, 3], [12, 5], [4, 1], [4, 4], [20, 0]],
        ),
        (
            "SELECT k FROM items WHERE EXISTS (FROM others WHERE k = items.k AND t > ?)",
            [["t1"], ["t5"], ["t9"], [""], ["t3"]],
        ),
        (
            "SELECT items.k, t FROM items LEFT JOIN others ON items.k = others.k WHERE p > ?",
            [[1.0], [2.0], [0.25], [4.5], [-1.0]],
        ),
        ("SELECT k, $1 + k AS x FROM items WHERE k >= $2 AND i <= $3", [[i, 2 + i, 9 - i] for i in range(5)]),
        ("SELECT k FROM items WHERE i % ? = 1 AND p < ?", [[3, 2.0], [2, 9.0], [4, 1.5], [5, 3.0], [-3, 4.0]]),
        (
            "SELECT CASE WHEN i > ? THEN s ELSE ? END FROM items",
            [[7, "x"], [8, "y"], [3, ""], [0, "?"], [-3, "it's $1"]],
        ),
        (  # as an UPDATE reads them
            "SELECT k, CAST((?) AS INTEGER) AS i, CAST((?) AS VARCHAR) AS s FROM items WHERE k = ?",
            [[7, "x", 3], [8, "y", 4], [3, "", 5], [0, "?", 6], [-3, "it's $1", 7]],
        ),
        ("SELECT ? AS one, k, ? AS other FROM items", [[7, 1.5], [8, 2.5], [3, -0.25], [0, 8.0], [-3, 1e300]]),
    ],
)
def test_what_is_asked_for_a_third_time_is_not_bound_again(
    runtime: LocalRuntime, text: str, sets: Sequence[Sequence[Any]]
) -> None:
    assert _all_right(runtime, text, sets) == [1, 1, *[0] * (len(sets) - 2)]


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("SELECT k FROM items ORDER BY k LIMIT ?", [[5], [7], [9]]),
        ("SELECT k FROM items WHERE k > 5 AND k > ?", [[7], [8], [3]]),  # of which the kernel leaves the larger
        ("SELECT k FROM items WHERE k > ? AND k > ?", [[7, 3], [8, 3], [3, 9]]),
        ("SELECT k FROM items WHERE s LIKE ?", [["a%"], ["%1"], ["b'1"]]),
        ("SELECT k FROM items WHERE day >= ?", [["2020-01-05"], ["2021-01-05"], ["2022-01-05"]]),
        ("SELECT k FROM items WHERE day >= ? + INTERVAL 1 DAY", [[_day(2020)], [_day(2021)], [_day(2022)]]),
        ("SELECT k FROM items WHERE m = ?", [[Decimal("1.00")], [Decimal("2.00")], [Decimal("3.00")]]),
        ("SELECT k FROM items WHERE k = ? AND now() > '2020-01-01'::TIMESTAMPTZ", [[1], [2], [3]]),
        ("SELECT k FROM items WHERE p = ?", [[0.0], [-0.0], [float("nan")], [float("inf")]]),
        ("SELECT k FROM items WHERE k = ?", [[pa.scalar(None, pa.int64())]] * 3),
        (  # beyond what Python holds
            "SELECT k FROM items WHERE CAST(day AS TIMESTAMPTZ) > ?",
            [[pa.scalar(ticks, pa.timestamp("us", "UTC"))] for ticks in (-(2**63) + 1, 2**63 - 1, 2**60)],
        ),
    ],
)
def test_what_depends_on_the_values_is_bound_each_time(
    runtime: LocalRuntime, text: str, sets: Sequence[Sequence[Any]]
) -> None:
    assert _all_right(runtime, text, sets) == [1] * len(sets)


def test_a_trial_at_which_the_kernel_is_lost_is_made_again(
    runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, frontend = "SELECT k, day FROM items WHERE k = ?", runtime.frontend
    binder = runtime.kernel.binder
    open_plan = binder.open_plan

    def lost(*given: Any) -> Any:
        assert binder._instance is not None
        lose(binder._instance)
        return open_plan(*given)

    _ask(runtime, frontend, text, [9])
    with monkeypatch.context() as patched:
        patched.setattr(binder, "open_plan", lost)
        with pytest.raises(KernelLostError, match="run the statement again"):
            _ask(runtime, frontend, text, [10])
    assert _all_right(runtime, text, [[11], [12], [13]]) == [1, 0, 0]


def test_a_value_that_is_not_of_its_place_is_bound_by_itself(runtime: LocalRuntime) -> None:
    text = "SELECT k FROM items WHERE i < ?"
    others = [2**40], [-(2**31)], [2**31 - 1], [pa.scalar(None, pa.int64())], [pa.scalar(4, pa.int8())], [2.5]
    assert _all_right(runtime, text, [[3], [4], *others]) == [1, 1, 1, 0, 0, 1, 1, 1]


def test_other_versions_of_the_tables_have_the_same_plan_while_their_columns_are_the_same(
    runtime: LocalRuntime,
) -> None:
    put(runtime.storage, "changing", _OTHERS)
    text = "SELECT t FROM changing WHERE k = ?"
    assert _all_right(runtime, text, [[5], [6], [7]]) == [1, 1, 0]
    put(runtime.storage, "changing", pa.table({"k": pa.array([7, 70], pa.int64()), "t": ["new", "far"]}))
    assert _ask(runtime, runtime.frontend, text, [70])[1] == [("far",)]
    assert _all_right(runtime, text, [[7], [70]]) == [0, 0]
    put(runtime.storage, "changing", pa.table({"t": pa.array([1, 2]), "k": pa.array(["7", "70"])}))
    assert _all_right(runtime, text, [[7], [70]]) == [1, 0]
    runtime.storage.drop(TableName("main", "changing"))
    with pytest.raises(UnknownTableError):
        runtime.frontend.plan(text, parameters=_given([7]))


@pytest.mark.parametrize("storage", ["runtime", "indexed"])
def test_values_are_put_into_the_plan_that_was_made_for_any(
    storage: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime: LocalRuntime = request.getfixturevalue(storage)
    text = "SELECT s, p FROM items WHERE k = ? AND i < ?"
    assert _all_right(runtime, text, [[3, 9], [4, 9], [5, 9], [7, 10]]) == [1, 1, 0, 0]
    with monkeypatch.context() as patched:
        for module, name in (("engine.sql.operator_reading", "read_plan"), ("local_runtime.planner", "lower")):
            patched.delattr(f"{module}.{name}")
        plan = runtime.plan(runtime.frontend.plan(text, parameters=_given([6, 9])))
        assert runtime.execute(plan).reader.read_all().to_pylist() == [{"s": "a'0", "p": 1.5}]
    assert isinstance(plan.root, LookUpExec)
    assert plan.root.filter.sql("duckdb") == '"k" = 6 AND "i" < 9'
    assert '"k" = 6' in runtime.explain(plan)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT k FROM items WHERE (k = ? OR k = 3) AND (k = {0} OR k = 3)",
        "SELECT k FROM items WHERE (k = {0} OR k = 3) AND (k = ? OR k = 3)",
        "SELECT k, k < ? AS y, x FROM items WHERE k < 8",
        "SELECT k, CASE WHEN k = ? THEN s END AS y, x FROM items WHERE k < 8",
        "SELECT k, x FROM items ORDER BY k > ?, k LIMIT 3",
    ],
)
@pytest.mark.parametrize("at", range(5))
def test_a_value_that_happens_to_be_the_one_which_stands_for_any(indexed: LocalRuntime, text: str, at: int) -> None:
    found = generic_plans._stand_in(1, "BIGINT")
    text = text.format(found) + f" -- {at}"
    values = [5, 7, 4, 5, 7]
    _all_right(indexed, text, [[value] for value in [*values[:at], found, *values[at:]]])


def test_where_the_tables_change_each_time_no_plan_is_made_for_any(
    runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "SELECT t FROM changing WHERE k <= ?"
    monkeypatch.delattr(generic_plans._GenericPlan, "with_any_values")
    for value in range(5, 10):
        put(runtime.storage, "changing", _OTHERS)
        _all_right(runtime, text, [[value]])


@pytest.mark.parametrize("at", range(5))
def test_values_that_are_equal_are_equal_by_chance(runtime: LocalRuntime, at: int) -> None:
    text = f"SELECT k, {at} FROM items WHERE (k = ? OR k = ?) AND k < 18 AND i >= 3 AND (i = ? OR i = 7)"
    sets = [[5 + i, 9 - i, 6 + i] for i in range(6)]
    _all_right(runtime, text, [*sets[:at], [7, 7, 7], *sets[at:]])


def test_a_view_that_has_changed_is_read_again(runtime: LocalRuntime) -> None:
    views = Named({"v": "SELECT k, s AS x FROM items WHERE k > 5"})
    names = Names(views=views)

    def ask(value: int) -> list[Any]:
        return tuples(
            run(runtime, runtime.frontend.plan("SELECT x FROM v WHERE k = ?", parameters=_given([value]), names=names))
        )

    assert [ask(value) for value in (3, 6, 7)] == [[], [("a'0",)], [("b'1",)]]
    views.queries["v"] = "SELECT k, i AS x FROM items"
    assert [ask(value) for value in (3, 6, 7)] == [[(3,)], [(6,)], [(7,)]]


def test_a_version_that_is_asked_for_stays(runtime: LocalRuntime) -> None:
    put(runtime.storage, "changing", _OTHERS)
    first = runtime.storage.snapshot().table(TableName("main", "changing")).version
    put(runtime.storage, "changing", pa.table({"k": pa.array([5], pa.int64()), "t": ["new"]}))
    text = f"SELECT o.t, n.t FROM changing o AT (VERSION => {first}) LEFT JOIN changing n ON o.k = n.k WHERE o.k >= ?"
    assert _all_right(runtime, text, [[12], [13], [5]])[0] == 1
    assert ("t0", "new") in _ask(runtime, runtime.frontend, text, [5])[1]


_PREDICATES = (
    *(f"{column} {sign} ?" for column in ("k", "i", "s", "p", "day", "ts") for sign in ("=", "<>", "<", ">=")),
    *(
        "k IN (?, ?)",
        "s IN (?, 'a''0', ?)",
        "i BETWEEN ? AND ?",
        "p NOT BETWEEN ? AND ?",
        "? < k",
        "i = ? + 1",
        "k % ? = 1",
    ),
    *("NOT (k = ? OR i = ?)", "coalesce(i, ?) = ?", "s || ? = ?", "b = ?", "k IN (SELECT k FROM others WHERE t > ?)"),
)


def _random_value(column: str, rng: random.Random) -> Any:
    match column:
        case "s" | "t":
            return rng.choice(["a'0", "b'1", "c'0", "", "t3", "?", "$1", generic_plans._stand_in(1, "VARCHAR")])
        case "p":
            return rng.choice([0.5, 1.75, -0.0, 3, 4, 1e300, float("inf")])
        case "day":
            return rng.choice([*_DAYS, datetime.date(1, 1, 1), None])
        case "ts":
            return datetime.datetime.combine(rng.choice(_DAYS), datetime.time(rng.randrange(5)))
        case "b":
            return rng.choice([True, False])
    return rng.choice([*range(-1, 21), 2**31, 2**63 - 1, generic_plans._stand_in(1, "BIGINT")])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("storage", ["runtime", "indexed"])
def test_random_statements_have_their_own_rows_for_random_values(
    storage: str, request: pytest.FixtureRequest, seed: int
) -> None:
    runtime: LocalRuntime = request.getfixturevalue(storage)
    rng = random.Random(seed)
    chosen = rng.sample(_PREDICATES, rng.choice([1, 1, 2, 3]))
    text = f"SELECT k, s FROM items WHERE {rng.choice([' AND ', ' OR ']).join(f'({one})' for one in chosen)}"
    columns = [column for one in chosen for column in [re.findall(r"\b([kispbt]|day|ts)\b", one)[-1]] * one.count("?")]
    _all_right(runtime, text, [[_random_value(column, rng) for column in columns] for _ in range(7)])
