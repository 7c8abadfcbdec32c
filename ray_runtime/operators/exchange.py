"""ExchangeExec: the only place where rows move between workers. ExchangeSourceExec: its reading end inside a stage."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.operators.sql import show
from engine.physical import (
    Broadcast,
    Hash,
    PartitioningSpec,
    PhysicalOperator,
    Range,
    RoundRobin,
    Single,
    SourceBinder,
)
from engine.schema import RowType
from ray_runtime.stages import ExchangeMode

__all__ = ["ExchangeExec", "ExchangeSourceExec", "partitioning_text"]


@dataclass(frozen=True)
class ExchangeExec(PhysicalOperator):
    """Gives its input's rows, repartitioned. On one node there is nothing to move: it passes its input through.

    `bounds` gives, for a Range, one row with the list of the partitions' upper bounds as sort keys. What is `steady`
    sends a row to where it was when the task that gives it runs again.
    """

    input: PhysicalOperator
    mode: ExchangeMode
    partitioning: PartitioningSpec
    bounds: PhysicalOperator | None = None
    ordered: bool = False
    steady: bool = True

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        return inputs[0]

    def describe(self) -> str:
        return f"ExchangeExec {self.mode.value} {partitioning_text(self.partitioning)}"


@dataclass(frozen=True)
class ExchangeSourceExec(PhysicalOperator):
    """The rows that a stage's task reads from the outputs of stage `stage`.

    `columns` are the kernel types that the rows had before they travelled; an aggregate's state has none and is
    read as it comes.
    """

    stage: int
    mode: ExchangeMode
    columns: RowType

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs
        reader = getattr(sources.context, "exchange_source", None)
        if reader is None:
            raise RuntimeError("an exchange source is read by a task of a stage only")
        return sources.bind(reader(self.stage), self.columns)

    def describe(self) -> str:
        return f"ExchangeSourceExec stage {self.stage} {self.mode.value}"


def partitioning_text(spec: PartitioningSpec) -> str:
    """A partitioning as EXPLAIN shows it."""
    match spec:
        case Hash():
            return f"Hash([{', '.join(show(k) for k in spec.keys)}], {spec.n})"
        case Range():
            return f"Range({spec.n})"
        case RoundRobin():
            return f"RoundRobin({spec.n})"
        case Single():
            return "Single"
        case Broadcast():
            return "Broadcast"
    raise TypeError(f"{spec!r} is no partitioning")
