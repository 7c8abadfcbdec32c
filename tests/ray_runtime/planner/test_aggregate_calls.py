"""Which aggregates merge from parts: the list is tried with every aggregate of the kernel, over every kind of value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from engine.execution import run
from engine.logical.nodes import NamedExpr, col
from engine.operators import AggregateMode, HashAggregateExec, ProjectExec
from engine.physical import PhysicalOperator
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName
from local_runtime import LocalExecutionContext, LocalRuntime
from ray_runtime.planner.aggregate_calls import aggregate_call, constant
from ray_runtime.planner.aggregates import AGGREGATES
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.sampling import GroupSampler
from ray_runtime.planner.two_phase_aggregates import two_phase_aggregates
from tests.engine.plans import e, items
from tests.harness.compare import difference

MERGED = sorted(name for name, known in AGGREGATES.items() if known.merge != "rows")
PAIRED = ("arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by", "arg_max_null", "arg_min_null")
UNORDERED = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg"})
ANY_ROW = frozenset({"first", "arbitrary", "any_value"})
NUMBERS = ("i", "b", "x", "n")


def rows() -> pa.Table:
    """Groups with NULLs, with nothing else, and in one part only; `u` tells rows apart."""
    sql = """
        SELECT g, p, u, v AS i, v::BIGINT * 3 AS b, v::DOUBLE / 8 AS x, (v * 7919 % 1013) / 3.0::DOUBLE AS y,
            (v * 1.25)::DECIMAL(15, 2) AS n, 's' || v AS s, DATE '2020-01-01' + v AS d, v % 3 = 0 AS o
        FROM (
            SELECT r % 4 AS g, r // 16 % 7 AS p, r * 7919 % 1009 AS u,
                CASE WHEN r % 4 = 1 OR r % 5 = 0 OR r // 16 % 7 = 2 THEN NULL ELSE r * 7919 % 1009 END::INTEGER AS v
            FROM range(220) AS rows(r)
        )
        WHERE NOT (g = 2 AND p <> 3)"""
    return duckdb.sql(sql).to_arrow_table()


def calls(name: str) -> list[str]:
    """Calls of an aggregate, over columns of several types."""
    if name in (*PAIRED, "arg_max_nulls_last"):
        given = [f"{value}, {by}" for value in ("i", "s", "n") for by in ("u", "i", "s", "x")]
    elif name in ("corr", "covar_pop", "covar_samp") or name.startswith("regr_"):
        given = ["x, y", "y, x"]
    elif name == "approx_quantile":
        given = [f"{value}, CAST(0.3 AS FLOAT)" for value in NUMBERS]
    elif name.startswith("quantile"):
        at = ("CAST(0.3 AS DOUBLE)", "CAST([0.25, 0.75] AS DOUBLE[])")
        given = [f"{value}, {where}" for value in NUMBERS for where in at]
    elif name in ("string_agg", "group_concat", "listagg"):
        given = ["s", "s, '-'", "s, CAST('+' AS VARCHAR)"]
    elif name in ("decimal_average", "sum_no_overflow"):
        given = ["n"] if name == "decimal_average" else ["i", "b", "n"]
    elif name in ("count", "count_star"):
        given = [""] if name == "count_star" else ["i", "s", "o"]
    elif name in ("bool_and", "bool_or", "count_if", "countif"):
        given = ["o"]
    elif name.startswith("bit_"):
        given = ["i", "b"]
    elif name in ("min", "max", "median", "approx_count_distinct", "mad") or name in UNORDERED | ANY_ROW:
        given = [*NUMBERS, "d"] if name == "mad" else [*NUMBERS, "d", "s"]
    else:
        given = list(NUMBERS)
    return [f"{name}({arguments})" for arguments in given]


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage({"t": rows()}), threads=1) as made:
        yield made


def scan(runtime: LocalRuntime) -> PhysicalOperator:
    plan = runtime.plan(runtime.frontend.table_plan(TableName("main", "t"))).root
    assert plan.schema[:3] == ("g", "p", "u")
    return plan


def in_parts(runtime: LocalRuntime, single: HashAggregateExec) -> PhysicalOperator | None:
    """The aggregate in two phases, of which the first one groups by the part, too; None where it stays in one."""
    sampler = GroupSampler(runtime.kernel, runtime.storage, DistributedOptions(sample_rows=0))
    final = two_phase_aggregates(single, ColumnTypes(runtime.kernel), sampler)
    if not isinstance(final, HashAggregateExec) or final.mode is not AggregateMode.FINAL:
        return None
    partial = final.input
    assert isinstance(partial, HashAggregateExec)
    parts = replace(partial, keys=(*partial.keys, NamedExpr("p", col("p"))))
    return replace(final, input=parts)


def table(runtime: LocalRuntime, operator: PhysicalOperator) -> pa.Table:
    found: pa.Table = run(operator, LocalExecutionContext(runtime.storage, runtime.kernel)).reader.read_all()
    return found


def unordered(name: str, operator: PhysicalOperator) -> PhysicalOperator:
    """The values in an order where the aggregate has none; whether there is one where it takes any."""
    if name not in UNORDERED | ANY_ROW:
        return operator
    separated = name in ("string_agg", "group_concat", "listagg")
    value = "list_sort(string_split_regex(v, '[-+,]'))" if separated else "list_sort(v)"
    return ProjectExec(operator, items(g="g", v="v IS NOT NULL" if name in ANY_ROW else value))


@pytest.mark.parametrize("name", MERGED)
def test_states_of_parts_merge_to_what_all_rows_give(runtime: LocalRuntime, name: str) -> None:
    for call in calls(name):
        # As the reader of the kernel's plans writes it.
        value = NamedExpr("v", exp.Anonymous(this=name, expressions=e(call.replace(name, "f", 1)).expressions))
        single = HashAggregateExec(scan(runtime), items(g="g"), (value,))
        parts = in_parts(runtime, single)
        assert parts is not None, call
        wanted, found = (table(runtime, unordered(name, plan)) for plan in (single, parts))
        assert found.schema == wanted.schema, call
        assert difference(found, wanted, ordered=False) is None, call


@pytest.mark.parametrize("name", MERGED)
def test_merged_states_merge_again(runtime: LocalRuntime, name: str) -> None:
    sampler = GroupSampler(runtime.kernel, runtime.storage, DistributedOptions(sample_rows=0))
    for call in calls(name):
        value = NamedExpr("v", exp.Anonymous(this=name, expressions=e(call.replace(name, "f", 1)).expressions))
        single = HashAggregateExec(scan(runtime), items(g="g"), (value,), ((), (0,)))
        projected = two_phase_aggregates(single, ColumnTypes(runtime.kernel), sampler)
        assert isinstance(projected, ProjectExec), call
        final = projected.input
        assert isinstance(final, HashAggregateExec)
        merge = final.input
        assert isinstance(merge, HashAggregateExec)
        assert merge.mode is AggregateMode.MERGE
        partial = merge.input
        assert isinstance(partial, HashAggregateExec)
        # States of 21 parts become those of 7, and these the groups' values.
        many = replace(partial, keys=(*partial.keys, *items(p="p", r="u % 3")))
        fewer = replace(merge, keys=(*merge.keys, *items(p="p")), grouping_sets=((1,), (0, 1)), input=many)
        parts = replace(projected, input=replace(final, input=fewer))
        wanted, found = (table(runtime, unordered(name, plan)) for plan in (single, parts))
        assert found.schema == wanted.schema, call
        assert difference(found, wanted, ordered=False) is None, call


def test_each_aggregate_of_the_kernel_has_its_row(runtime: LocalRuntime) -> None:
    sql = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
    assert {name for (name,) in duckdb.sql(sql).fetchall()} == AGGREGATES.keys()


@pytest.mark.parametrize(
    "call",
    [
        "arg_min_nulls_last(s, u)",
        "string_agg(s, 'a' || 'b')",  # what it comes to is not written down
        "string_agg(s, NULL)",
        "list(i ORDER BY u)",
        "count(DISTINCT i) FILTER (WHERE o)",
    ],
)
def test_what_may_merge_to_something_else_gets_its_rows(runtime: LocalRuntime, call: str) -> None:
    single = HashAggregateExec(scan(runtime), items(g="g"), items(v=call))
    assert in_parts(runtime, single) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", "1"),
        ("-0.5", "-0.5"),
        ("'a'", "'a'"),
        ("CAST('a' AS VARCHAR)", "CAST('a' AS TEXT)"),
        ("[1, 2]", "[1, 2]"),
        ("NULL", None),
        ("1 + 1", None),
        ("lower('A')", None),
        ("k", None),
    ],
)
def test_a_constant_is_one_that_is_written_down(text: str, found: str | None) -> None:
    assert constant(e(text)) == found


def test_a_call_is_seen_through_its_clauses() -> None:
    call = aggregate_call(e("count(DISTINCT s) FILTER (WHERE o)"))
    assert (call.name, [a.sql() for a in call.arguments], call.distinct, call.plain) == ("count", ["s"], True, False)
