"""Each operator, executed by itself on rows in memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa
import pytest
from sqlglot import exp

from engine import operators
from engine.cancellation import Cancellation
from engine.errors import CancelledError
from engine.execution import compile_statement
from engine.kernel import Kernel
from engine.logical.nodes import NamedExpr
from engine.metrics import CollectingMetricsSink
from engine.operators import (
    AggregateMode,
    CollectExec,
    DistinctExec,
    EmptyExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SetOpExec,
    SortExec,
    SqlExec,
    TableScanExec,
    TopNExec,
    ValuesExec,
    WindowExec,
)
from engine.physical import PhysicalOperator, walk
from engine.schema import Column
from engine.storage import InMemoryStorage
from engine.storage.protocol import ArrowSource, Split, Storage, TableName
from local_runtime import LocalExecutionContext
from tests.engine.plans import e, items, key
from tests.engine.querying import tuples

SALES = pa.table(
    {
        "shop": ["a", "b", "a", None, "b", "a"],
        "amount": pa.array([5, 3, None, 7, 3, 1], pa.int32()),
        "day": pa.array([1, 1, 2, 2, 3, 3], pa.int32()),
    }
)
SHOPS = pa.table({"code": ["a", "b", "c", None], "city": ["Aa", "Bb", "Cc", "Dd"]})


@pytest.fixture(scope="module")
def store() -> InMemoryStorage:
    return InMemoryStorage({"sales": SALES, "shops": SHOPS})


@pytest.fixture
def ctx(store: InMemoryStorage, kernel: Kernel) -> LocalExecutionContext:
    return LocalExecutionContext(store, kernel)


def scan(store: Storage, kernel: Kernel, name: str) -> TableScanExec:
    handle = store.snapshot().table(TableName("main", name))
    source = store.probe(handle)
    assert isinstance(source, ArrowSource)
    columns = kernel.column_types(source.data)
    return TableScanExec(handle, columns, tuple(c.name for c in columns))


@pytest.fixture
def sales(store: InMemoryStorage, kernel: Kernel) -> TableScanExec:
    return scan(store, kernel, "sales")


@pytest.fixture
def shops(store: InMemoryStorage, kernel: Kernel) -> TableScanExec:
    return scan(store, kernel, "shops")


def executed(operator: PhysicalOperator, ctx: LocalExecutionContext) -> pa.Table:
    table = operator.execute(ctx).read_all()
    assert tuple(table.column_names) == operator.schema
    return table


def rows(operator: PhysicalOperator, ctx: LocalExecutionContext) -> list[tuple[Any, ...]]:
    return tuples(executed(operator, ctx))


def by_text(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(found, key=repr)


# Sources


def test_a_scan_gives_its_columns_under_its_aliases(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    some = dataclasses.replace(sales, columns=(sales.columns[1], sales.columns[0]), aliases=("n", "Shop Name"))
    table = executed(some, ctx)
    assert table.schema == pa.schema([("n", pa.int32()), ("Shop Name", pa.string())])
    assert tuples(table)[0] == (5, "a")


def test_a_scan_filters_and_limits(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    renamed = dataclasses.replace(sales, aliases=("s", "n", "d"), filter=e("n > 2 AND s = 'b'"), limit=1)
    assert rows(renamed, ctx) == [("b", 3, 1)]
    assert renamed.request.filter is not None
    assert renamed.request.filter.sql("duckdb") == '"amount" > 2 AND "shop" = \'b\''
    assert (renamed.request.columns, renamed.request.limit) == (("shop", "amount", "day"), 1)


def test_a_scan_without_columns_counts_rows(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    counted = HashAggregateExec(dataclasses.replace(sales, columns=(), aliases=()), (), items(n="count(*)"))
    assert rows(counted, ctx) == [(6,)]


def test_a_scan_of_splits(ctx: LocalExecutionContext, store: InMemoryStorage, sales: TableScanExec) -> None:
    splits = store.splits(sales.table, 3)
    assert len(splits) == 3
    parts = [rows(sales.with_splits((split,)), ctx) for split in splits]
    assert by_text([row for part in parts for row in part]) == by_text(tuples(SALES))
    assert by_text(rows(sales.with_splits(tuple(splits)), ctx)) == by_text(tuples(SALES))
    assert rows(dataclasses.replace(sales.with_splits(tuple(splits)), filter=e("day = 2"), limit=5), ctx) == [
        ("a", None, 2),
        (None, 7, 2),
    ]
    nothing = executed(sales.with_splits(()), ctx)
    assert (nothing.num_rows, nothing.schema.types) == (0, SALES.schema.types)


def test_values(ctx: LocalExecutionContext) -> None:
    constants = ValuesExec(("n", "t"), ((e("1"), e("'x'")), (e("NULL"), e("upper('y')"))))
    assert rows(constants, ctx) == [(1, "x"), (None, "Y")]
    assert rows(ProjectExec(ValuesExec((), ((),)), items(one="1")), ctx) == [(1,)]


def test_inner_joins_of_joins_stand_under_one_where(
    ctx: LocalExecutionContext, sales: TableScanExec, shops: TableScanExec
) -> None:
    towns = ProjectExec(shops, items(town="city", of="code"))
    two = JoinExec(sales, shops, "inner", e("shop = code OR amount = 7"))
    three = JoinExec(two, towns, "inner", e("of = code OR of IS NULL"))
    assert compile_statement(JoinExec(two, towns, "cross"), ctx).sql.count("WHERE") == 1
    found = HashAggregateExec(three, (), items(n="count(*)", a="count(DISTINCT town)", m="max(amount)"))
    beside = executed(found, ctx).to_pylist()
    kept = FilterExec(
        JoinExec(JoinExec(sales, shops, "cross"), towns, "cross"),
        e("(shop = code OR amount = 7) AND (of = code OR of IS NULL)"),
    )
    assert beside == executed(HashAggregateExec(kept, (), found.aggregates), ctx).to_pylist()


def test_a_projection_needs_no_level_of_its_own_and_names_may_swap(
    ctx: LocalExecutionContext, sales: TableScanExec
) -> None:
    filtered = FilterExec(sales, e("amount > 3 AND day = 2"))
    swapped = ProjectExec(filtered, items(amount="day", day="amount", shop="upper(shop)"))
    again = ProjectExec(swapped, items(day="amount", twice="day * 2"))
    assert rows(swapped, ctx) == [(2, 7, None)]
    assert rows(again, ctx) == [(2, 14)]
    assert compile_statement(swapped, ctx).sql.count("SELECT") == compile_statement(filtered, ctx).sql.count("SELECT")


def test_empty(ctx: LocalExecutionContext) -> None:
    nothing = executed(EmptyExec((Column("a", "DECIMAL(5,1)"), Column("b c", "INTEGER[]"))), ctx)
    assert nothing.schema == pa.schema([("a", pa.decimal128(5, 1)), ("b c", pa.list_(pa.field("l", pa.int32())))])
    assert nothing.num_rows == 0
    assert rows(HashAggregateExec(EmptyExec(()), (), items(n="count(*)")), ctx) == [(0,)]


# Row by row


def test_filter_keeps_what_is_true(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    assert rows(FilterExec(sales, e("amount > 2")), ctx) == [("a", 5, 1), ("b", 3, 1), (None, 7, 2), ("b", 3, 3)]
    assert rows(FilterExec(sales, e("NOT amount > 2")), ctx) == [("a", 1, 3)]
    assert rows(FilterExec(sales, e("NULL")), ctx) == []


def test_project(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    table = executed(ProjectExec(sales, items(double="amount * 2", day="day", q="\"shop\" || '!'")), ctx)
    assert tuples(table)[:3] == [(10, 1, "a!"), (6, 1, "b!"), (None, 2, "a!")]
    assert executed(HashAggregateExec(ProjectExec(sales, ()), (), items(n="count(*)")), ctx).to_pylist() == [{"n": 6}]


def test_rename(ctx: LocalExecutionContext, shops: TableScanExec) -> None:
    assert executed(RenameExec(shops, ("x", "x")), ctx).schema.names == ["x", "x"]
    assert rows(RenameExec(shops, ('a"b', "Ünï x")), ctx)[0] == ("a", "Aa")


# Aggregates


def test_aggregate_by_keys(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    grouped = HashAggregateExec(sales, items(s="shop"), items(n="count(*)", total="sum(amount)"))
    assert by_text(rows(grouped, ctx)) == by_text([("a", 3, 6), ("b", 2, 6), (None, 1, 7)])


def test_aggregate_by_an_expression_and_without_aggregates(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    assert by_text(rows(HashAggregateExec(sales, items(odd="day % 2 = 1"), ()), ctx)) == [(False,), (True,)]


def test_aggregate_without_keys_gives_one_row_whatever_comes_in(
    ctx: LocalExecutionContext, sales: TableScanExec
) -> None:
    nothing = FilterExec(sales, e("false"))
    assert rows(HashAggregateExec(nothing, (), items(n="count(*)", m="max(amount)")), ctx) == [(0, None)]
    assert rows(HashAggregateExec(nothing, items(s="shop"), items(n="count(*)")), ctx) == []


def test_aggregate_over_grouping_sets(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    sets = HashAggregateExec(
        FilterExec(sales, e("day < 3")),
        items(shop="shop", day="day"),
        items(n="count(*)", g="grouping(shop, day)"),
        ((0, 1), (0,), ()),
    )
    assert by_text(rows(sets, ctx)) == by_text(
        [
            *[("a", 1, 1, 0), ("b", 1, 1, 0), ("a", 2, 1, 0), (None, 2, 1, 0)],
            *[("a", None, 2, 1), ("b", None, 1, 1), (None, None, 1, 1)],
            (None, None, 4, 3),
        ]
    )


def test_aggregates_in_two_phases(ctx: LocalExecutionContext, store: InMemoryStorage, sales: TableScanExec) -> None:
    partial = HashAggregateExec(
        sales,
        items(shop="shop"),
        (NamedExpr("a", exp.Var(this="avg(amount) EXPORT_STATE")),),
        mode=AggregateMode.PARTIAL,
    )
    parts = [sales.with_splits((split,)) for split in store.splits(sales.table, 3)]
    states = [executed(partial.with_children((part,)), ctx) for part in parts]
    merged = InMemoryStorage({"states": pa.concat_tables(states)})
    state = scan(merged, ctx.kernel, "states")
    final = exp.Var(this="finalize(combine_aggr(to_aggregate_state(a, 'avg', ['INTEGER'])))")
    whole = HashAggregateExec(state, items(shop="shop"), (NamedExpr("a", final),), mode=AggregateMode.FINAL)
    got = rows(whole, LocalExecutionContext(merged, ctx.kernel))
    want = rows(HashAggregateExec(sales, items(shop="shop"), items(a="avg(amount)")), ctx)
    assert by_text(got) == by_text(want) == by_text([("a", 3.0), ("b", 3.0), (None, 7.0)])


# Windows, order, limits


def test_window(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    window = WindowExec(
        sales,
        items(
            rank="row_number() OVER (PARTITION BY shop ORDER BY day, amount)",
            run="sum(amount) OVER (PARTITION BY shop ORDER BY day)",
        ),
    )
    assert by_text(rows(window, ctx)) == by_text(
        [
            *[("a", 5, 1, 1, 5), ("a", None, 2, 2, 5), ("a", 1, 3, 3, 6)],
            *[("b", 3, 1, 1, 3), ("b", 3, 3, 2, 6), (None, 7, 2, 1, 7)],
        ]
    )


@pytest.mark.parametrize(
    ("descending", "nulls_first", "amounts"),
    [
        (False, False, [1, 3, 3, 5, 7, None]),
        (False, True, [None, 1, 3, 3, 5, 7]),
        (True, False, [7, 5, 3, 3, 1, None]),
        (True, True, [None, 7, 5, 3, 3, 1]),
    ],
)
def test_sort_has_directions_and_places_for_nulls(
    ctx: LocalExecutionContext, sales: TableScanExec, descending: bool, nulls_first: bool, amounts: list[int | None]
) -> None:
    keys = (key("amount", descending, nulls_first), key("day", True))
    assert [row[1] for row in rows(SortExec(sales, keys), ctx)] == amounts
    assert [row[1] for row in rows(TopNExec(sales, keys, 4), ctx)] == amounts[:4]
    assert [row[1] for row in rows(TopNExec(sales, keys, 2, 3), ctx)] == amounts[3:5]


def test_sort_by_two_keys(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    assert [row[1:] for row in rows(SortExec(sales, (key("amount"), key("day", True))), ctx)][1:3] == [(3, 3), (3, 1)]


@pytest.mark.parametrize(
    ("count", "offset", "want"), [(2, 0, 2), (None, 4, 2), (2, 5, 1), (0, 0, 0), (100, 0, 6), (1, 100, 0), (None, 0, 6)]
)
def test_limit(ctx: LocalExecutionContext, sales: TableScanExec, count: int | None, offset: int, want: int) -> None:
    found = rows(LimitExec(sales, count, offset), ctx)
    assert found == tuples(SALES)[offset : None if count is None else offset + count]
    assert len(found) == want


def test_distinct_takes_nulls_for_equal(ctx: LocalExecutionContext, sales: TableScanExec) -> None:
    shops_twice = SetOpExec(
        ProjectExec(sales, items(s="shop")), ProjectExec(sales, items(t="shop")), "union", True, ("s",)
    )
    assert by_text(rows(DistinctExec(shops_twice), ctx)) == by_text([("a",), ("b",), (None,)])


# Two inputs


JOINED = {
    "inner": [("a", 5, "a"), ("b", 3, "b")],
    "left": [("a", 5, "a"), ("b", 3, "b"), (None, 7, None), ("z", 9, None)],
    "right": [("a", 5, "a"), ("b", 3, "b"), (None, None, "c"), (None, None, None)],
    "full": [("a", 5, "a"), ("b", 3, "b"), (None, 7, None), ("z", 9, None), (None, None, "c"), (None, None, None)],
    "semi": [("a", 5), ("b", 3)],
    "anti": [(None, 7), ("z", 9)],
}


@pytest.mark.parametrize("kind", JOINED)
def test_join(ctx: LocalExecutionContext, shops: TableScanExec, kind: str) -> None:
    left = ValuesExec(
        ("s", "n"), tuple((e(s), e(n)) for s, n in (("'a'", "5"), ("'b'", "3"), ("NULL", "7"), ("'z'", "9")))
    )
    right = ProjectExec(shops, items(code="code"))
    assert by_text(rows(JoinExec(left, right, kind, e("s = code")), ctx)) == by_text(JOINED[kind])


def test_join_where_nulls_are_equal_and_more_is_asked(
    ctx: LocalExecutionContext, sales: TableScanExec, shops: TableScanExec
) -> None:
    condition = e("shop IS NOT DISTINCT FROM code AND amount > 3")
    assert by_text(rows(JoinExec(sales, shops, "inner", condition), ctx)) == by_text(
        [("a", 5, 1, "a", "Aa"), (None, 7, 2, None, "Dd")]
    )


def test_cross_join(ctx: LocalExecutionContext, sales: TableScanExec, shops: TableScanExec) -> None:
    assert len(rows(JoinExec(sales, shops, "cross"), ctx)) == 24


@pytest.mark.parametrize(
    ("kind", "every", "want"),
    [
        ("union", True, [1, 1, 2, 2, 3]),
        ("union", False, [1, 2, 3]),
        ("intersect", True, [1]),
        ("intersect", False, [1]),
        ("except", True, [1]),
        ("except", False, []),
    ],
)
def test_set_operations(ctx: LocalExecutionContext, kind: str, every: bool, want: list[int]) -> None:
    left = ValuesExec(("a",), ((e("1"),), (e("1"),)))
    right = ValuesExec(("b",), ((e("2"),), (e("2"),), (e("3"),), (e("1"),)))
    if kind == "union":
        right = ValuesExec(("b",), right.rows[:3])
    found = executed(SetOpExec(left, right, kind, every, ("z",)), ctx)
    assert sorted(found["z"].to_pylist()) == want


def test_set_operations_find_a_common_type(ctx: LocalExecutionContext) -> None:
    left, right = ValuesExec(("a",), ((e("1"),),)), ValuesExec(("b",), ((e("2.5"),),))
    assert executed(SetOpExec(left, right, "union", True, ("z",)), ctx)["z"].type == pa.decimal128(11, 1)


# Parts that are shared, and queries that run whole


def test_collect_is_computed_once(ctx: LocalExecutionContext) -> None:
    shared = CollectExec(ProjectExec(ValuesExec((), ((),)), items(r="random()")), "once")
    both = JoinExec(RenameExec(shared, ("a",)), RenameExec(shared, ("b",)), "inner", e("a = b"))
    assert len(rows(both, ctx)) == 1
    assert compile_statement(both, ctx).sql.count("RAND") == 1


def test_collect_alone_gives_its_input(ctx: LocalExecutionContext, shops: TableScanExec) -> None:
    assert rows(CollectExec(shops, "only"), ctx) == tuples(SHOPS)


def test_a_query_reads_its_inputs_by_name(
    ctx: LocalExecutionContext, sales: TableScanExec, shops: TableScanExec
) -> None:
    query = SqlExec(
        "WITH q AS (SELECT city, code FROM __t1) SELECT count(*), min(code) FROM q", ("n", "m"), (("__t1", shops),)
    )
    assert rows(query, ctx) == [(4, "a")]
    both = SqlExec("SELECT count(*) FROM __t0, __t1, __t0 again", ("n",), (("__t0", sales), ("__t1", shops)))
    assert rows(both, ctx) == [(144,)]
    assert rows(SqlExec("SELECT 1, 'a'", ("x", "y")), ctx) == [(1, "a")]


def test_two_queries_may_call_their_inputs_alike(
    ctx: LocalExecutionContext, sales: TableScanExec, shops: TableScanExec
) -> None:
    one = SqlExec("SELECT count(*) FROM __t0", ("a",), (("__t0", sales),))
    two = SqlExec("SELECT count(*) FROM __t0", ("b",), (("__t0", shops),))
    assert rows(JoinExec(one, two, "cross"), ctx) == [(6, 4)]


def test_a_query_whose_text_looks_like_another(ctx: LocalExecutionContext) -> None:
    one = SqlExec("""SELECT '"__raw1" "__raw0"'""", ("a",))
    two = SqlExec("""SELECT '"__raw0"'""", ("b",))
    both = ProjectExec(JoinExec(one, two, "cross"), items(a="a", b="b", c="'\"__raw9\"'"))
    assert rows(both, ctx) == [('"__raw1" "__raw0"', '"__raw0"', '"__raw9"')]


# The contract


def test_every_operator_is_here() -> None:
    assert {name for name in operators.__all__ if name.endswith("Exec")} == {
        *("CollectExec", "DistinctExec", "EmptyExec", "FilterExec", "HashAggregateExec", "JoinExec", "LimitExec"),
        *("ProjectExec", "RenameExec", "SortExec", "SqlExec", "TableScanExec", "TopNExec", "SetOpExec", "ValuesExec"),
        "UnnestExec",
        "WindowExec",
    }


def samples(sales: TableScanExec, shops: TableScanExec) -> list[PhysicalOperator]:
    return [
        sales,
        ValuesExec(("a",), ((e("1"),),)),
        EmptyExec((Column("a", "INTEGER"),)),
        FilterExec(sales, e("day > 1")),
        ProjectExec(sales, items(d="day")),
        RenameExec(shops, ("x", "y")),
        HashAggregateExec(sales, items(d="day"), items(n="count(*)")),
        WindowExec(sales, items(r="row_number() OVER ()")),
        JoinExec(sales, shops, "inner", e("shop = code")),
        SortExec(sales, (key("day"),)),
        TopNExec(sales, (key("day"),), 3),
        LimitExec(sales, 3),
        DistinctExec(sales),
        SetOpExec(shops, shops, "union", True, ("x", "y")),
        SqlExec("SELECT 1", ("x",), (("s", sales),)),
        CollectExec(sales, "c"),
    ]


def test_operators_keep_to_the_contract(ctx: LocalExecutionContext, sales: TableScanExec, shops: TableScanExec) -> None:
    for operator in samples(sales, shops):
        assert operator.with_children(operator.children) == operator
        swapped = tuple(LimitExec(child, 1) for child in operator.children)
        assert operator.with_children(swapped).children == swapped
        assert operator.describe().startswith(type(operator).__name__)
        assert next(walk(operator)) is operator
        assert executed(operator, ctx).schema == executed(operator, ctx).schema


def test_a_scan_reads_the_splits_that_it_is_given(sales: TableScanExec) -> None:
    assert sales.splits is None
    assert isinstance(sales.with_splits((Split(sales.table, (0, 1)),)).splits, tuple)


def test_an_operator_reports_what_it_gave(store: InMemoryStorage, kernel: Kernel, sales: TableScanExec) -> None:
    sink = CollectingMetricsSink()
    rows(FilterExec(sales, e("day = 1")), LocalExecutionContext(store, kernel, metrics_sink=sink))
    (name, metrics), *_ = sink.operators.items()
    assert (name, metrics.rows, metrics.batches) == ("FilterExec", 2, 1)
    assert metrics.bytes > 0
    assert metrics.seconds > 0


def test_an_operator_does_not_start_once_cancelled(
    store: InMemoryStorage, kernel: Kernel, sales: TableScanExec
) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    for operator in (sales, FilterExec(sales, e("day = 1"))):
        with pytest.raises(CancelledError):
            operator.execute(LocalExecutionContext(store, kernel, cancellation=cancellation))
