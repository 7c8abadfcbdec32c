"""An operator that no pass knows is planned by what it says of itself, and by what is always right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pytest
from sqlglot import exp

from engine.lowering import lower
from engine.operators import LimitExec
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder, walk
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName
from local_runtime import LocalRuntime
from ray_runtime.operators import ExchangeExec, ExchangeSourceExec
from ray_runtime.planner import DistributedOptions
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.drop_columns import drop_columns
from ray_runtime.planner.insert_exchanges import insert_exchanges
from ray_runtime.planner.split_stages import split_stages
from ray_runtime.planner.statistics import Estimates

OPTIONS = DistributedOptions(slots=2, partitions=4, split_rows=1, gather_bytes=0)


@dataclass(frozen=True)
class PassingExec(PhysicalOperator):
    """Gives its input as it is, in a form of its own."""

    input: PhysicalOperator

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        return inputs[0]


@dataclass(frozen=True)
class WholeExec(PassingExec):
    """Has to see all rows."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(parallel_safe=False)


@dataclass(frozen=True)
class ByGroupExec(PassingExec):
    """Has to see all rows of a group."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    data = pa.table({"a": range(600_000), "b": ["x"] * 600_000})
    with LocalRuntime(InMemoryStorage({"t": data}), threads=1) as made:
        yield made


@pytest.mark.parametrize(("kind", "in_tasks"), [(PassingExec, True), (WholeExec, False), (ByGroupExec, False)])
def test_it_runs_in_tasks_where_it_may(runtime: LocalRuntime, kind: type[PassingExec], in_tasks: bool) -> None:
    types = ColumnTypes(runtime.kernel)
    scan = lower(runtime.frontend.table_plan(TableName("main", "t")))
    placed = drop_columns(insert_exchanges(kind(scan), types, OPTIONS, Estimates()))
    (exchange,) = (node for node in walk(placed) if isinstance(node, ExchangeExec))
    assert any(isinstance(node, kind) for node in walk(exchange.input)) == in_tasks
    stages = split_stages(placed, types, runtime.storage, OPTIONS)
    assert [len(stage.splits) > 1 for stage in stages] == [True, False]
    assert placed.schema == ("a", "b")


def test_what_stands_on_it_stays_right(runtime: LocalRuntime) -> None:
    scan = lower(runtime.frontend.table_plan(TableName("main", "t")))
    placed = insert_exchanges(LimitExec(PassingExec(scan), 3), ColumnTypes(runtime.kernel), OPTIONS, Estimates())
    assert isinstance(placed, LimitExec)
    assert isinstance(placed.input, ExchangeExec)
    assert not any(isinstance(node, ExchangeSourceExec) for node in walk(placed))
