"""Keys of two types: joins and set operations are hashed as the type that the kernel compares them as."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.logical.nodes import NamedExpr
from engine.operators import ProjectExec
from engine.physical import Hash, walk
from engine.schema_inference import operator_columns
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.operators import ExchangeExec
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from ray_runtime.stages import ExchangeMode

PAIRS = [
    ("DECIMAL(12,2)", "DECIMAL(18,4)", "DECIMAL(18,4)"),
    ("DATE", "TIMESTAMP", "TIMESTAMP"),
    ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
    ("BIGINT", "DECIMAL(10,2)", "DECIMAL(21,2)"),
    ("BIGINT", "UBIGINT", "HUGEINT"),
    ("BIGINT", "DOUBLE", "DOUBLE"),
    ("INTEGER[]", "BIGINT[]", "BIGINT[]"),
]


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage({"t": pa.table({"n": ["1", "2"]})}), threads=1) as made:
        yield made


def exchanges(runtime: LocalRuntime, sql: str) -> list[ExchangeExec]:
    options = DistributedOptions(slots=2, partitions=4, broadcast_bytes=0, split_rows=1)
    root = DistributedPlanner(runtime.kernel, runtime.storage, options).plan(runtime.frontend.plan(sql)).root
    return [node for node in walk(root) if isinstance(node, ExchangeExec)]


def over(left: str, right: str, query: str) -> str:
    """`query` over the sides `a` and `b`, each with a column k of its type."""
    return f"WITH a AS (SELECT n::{left} AS k FROM t), b AS (SELECT n::{right} AS k FROM t) {query}"


def kinds(runtime: LocalRuntime, exchange: ExchangeExec) -> list[str]:
    """The types of what rows are hashed by."""
    assert isinstance(exchange.partitioning, Hash)
    keys = tuple(NamedExpr(f"k{i}", key) for i, key in enumerate(exchange.partitioning.keys))
    return [c.type for c in operator_columns(ProjectExec(exchange.input, keys), runtime.kernel)]


@pytest.mark.parametrize(("left", "right", "common"), PAIRS)
def test_both_sides_are_shuffled_as_one_type(runtime: LocalRuntime, left: str, right: str, common: str) -> None:
    for sql in (over(left, right, "FROM a FULL JOIN b ON a.k = b.k"), over(right, left, "FROM a EXCEPT FROM b")):
        shuffled = [e for e in exchanges(runtime, sql) if e.mode is ExchangeMode.SHUFFLE]
        assert len(shuffled) >= 2, sql
        assert all(kinds(runtime, e) == [common] for e in shuffled), sql


def test_whether_a_key_can_be_cast_is_for_the_join_to_say(runtime: LocalRuntime) -> None:
    found = exchanges(runtime, over("VARCHAR", "INTEGER", "FROM a FULL JOIN b ON a.k = b.k"))
    assert [e.mode for e in found] == [ExchangeMode.GATHER, ExchangeMode.SHUFFLE, ExchangeMode.SHUFFLE]
    assert any("TRY_CAST" in e.describe() for e in found)
