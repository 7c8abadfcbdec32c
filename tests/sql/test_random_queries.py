"""Random queries over random tables give what the oracle gives: values, types, names, and order where it is asked."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, note, settings

from tests.harness.compare import difference
from tests.harness.generator import Case, cases
from tests.harness.oracle import Oracle
from tests.harness.runtimes import SqlRuntime, Tables, query

EXAMPLES = {"local": 60, "ray": 12}


def test_random_queries(runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> None:
    runtime, tables = make_runtime(runtime_name, "memory")

    @settings(max_examples=EXAMPLES[runtime_name])
    @given(case=cases())
    def check(case: Case) -> None:
        for name, table in case.tables.items():
            tables.put(name, table)
            note(f"{name}: {table.schema.remove_metadata()}\n{table.to_pylist()}")
        with Oracle.over(case.tables) as oracle:
            for asked in case.queries:
                drift = difference(query(runtime, asked.sql), oracle.run(asked.sql), ordered=asked.ordered)
                assert drift is None, f"{drift}\n\n{asked.sql}"

    check()
