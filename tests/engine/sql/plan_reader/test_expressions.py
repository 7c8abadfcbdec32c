"""Expressions that are read from a bound plan and printed are the same, to the kernel's binder and in their values."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from engine.sql.plan_reader.expressions import Expressions
from engine.sql.plan_reader.not_read import NotRead
from tests.engine.sql.plan_reader.binding import Binder, Node, Rebinder, expressions_of, nodes_of

FOLDER = Path(__file__).parent
EXPRESSIONS = (FOLDER / "expressions.txt").read_text().splitlines()
RANGES_OF_DECIMALS = "ORDER BY n RANGE"  # the kernel writes down of what type a distance was before it was bound


@pytest.fixture(scope="module")
def binder() -> Binder:
    made = Binder(without=frozenset({"unused_columns"}))
    made.connection.execute((FOLDER / "rows.sql").read_text())
    return made


@pytest.fixture(scope="module")
def rebinder() -> Rebinder:
    return Rebinder()


def _bound(binder: Binder, sql: str) -> tuple[str, Node, list[str]]:
    """The expression of ``SELECT sql FROM t``, the method that reads it, and the columns that it refers to."""
    plan = binder.plan(f"SELECT {sql} FROM t")
    found = list(expressions_of(plan))
    kind, node = next(((kind, node) for kind, node in found if kind != "scalar"), found[0])
    (scan,) = nodes_of(plan, "LOGICAL_GET")
    names = scan["names"]
    places = [column.get("index", 0) for column in scan["column_indexes"]]
    return kind, node, [names[place] if place < len(names) else "rowid" for place in places]


def _text(kind: str, node: Node, names: list[str]) -> str:
    return getattr(Expressions(names), kind)(node).sql("duckdb")


def _values(binder: Binder, sql: str) -> str:
    """The values as the kernel writes them, with their types; or the error."""
    written = f"SELECT typeof(v), CAST(v AS VARCHAR) FROM (SELECT {sql} AS v FROM t)"
    try:
        return repr(sorted(map(str, binder.connection.execute(written).fetchall())))
    except duckdb.Error as error:
        return str(error).partition("\n")[0]


def test_the_same_expressions_of_the_same_values(binder: Binder, rebinder: Rebinder) -> None:
    different = {}
    for sql in EXPRESSIONS:
        kind, node, names = _bound(binder, sql)
        difference = rebinder.difference(kind, node)
        if difference and RANGES_OF_DECIMALS not in sql:
            different[sql] = difference
        text = _text(kind, node, names)
        if _values(binder, sql) != _values(binder, text):
            different[sql] = f"{text} has other values"
    assert different == {}


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("a + 1", '"a" + 1'),
        ("b > 1", '"b" > 1'),
        ("n * (1 - n) < 0.05", '("n" * (CAST(\'1.00\' AS DECIMAL(3,2)) - "n")) < 0.0500'),
        ("n < 0.05", '"n" < 0.05'),
        ("d >= '2020-01-01'", "\"d\" >= CAST('2020-01-01' AS DATE)"),
        ("s IN ('a', 'b') AND (bo OR a IS NOT NULL)", '"s" IN (\'a\', \'b\') AND ("bo" OR "a" IS NOT NULL)'),
        ("round(x, 1)", 'ROUND("x", CAST(1 AS INTEGER))'),
        ("list_transform(l, lambda a: a + 1)", 'LIST_TRANSFORM("l", LAMBDA "x1" : "x1" + 1)'),
        ("repeat(s, 2)", '"system"."main".repeat("s", CAST(2 AS BIGINT))'),
        ("quantile_cont(b, 0.3 ORDER BY b DESC)", "QUANTILE_CONT(\"b\", CAST('-0.3' AS DECIMAL(2,1)))"),
    ],
)
def test_text(binder: Binder, sql: str, text: str) -> None:
    assert _text(*_bound(binder, sql)) == text


def test_a_parameter_of_a_lambda_hides_no_column(binder: Binder) -> None:
    (expression,) = binder.plan("SELECT list_transform(l, lambda x: x + a) FROM t")["expressions"]
    printed = Expressions(["x1"] * 40).scalar(expression).sql("duckdb")
    assert printed == 'LIST_TRANSFORM("x1", LAMBDA "_x1" : "_x1" + "x1")'


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("alias(a)", "function alias"),
        ("stats(a)", "function stats"),
        ("current_query()", "function current_query"),
        ("list_sort([s COLLATE nocase])", "function list_sort sorts by another order"),
        ("[1::VARIANT, a::VARIANT][2]", "a constant of type VARIANT"),
        ("bitstring_agg(b)", "aggregate bitstring_agg has data of its own"),
        ("stddev(DISTINCT n ORDER BY n)", "a DISTINCT aggregate in the order of what it was given before a cast"),
        ("x = 0.0 / 0", "a constant NaN, of whose sign the plan says nothing"),
        ("d38 % n::DECIMAL(38, 10)", "a remainder of decimals as DOUBLE"),
        ("d38::DOUBLE % 1.5::DOUBLE", "a remainder of decimals as DOUBLE"),
    ],
)
def test_what_has_another_meaning_elsewhere_is_not_read(binder: Binder, sql: str, reason: str) -> None:
    bound = _bound(binder, sql)
    with pytest.raises(NotRead) as error:
        _text(*bound)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"type": "OPERATOR_SURPRISE"},
        {"function_data": {"surprise": 1}},
        {"qname": {"path": ["other", "main", "+"]}},
        {"expression_class": "BOUND_SURPRISE"},
        {"children": [{"expression_class": "BOUND_REF", "type": "BOUND_REF", "index": 99}]},
        {"children": [{"expression_class": "BOUND_CONSTANT", "type": "VALUE_CONSTANT"}]},
        {"children": None},
    ],
)
def test_what_is_not_known_is_not_read(binder: Binder, change: Node) -> None:
    (expression,) = binder.plan("SELECT round(x, a) FROM t")["expressions"]
    with pytest.raises(NotRead):
        Expressions(["c"] * 40).scalar({**expression, **change})


def test_long_chains_are_read_and_deep_expressions_are_not(binder: Binder) -> None:
    chain = " + ".join(["a"] * 300)
    either = " OR ".join(f"a + b = {i}" for i in range(500))
    for sql in (chain, either):
        assert len(_text(*_bound(binder, sql))) > 1_500
    deep = "a"
    for _ in range(200):
        deep = f"abs({deep})"
    bound = _bound(binder, deep)
    with pytest.raises(NotRead, match="too deeply"):
        _text(*bound)
