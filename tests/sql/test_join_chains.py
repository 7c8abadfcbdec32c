"""All chains of two joins by USING and NATURAL, one behind the other or one in the other, over three tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from tests.harness.compare import difference
from tests.harness.oracle import Oracle
from tests.harness.runtimes import SqlRuntime, Tables, query

KINDS = ("INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI")
CONDITIONS = ("USING", "NATURAL")
TABLES = {
    "ja": pa.table({"k": pa.array([1, 2, 3, 3, None], pa.int32()), "x": ["a1", "a2", "a3", "a3", "a0"]}),
    "jb": pa.table({"k": pa.array([2, 3, 4, 2, None, 6], pa.int64()), "y": ["b2", "b3", "b4", "bb", "b0", "b6"]}),
    "jc": pa.table({"k": pa.array([3, 4, 5, 2, 3, None], pa.float64()), "z": ["c3", "c4", "c5", "c2", "cc", "c0"]}),
}


def joined(left: str, kind: str, condition: str, right: str) -> str:
    return f"{left} NATURAL {kind} JOIN {right}" if condition == "NATURAL" else f"{left} {kind} JOIN {right} USING (k)"


def chain(kinds: tuple[str, str], conditions: tuple[str, str], is_nested: bool) -> str:
    (first, second), (one, other) = kinds, conditions
    if is_nested:
        return joined("ja", first, one, f"({joined('jb', second, other, 'jc')})")
    return joined(joined("ja", first, one, "jb"), second, other, "jc")


SHAPES = [(kinds, is_nested) for is_nested in (False, True) for kinds in itertools.product(KINDS, repeat=2)]
PAIRS = list(itertools.product(CONDITIONS, repeat=2))
CHAINS = [chain(kinds, conditions, is_nested) for kinds, is_nested in SHAPES for conditions in PAIRS]
ON_RAY = [chain(kinds, PAIRS[sum(map(KINDS.index, kinds)) % len(PAIRS)], is_nested) for kinds, is_nested in SHAPES]
"""Each shape with one pair of conditions, each kind in each place with all of them: the planners see no difference."""
PARTS = 6  # each is one query: a query for each chain would take Ray long


@pytest.fixture
def over_tables(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]
) -> Iterator[tuple[SqlRuntime, Oracle]]:
    """A runtime that has the three tables, and the oracle with the same."""
    runtime, tables = make_runtime(runtime_name, "memory")
    for name, table in TABLES.items():
        tables.put(name, table)
    with Oracle.over(TABLES) as oracle:
        yield runtime, oracle
    for name in TABLES:
        tables.remove(name)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_key_of_each_chain(over_tables: tuple[SqlRuntime, Oracle], runtime_name: str, part: int) -> None:
    runtime, oracle = over_tables
    chains = enumerate((ON_RAY if runtime_name == "ray" else CHAINS)[part::PARTS])
    text = " UNION ALL ".join(f"SELECT {number} AS chain, k FROM {text}" for number, text in chains)
    assert difference(query(runtime, text), oracle.run(text), ordered=False) is None, text


@pytest.mark.parametrize("number", range(0, len(CHAINS), 5))
def test_all_columns_of_a_chain(over_tables: tuple[SqlRuntime, Oracle], number: int) -> None:
    runtime, oracle = over_tables
    text = f"SELECT * FROM {CHAINS[number]}"
    assert difference(query(runtime, text), oracle.run(text), ordered=False) is None, text
