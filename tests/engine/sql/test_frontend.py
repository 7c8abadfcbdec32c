"""From text to a plan: names, versions, parameters, time, and when a plan is remembered."""

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
    SqlSyntaxError,
    TypeMismatchError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
)
from engine.kernel import Kernel
from engine.logical.nodes import LogicalPlan, in_operators
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


# Names


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT size FROM teams WHERE code = 'x'", [(2,)]),
        ("SELECT SIZE FROM TEAMS WHERE Code = 'x'", [(2,)]),
        ('SELECT "SIZE" FROM "TEAMS" WHERE "code" = \'x\'', [(2,)]),
        ("SELECT size FROM main.teams WHERE teams.code = 'x'", [(2,)]),
        ("SELECT main.teams.size FROM main.teams WHERE main.teams.code = 'x'", [(2,)]),
        ("SELECT grism.main.teams.size FROM grism.main.teams WHERE code = 'x'", [(2,)]),
        ("SELECT GRISM.Main.TEAMS.size FROM grism.main.teams WHERE code = 'x'", [(2,)]),
        ("SELECT size FROM grism.teams WHERE code = 'x'", [(2,)]),
        ("SELECT colour FROM other.teams", [("red",)]),
        ("SELECT grism.other.teams.colour FROM grism.other.teams", [("red",)]),
        ("SELECT t.colour, m.size FROM other.teams t JOIN main.teams m ON m.code = 'x'", [("red", 2)]),
        ("SELECT count(*) FROM teams, other.teams AS o", [(3,)]),
        ("TABLE other.teams", [("q", "red")]),
        ("FROM other.teams SELECT teams.colour", [("red",)]),
    ],
)
def test_tables_and_columns_under_all_their_names(local: LocalRuntime, text: str, want: list[tuple[Any, ...]]) -> None:
    assert rows(local, text) == want


def test_a_bare_name_is_looked_for_in_the_schema_of_the_session(local: LocalRuntime) -> None:
    assert rows(local, "SELECT colour FROM teams", names=OTHER) == [("red",)]
    assert rows(local, "SELECT count(*) FROM main.teams", names=OTHER) == [(3,)]
    assert rows(local, "SELECT current_schema(), current_schema", names=OTHER) == [("other", "other")]
    assert rows(local, "SELECT current_schema(), current_database(), current_catalog") == [("main", "grism", "grism")]
    with pytest.raises(UnknownTableError):
        local.frontend.plan("SELECT * FROM people", names=OTHER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM poeple", '"main.poeple"; did you mean "people"'),
        ("SELECT * FROM mian.people", 'no schema "mian"; did you mean "main"'),
        ("SELECT * FROM grims.main.people", 'no catalog "grims"; did you mean "grism"'),
        ("SELECT * FROM elsewhere.main.people", 'no catalog "elsewhere"; the catalog is "grism"'),
        ("SELECT * FROM a.b.c.people", 'no catalog "a"'),
        ("SELECT zz.* FROM people", 'no table "zz" in reach'),
        ("SELECT peple.id FROM people", 'no table "peple" in reach; did you mean "people"'),
    ],
)
def test_unknown_tables_name_the_nearest(local: LocalRuntime, text: str, message: str) -> None:
    with pytest.raises(UnknownTableError, match=message):
        local.frontend.plan(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT nmae FROM people",
        "SELECT people.nmae FROM people",
        "SELECT p.nmae FROM people p",
        "SELECT id FROM people WHERE nmae = 'x'",
        "SELECT id FROM people ORDER BY nmae",
        "SELECT id FROM people GROUP BY id, nmae",
        "SELECT (SELECT nmae FROM people LIMIT 1)",
        "WITH x AS (SELECT nmae FROM people) SELECT * FROM x",
        "SELECT * EXCLUDE (nmae) FROM people",
    ],
)
def test_unknown_columns_name_the_nearest(local: LocalRuntime, text: str) -> None:
    with pytest.raises(UnknownColumnError, match='no column "nmae" in reach; did you mean "name"'):
        local.frontend.plan(text)


def test_an_unknown_column_without_a_table(local: LocalRuntime) -> None:
    with pytest.raises(UnknownColumnError, match='no column "nosuch" in reach'):
        local.frontend.plan("SELECT nosuch")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT name + 1 FROM people", TypeMismatchError),
        ("SELECT nosuch(id) FROM people", TypeMismatchError),
        ("SELECT id, count(*) FROM people", TypeMismatchError),
        ("SELECT * FROM people WHERE count(*) > 1", TypeMismatchError),
        ("SELECT id FROM people UNION SELECT id, name FROM people", TypeMismatchError),
        ("SELECT * FROM people LIMIT -1", TypeMismatchError),
        ("SELECT id FROM people, people", TypeMismatchError),
        ("SELECT FROM people", SqlSyntaxError),
        ("SHOW TABLES", UnsupportedError),
    ],
)
def test_other_planning_errors(local: LocalRuntime, text: str, error: type[GrismError]) -> None:
    with pytest.raises(error) as caught:
        local.frontend.plan(text)
    assert "__t" not in str(caught.value)


# CTEs


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("WITH teams AS (SELECT 1 AS one) SELECT * FROM teams", [(1,)]),
        ("WITH teams AS (SELECT count(*) AS n FROM teams) SELECT * FROM teams", [(3,)]),
        ("WITH Teams AS (SELECT 1 AS one) SELECT * FROM TEAMS", [(1,)]),
        ("WITH teams AS (SELECT 1 AS one) SELECT count(*) FROM main.teams", [(3,)]),
        ("WITH x AS (SELECT 1 AS i), x2 AS (SELECT i + 1 AS i FROM x) SELECT x.i, x2.i FROM x, x2", [(1, 2)]),
        ("WITH x AS (SELECT 1 AS i) SELECT * FROM (WITH x AS (SELECT 2 AS i) SELECT * FROM x) y, x", [(2, 1)]),
        ("WITH x AS (SELECT 1 AS i) SELECT (WITH x AS (SELECT 2 AS i) SELECT i FROM x), i FROM x", [(2, 1)]),
        ("WITH x(a, b) AS (SELECT 1, 2) SELECT b, a FROM x", [(2, 1)]),
        ("WITH x AS (SELECT random() AS r) SELECT a.r = b.r FROM x a, x b", [(True,)]),
        ("WITH x AS NOT MATERIALIZED (SELECT 1 AS i) SELECT a.i + b.i FROM x a, x b", [(2,)]),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 4) SELECT sum(i)::INT FROM r",
            [(10,)],
        ),
        (
            "WITH RECURSIVE teams AS (SELECT 1 AS i UNION SELECT i + 1 FROM teams WHERE i < 3) FROM teams",
            [(1,), (2,), (3,)],
        ),
        ("WITH RECURSIVE x AS (SELECT 7 AS i) SELECT * FROM x", [(7,)]),
        (
            "SELECT * FROM (WITH teams AS (SELECT 1 AS i) SELECT i FROM teams) a, (SELECT count(*) FROM teams) b",
            [(1, 3)],
        ),
    ],
)
def test_ctes_hide_tables_where_they_are_in_reach(local: LocalRuntime, text: str, want: list[tuple[Any, ...]]) -> None:
    assert rows(local, text) == want


@pytest.mark.parametrize("cte", ["__t0", "__t1", "__T0", "__s0", "__raw0", "cte_x", "t", "l", "r"])
def test_ctes_may_have_the_names_that_plans_use_inside(local: LocalRuntime, cte: str) -> None:
    text = (
        f'WITH "{cte}" AS (SELECT 42 AS v) SELECT p.id, v, t.code FROM people p, "{cte}", teams t ORDER BY 1, 3 LIMIT 1'
    )
    assert rows(local, text) == [(1, 42, "x")]
    recursive = f'WITH RECURSIVE "{cte}" AS (SELECT 1 AS v UNION SELECT v + 1 FROM "{cte}" WHERE v < 3) '
    assert rows(local, recursive + f'SELECT max(v), count(DISTINCT id) FROM "{cte}", people') == [(3, 5)]


def test_text_that_looks_like_an_inner_name_stays_text(local: LocalRuntime) -> None:
    text = """SELECT '"__raw0"' AS a, '"__s0"' AS "__t0", id FROM people QUALIFY row_number() OVER (ORDER BY id) = 1"""
    assert rows(local, text) == [('"__raw0"', '"__s0"', 1)]
    pivot = """SELECT '"__raw0"' AS a, * FROM (SELECT team FROM people) PIVOT (count(*) FOR team IN ('x'))"""
    assert rows(local, pivot) == [('"__raw0"', 2)]


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


# Parameters


@pytest.mark.parametrize(
    ("text", "values", "want"),
    [
        ("SELECT ?", [1], [(1,)]),
        ("SELECT ?, ?", [1, "b"], [(1, "b")]),
        ("SELECT $2, $1, $2", [1, "b"], [("b", 1, "b")]),
        ("SELECT $b, $a, $b", [1, 2], [(1, 2, 1)]),
        ("SELECT name FROM people WHERE age > ? AND team = ?", [25, "x"], [("ann",)]),
        ("SELECT name FROM people WHERE id IN (?, ?) ORDER BY 1", [2, 1], [("ann",), ("bob",)]),
        ("SELECT id FROM people ORDER BY id LIMIT ? OFFSET ?", [2, 1], [(2,), (3,)]),
        (
            "SELECT count(*) FROM (SELECT id + ? AS x FROM people) WHERE x > $1 + ?".replace("$1", "?"),
            [1, 2, 1],
            [(3,)],
        ),
        ("WITH x AS (SELECT ? AS v) SELECT a.v, b.v FROM x a, x b", [5], [(5, 5)]),
        ("SELECT list_transform([1, 2], lambda v: v + ?)", [10], [([11, 12],)]),
        ("SELECT ? = 'it''s; -- \"x\" $1 ?'", ['it\'s; -- "x" $1 ?'], [(True,)]),
        ("SELECT name FROM people WHERE age IS NOT DISTINCT FROM ?", [None], [("cid",)]),
        ("SELECT count(*) FROM people WHERE upper(name) LIKE ?", ["%N%"], [(2,)]),
        ("SELECT * FROM range(?)", [2], [(0,), (1,)]),
        ("SELECT CASE ? WHEN 1 THEN 'a' ELSE 'b' END", [1], [("a",)]),
        ("SELECT team, count(*) FROM people GROUP BY team HAVING count(*) >= ? ORDER BY 1", [2], [("x", 2), ("y", 2)]),
    ],
)
def test_parameters(local: LocalRuntime, text: str, values: list[Any], want: list[tuple[Any, ...]]) -> None:
    assert rows(local, text, [pa.scalar(value) for value in values]) == want


def test_parameters_leave_column_names_as_the_text_has_them(local: LocalRuntime) -> None:
    table = result(local, "SELECT ?, $x + 1 AS s, upper($y)".replace("?", "$z"), [pa.scalar(1)] * 2 + [pa.scalar("a")])
    assert table.column_names == ["$z", "s", "upper($y)"]


@pytest.mark.parametrize(
    ("text", "given"), [("SELECT 1", 1), ("SELECT ?", 0), ("SELECT $1, $1", 2), ("SELECT ?, ?", 1)]
)
def test_the_number_of_values_must_be_right(local: LocalRuntime, text: str, given: int) -> None:
    with pytest.raises(InvalidValueError, match=f"parameters, {given} values were given"):
        local.frontend.plan(text, parameters=[pa.scalar(1)] * given)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT 1", {}),
        ("SELECT * FROM people WHERE age > ? AND name = ?", {"1": pa.int32(), "2": pa.string()}),
        ("SELECT * FROM people WHERE name = $who AND id < $most", {"who": pa.string(), "most": pa.int64()}),
        ("SELECT * FROM people WHERE $2 < age AND name = $1", {"1": pa.string(), "2": pa.int32()}),
        ("SELECT * FROM people LIMIT ?", {"1": pa.int64()}),
        ("SELECT ?", {"1": pa.string()}),
    ],
)
def test_the_types_of_parameters(local: LocalRuntime, text: str, want: dict[str, pa.DataType]) -> None:
    schema = local.frontend.parameters(text)
    assert dict(zip(schema.names, schema.types, strict=True)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT name FROM people WHERE age > ?", {"name": pa.string()}),
        ("SELECT age + ? AS x FROM people", {"x": pa.int32()}),
        ("SELECT upper(?) AS u, DATE '2020-01-01' = ? AS d", {"u": pa.string(), "d": pa.bool_()}),
    ],
)
def test_the_schema_of_a_result_before_parameters_are_bound(
    local: LocalRuntime, text: str, want: dict[str, pa.DataType]
) -> None:
    schema = local.frontend.result_schema(text)
    assert dict(zip(schema.names, schema.types, strict=True)) == want


# Time


INSTANT_TYPES = {
    "now()": pa.timestamp("us", "UTC"),
    "current_timestamp": pa.timestamp("us", "UTC"),
    "get_current_timestamp()": pa.timestamp("us", "UTC"),
    "transaction_timestamp()": pa.timestamp("us", "UTC"),
    "current_date": pa.date32(),
    "current_date()": pa.date32(),
    "today()": pa.date32(),
    "current_time": pa.string(),
    "get_current_time()": pa.string(),
    "localtime": pa.time64("us"),
    "current_localtime()": pa.time64("us"),
    "localtimestamp": pa.timestamp("us"),
    "current_localtimestamp()": pa.timestamp("us"),
}


@pytest.mark.parametrize("call", INSTANT_TYPES)
def test_the_time_has_the_kernels_type_and_name(local: LocalRuntime, call: str) -> None:
    table = result(local, f"SELECT {call}")
    assert table.schema == pa.schema([(call, INSTANT_TYPES[call])])
    raw = local.kernel.describe(f"SELECT {call}")
    assert local.kernel.arrow_schema(raw) == table.schema


def test_the_time_is_one_in_a_statement_and_another_in_the_next(local: LocalRuntime) -> None:
    text = "SELECT now() AS a, (SELECT current_timestamp FROM people LIMIT 1) AS b, now() = a"
    before = datetime.datetime.now(datetime.UTC)
    ((one, other, same),) = rows(local, text)
    assert one == other
    assert same
    assert before <= one <= datetime.datetime.now(datetime.UTC)
    ((later, *_),) = rows(local, text)
    assert later > one


def test_a_column_may_be_called_like_the_time(over: LocalRuntime, fresh: InMemoryStorage) -> None:
    put(fresh, "odd", pa.table({"current_date": ["mine"], "localtime": [7], "b": [1]}))
    assert rows(over, 'SELECT current_date, "current_date", odd.current_date, localtime, b FROM odd') == [
        ("mine", "mine", "mine", 7, 1)
    ]
    assert rows(over, "SELECT b FROM odd WHERE current_date = 'mine'") == [(1,)]
    assert rows(over, "SELECT current_date FROM (SELECT 5 AS current_date)") == [(5,)]
    assert rows(over, "WITH x(current_date) AS (SELECT 5) SELECT current_date + 1 FROM x") == [(6,)]
    assert rows(over, "SELECT current_date() = today() FROM odd") == [(True,)]
    assert rows(over, "SELECT current_date = today() FROM (SELECT current_date AS current_date FROM t)")[0] == (True,)


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
