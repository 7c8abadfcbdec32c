"""The partition of each row, beside columns of any name."""

from __future__ import annotations

import pytest
from sqlglot import exp

from engine.execution import run
from engine.kernel import Kernel
from engine.logical.nodes import NamedExpr, SortKey, col, lit
from engine.operators import ProjectExec, ValuesExec
from engine.physical import Hash, PartitioningSpec, Range, RoundRobin
from engine.storage import InMemoryStorage
from local_runtime import LocalExecutionContext
from ray_runtime.operators import PartitionIdExec
from ray_runtime.planner.sort_ranges import sort_key

ROWS = [3, 0, 2, 1, 4]


def partitions(column: str, partitioning: PartitioningSpec, bounds: list[int] | None = None) -> list[tuple[int, int]]:
    """(value, partition) of a column of this name."""
    values = ValuesExec((column,), tuple((lit(row),) for row in ROWS))
    held = None
    if bounds is not None:
        key = sort_key([SortKey(col("x"))]).sql("duckdb")
        texts = [key.replace('"x"', str(bound)) for bound in bounds]
        held = ProjectExec(ValuesExec((), ((),)), (NamedExpr("bounds", exp.Var(this=f"[{', '.join(texts)}]")),))
    operator = PartitionIdExec(values, partitioning, held)
    with Kernel() as kernel:
        table = run(operator, LocalExecutionContext(InMemoryStorage({}), kernel)).reader.read_all()
    assert operator.schema == tuple(table.schema.names)
    return list(zip(table.column(0).to_pylist(), table.column(table.num_columns - 1).to_pylist(), strict=True))


@pytest.mark.parametrize("column", ["x", "b", "B0", "b1", "__partition", "t"])
def test_a_range_holds_the_rows_between_its_bounds(column: str) -> None:
    ranges = Range((sort_key([SortKey(col(column))]),), 3)
    assert partitions(column, ranges, [1, 3]) == [(3, 2), (0, 0), (2, 1), (1, 1), (4, 2)]


@pytest.mark.parametrize("column", ["x", "__partition"])
def test_equal_keys_are_in_one_partition(column: str) -> None:
    found = partitions(column, Hash((col(column),), 2))
    assert [value for value, _ in found] == ROWS
    assert {partition for _, partition in found} <= {0, 1}
    assert found == partitions(column, Hash((col(column),), 2))


def test_rows_go_round_robin() -> None:
    assert sorted(partition for _, partition in partitions("__partition", RoundRobin(2))) == [0, 0, 1, 1, 1]
