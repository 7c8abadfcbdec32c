"""Every function of the kernel, called with arguments of the types that it takes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import duckdb
import pytest

from engine.sql.plan_reader.not_read import NotRead
from tests.engine.sql.plan_reader.binding import Binder, Rebinder, expressions_of

MOST_CALLS = 3  # of a function, of as many overloads
CONCRETE = {
    "ANY": "INTEGER",
    "T": "VARCHAR",
    "K": "VARCHAR",
    "V": "INTEGER",
    "ANY[]": "INTEGER[]",
    "T[]": "VARCHAR[]",
    "K[]": "VARCHAR[]",
    "V[]": "INTEGER[]",
    "T[][]": "INTEGER[][]",
    "MAP(K, V)": "MAP(VARCHAR, INTEGER)",
    "STRUCT": 'STRUCT(a INTEGER, "B" VARCHAR)',
    "TUPLE": "TUPLE(INTEGER, VARCHAR)",
    "TUPLE(K, V)[]": "STRUCT(k VARCHAR, v INTEGER)[]",
    "UNION": "UNION(a INTEGER, b VARCHAR)",
    "DECIMAL": "DECIMAL(9, 2)",
    "DOUBLE[ANY]": "DOUBLE[3]",
    "FLOAT[ANY]": "FLOAT[3]",
}
CONSTANTS = {
    "VARCHAR": ["'%Y-%m-%d'", "'$.a'", "'year'"],
    "INTEGER": ["2"],
    "BIGINT": ["2"],
    "DOUBLE": ["0.5"],
    "FLOAT": ["0.5"],
    "BOOLEAN": ["true"],
    "INTERVAL": ["INTERVAL 1 DAY"],
    "INTEGER[]": ["[1, 2]"],
    "VARCHAR[]": ["['a', 'b']"],
}
WITH_A_LAMBDA = "LAMBDA"
OTHERS = ("icu_collate", "__internal", "collate_", "json_serialize", "json_deserialize", "sleep_ms", "setseed", "error")
NOT_READ = {
    "alias",
    "bitstring_agg",
    "current_connection_id",
    "current_query",
    "current_query_id",
    "current_transaction_id",
    "get_type",
    "in_search_path",
    "stats",
    "vector_type",
}
"""What tells of the statement or of statistics, and what has values of types that the kernel does not write."""


@pytest.fixture(scope="module")
def binder() -> Binder:
    return Binder()


def _column(kind: str) -> str:
    return "c_" + re.sub(r"\W+", "_", kind.replace("[]", " list")).lower()


def _functions(binder: Binder) -> Iterator[tuple[str, str, list[str]]]:
    rows = binder.connection.execute(
        "SELECT DISTINCT function_name, function_type, parameter_types::VARCHAR[], varargs FROM duckdb_functions() "
        "WHERE function_type IN ('scalar', 'aggregate', 'window') ORDER BY ALL"
    ).fetchall()
    for name, kind, parameters, others in rows:
        types = [CONCRETE.get(p, p) for p in [*parameters, *([others, others] if others else [])]]
        if WITH_A_LAMBDA not in types and not name.startswith(OTHERS):
            yield name, kind, types


def _calls(binder: Binder, functions: list[tuple[str, str, list[str]]]) -> dict[str, list[str]]:
    """By name of a function, SELECTs of calls over columns and with constants."""
    calls: dict[str, list[str]] = {}
    tables: dict[tuple[str, ...], str] = {}
    for name, kind, types in functions:
        over = " OVER (ORDER BY c_integer)" if kind == "window" else ""
        columns = tuple(sorted({*types, "INTEGER"}))
        if columns not in tables:
            table = tables[columns] = f"t{len(tables)}"
            binder.connection.execute(f"CREATE TABLE {table} ({', '.join(f'{_column(c)} {c}' for c in columns)})")
        choices = itertools.product(*([_column(each), *CONSTANTS.get(each, ())] for each in types))
        texts = [
            f'SELECT "{name}"({", ".join(chosen)}){over} FROM {tables[columns]}'
            for chosen in itertools.islice(choices, 200)
        ]
        calls.setdefault(name, []).extend([texts[0], *texts[-1:], *texts[1:6]])
    return calls


def test_every_function_is_read_or_known_not_to_be(binder: Binder) -> None:
    functions = list(_functions(binder))
    rebinder = Rebinder()
    different: dict[str, str] = {}
    read, not_read = set(), set()
    for name, texts in _calls(binder, functions).items():
        bound = 0
        for text in dict.fromkeys(texts):
            try:
                plan = binder.plan(text)
            except (AssertionError, duckdb.Error):
                continue  # these arguments do not fit together
            bound += 1
            try:
                found = [rebinder.difference(kind, node) for kind, node in expressions_of(plan)]
            except NotRead as error:
                if "NaN" not in error.reason:  # which the binder has computed of these arguments
                    not_read.add(name)
                continue
            read.add(name)
            different.update((text, difference) for difference in found if difference)
            if bound == MOST_CALLS:
                break
    assert different == {}
    assert not_read == NOT_READ
    assert len(read) > 500
