"""Random queries over tables whose names collide give what the kernel gives: rows, types, names, and order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from tests.harness.random_sql.differ import Run, run_world
from tests.harness.runtimes import SqlRuntime, Tables

SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
QUERIES = 50  # in a world, whose tables are stored once
WORLDS = {"local": 7, "ray": 2}
SOAKED = {"local": 20_000, "ray": 4_000}
REDUCTION = 30.0  # seconds for each failure
MOST_DRIFTS = 5

FORMS = """
aggregate_filter aggregate_over_partition aggregate_over_peers alias_in_where any_condition argument_of_extreme
array_any asof average between bracketed_join by_name column_list columns columns_in_calls columns_in_where
compared_with_count compared_with_scalar comparison connected count_rows count_values counts_of_values cross cte
derived distinct distinct_on equal_calls equality exclude exists exists_of_aggregate exists_of_join extreme grouped
grouping having_subquery in_list inequality inner_columns_on_both_sides lateral lateral_function length_of_text like
list_of_all member method middle moving_aggregate narrow natural nearest negated neighbour null_test of_bits of_truths
on only_star pivot plain plain_cte position quantified quantile rank recursive_cte recursive_cte_with_key renamed
replaced rounded row_comparison row_member row_number sample scalar_aggregate scalar_by_key scalar_count
scalar_from_joined scalar_grouped scalar_outer_aggregate scalar_top scalar_without_from set_operation several
several_extremes sorted_list star_and_alias star_like stars stored table_function text_of_all total twice_named
uncorrelated unnested unpivot using value_in_frame values volatile volatile_calls volatile_cte whole_row windows
"""

Made = Callable[[str, str], tuple[SqlRuntime, Tables]]


@pytest.mark.timeout(600)
def test_random_sql(runtime_name: str, make_runtime: Made) -> None:
    runtime, tables = make_runtime(runtime_name, "memory")
    run = Run()
    for seed in range(WORLDS[runtime_name]):
        run_world(run, seed, QUERIES, runtime, tables, REDUCTION)
        assert run.drifts == [], "\n\n".join(map(str, run.drifts))
    assert run.queries == WORLDS[runtime_name] * QUERIES
    assert run.undetermined == []  # what the kernel leaves open proves nothing, nor what it refuses
    assert run.refused.total() < run.queries / 4, run.refused
    assert runtime_name != "local" or set(FORMS.split()) - run.forms.keys() == set()


@pytest.mark.soak
@pytest.mark.timeout(SECONDS * 4 + 7200)
def test_random_sql_for_long(runtime_name: str, make_runtime: Made) -> None:
    """At least 20,000 queries, a part of them on Ray, and more until the time is over; every run draws others."""
    runtime, tables = make_runtime(runtime_name, "memory")
    run, until = Run(), time.monotonic() + SECONDS
    seed = first = int(time.time()) * 1000
    while (run.queries < SOAKED[runtime_name] or time.monotonic() < until) and len(run.drifts) < MOST_DRIFTS:
        run_world(run, seed, QUERIES, runtime, tables, REDUCTION)
        seed += 1
        if run.queries % 1000 == 0:
            print(f"{run.queries} queries, {len(run.drifts)} differ", flush=True)
    print(f"from seed {first} on: {run.summary}; with several answers: {run.undetermined}")
    assert run.drifts == [], "\n\n".join(map(str, run.drifts))
    assert len(run.undetermined) <= run.queries / 1000, run.undetermined
