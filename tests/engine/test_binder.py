"""The kernel's binder: columns, plans and parameters of SELECTs over tables without rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.binder import _SPARES, Binder
from engine.cancellation import Cancellation
from engine.errors import CancelledError, ExecutionError, GrismError, TypeMismatchError, UnknownColumnError
from engine.schema import Column
from tests.harness.kernel_loss import lose

T = {"t": (Column("a", "INTEGER"), Column("b", "DOUBLE"))}


@pytest.fixture(scope="module")
def binder() -> Iterator[Binder]:
    made = Binder()
    yield made
    made.close()


def test_gives_names_and_kernel_types(binder: Binder) -> None:
    tables = {"odd t": (Column("a", "DECIMAL(15,2)"), Column("b c", "STRUCT(x INTEGER)[]"))}
    got = binder.describe('SELECT a, "b c", a AS a, sum(1) AS n, NULL FROM "odd t" GROUP BY ALL', tables)
    assert [(c.name, c.type) for c in got] == [
        ("a", "DECIMAL(15,2)"),
        ("b c", "STRUCT(x INTEGER)[]"),
        ("a", "DECIMAL(15,2)"),
        ("n", "HUGEINT"),
        ("NULL", '"NULL"'),
    ]


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT aeg FROM t", UnknownColumnError, 'no column "aeg" in reach; did you mean "age"'),
        ("SELECT t.aeg FROM t", UnknownColumnError, '"aeg".*"age"'),
        ("SELECT zzzzzz FROM t", UnknownColumnError, "zzzzzz"),
        ("SELECT age + DATE '2020-01-01' + name FROM t", TypeMismatchError, "DATE"),
        ("SELECT nosuch(age) FROM t", TypeMismatchError, "nosuch"),
        ("SELECT sum(age), name FROM t", TypeMismatchError, "GROUP BY"),
        ("SELECT * FROM t WHERE sum(age) > 1", TypeMismatchError, "WHERE"),
    ],
)
def test_raises_planning_errors(binder: Binder, sql: str, error: type[GrismError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        binder.describe(sql, {"t": (Column("age", "INTEGER"), Column("name", "VARCHAR"))})
    assert caught.value.place is None or caught.value.place.text == sql
    assert str(caught.value).count("LINE 1: ") == (caught.value.place is not None)


def operators(binder: Binder, text: str) -> list[str]:
    bound = binder.bind(text, T)
    assert bound.plan is not None
    found, pending = [], [bound.plan]
    while pending:
        node = pending.pop()
        found.append(node["type"].removeprefix("LOGICAL_"))
        pending.extend(node.get("children", ()))
    return found


def test_the_plan_is_optimized_by_its_shape_alone(binder: Binder) -> None:
    assert operators(binder, "SELECT a FROM t WHERE EXISTS (FROM t AS u WHERE u.a = t.a)").count("GET") == 2
    assert "COMPARISON_JOIN" in operators(binder, "SELECT t.a FROM t, t AS u WHERE t.a = u.a")
    # Nothing is known of sizes: no rows are no reason to leave a table out.
    assert "GET" in operators(binder, "SELECT a FROM t")
    assert "TOP_N" not in operators(binder, "SELECT a FROM t ORDER BY a LIMIT 1")


def test_tables_are_told_by_their_names_in_the_text(binder: Binder) -> None:
    bound = binder.bind("SELECT x.a FROM t AS x, u", {**T, "u": (Column("c", "VARCHAR"),)})
    assert sorted(bound.tables.values()) == ["t", "u"]
    assert bound.columns == (Column("a", "INTEGER"),)


@pytest.mark.parametrize("value", ["'101'::BIT", "'nan'::DOUBLE"])
def test_a_constant_that_cannot_be_written_down_has_a_reason(binder: Binder, value: str) -> None:
    bound = binder.bind(f"SELECT {value} AS x", {})
    assert bound.plan is None
    assert "constant" in bound.reason
    assert binder.as_bound(f"SELECT {value} AS x", {}).plan is not None  # it is a cast there


def test_row_ids_have_no_name(binder: Binder) -> None:
    with pytest.raises(UnknownColumnError):
        binder.bind("SELECT rowid FROM t", T)


def test_cursors_are_kept_for_the_same_tables(binder: Binder) -> None:
    for number in range(200):
        assert binder.describe("SELECT * FROM t", {"t": (Column(f"c{number}", "INTEGER"),)})[0].name == f"c{number}"
    assert binder._kept <= 64
    kept = binder._kept
    for _ in range(3):
        binder.describe("SELECT * FROM t", {"t": (Column("c199", "INTEGER"),)})
    assert binder._kept == kept


def test_an_error_leaves_the_next_statement_alone(binder: Binder) -> None:
    for _ in range(3):
        with pytest.raises(UnknownColumnError):
            binder.bind("SELECT nosuch FROM t", T)
        assert binder.describe("SELECT a FROM t", T) == (Column("a", "INTEGER"),)


def test_planning_that_was_stopped_binds_nothing(binder: Binder) -> None:
    cancellation = Cancellation()

    def bind() -> None:
        with cancellation.scope():
            cancellation.cancel("enough")
            binder.bind("SELECT a FROM t", T)

    with pytest.raises(CancelledError, match="enough"):
        bind()


def test_closed() -> None:
    closed = Binder()
    assert closed.describe("SELECT 1 AS x", {}) == (Column("x", "INTEGER"),)
    closed.close()
    with pytest.raises(ExecutionError, match="closed"):
        closed.describe("SELECT 1 AS x", {})


def test_the_next_has_what_a_closed_one_opened_and_nothing_of_what_was_bound() -> None:
    _SPARES.close()
    closed = Binder()
    assert closed.describe("SELECT a FROM t", T) == (T["t"][0],)
    opened = closed._instance
    closed.close()
    following = Binder()
    with pytest.raises(GrismError, match="t"):
        following.describe("SELECT a FROM t", {})
    other = {"t": (Column("a", "VARCHAR"),)}
    assert following.describe("SELECT a FROM t", other) == other["t"]
    assert following._instance is opened
    following.close()


def test_what_was_lost_is_not_handed_on() -> None:
    _SPARES.close()
    closed = Binder()
    closed.describe("SELECT a FROM t", T)
    assert closed._instance is not None
    lose(closed._instance)
    closed.close()
    following = Binder()
    assert following.describe("SELECT a FROM t", T) == (T["t"][0],)
    following.close()


def test_what_is_in_use_is_not_handed_on() -> None:
    _SPARES.close()
    closed = Binder()
    with closed._cursor(T):
        in_use = closed._instance
        closed.close()
    following = Binder()
    assert following.describe("SELECT a FROM t", T) == (T["t"][0],)
    assert following._instance is not in_use
    following.close()
