"""Stages: the parts of a distributed plan between its Exchanges, as the planner hands them to the scheduler.

A stage is a plan fragment without an Exchange inside. Its tasks run the same fragment on different data and each
commits one output, cut into the partitions of `Stage.output`. A stage reads the outputs of other stages through its
inputs and starts when they are complete::

    stage 0  lineitem scan, 40 tasks      -> Hash(l_orderkey, 16) ─ shuffle ─┐
    stage 1  orders scan, 10 tasks        -> Hash(o_orderkey, 16) ─ shuffle ─┤
    stage 2  join, up to 16 tasks         -> Single ──────────────── gather ─┤
    stage 3  final sort, 1 task           -> Single                  result  ┘

The number of tasks follows from the stage: with `splits` one for each entry; with shuffled inputs one for each range
of partitions, at most as many as there are partitions, decided from the bytes that were written; else one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from engine.physical import Broadcast, PartitioningSpec, Single

if TYPE_CHECKING:
    from engine.physical import PhysicalOperator

__all__ = ["ExchangeInput", "ExchangeMode", "Stage", "StageGraph"]


class ExchangeMode(Enum):
    """How the tasks of a stage read the output of another one."""

    SHUFFLE = "shuffle"  # each task its own range of partitions, from every upstream task
    BROADCAST = "broadcast"  # each task everything
    GATHER = "gather"  # the stage's only task everything


@dataclass(frozen=True)
class ExchangeInput:
    """One Exchange, seen from its reader: the stage that writes it, and how it is read."""

    stage: int
    mode: ExchangeMode


@dataclass(frozen=True)
class Stage:
    """A fragment, what it reads, and how its output is cut.

    `splits` has one entry for each task: what the scans of that task read; empty where the stage scans nothing.
    `deterministic` says that running a task again puts the same rows into the same partitions. Where it does not
    hold (round robin over an unordered stream, a LIMIT without an order, random()), a task that runs again takes back
    all that was computed from its former output.
    `enough_rows` lets the stage end early: it is complete as soon as the finished tasks hold that many rows.
    """

    id: int
    root: PhysicalOperator
    inputs: tuple[ExchangeInput, ...] = ()
    output: PartitioningSpec = field(default_factory=Single)
    splits: tuple[Any, ...] = ()
    deterministic: bool = True
    enough_rows: int | None = None

    def __post_init__(self) -> None:
        modes = {i.mode for i in self.inputs}
        if self.splits and ExchangeMode.SHUFFLE in modes:
            raise ValueError(f"Stage {self.id} has splits and a shuffled input; its tasks can follow only one of them.")
        if ExchangeMode.GATHER in modes and (len(self.splits) > 1 or ExchangeMode.SHUFFLE in modes):
            raise ValueError(
                f"Stage {self.id} gathers an input, so it can have neither many splits nor shuffled inputs."
            )
        if self.partitions < 1:
            raise ValueError(f"Stage {self.id} has {self.partitions} output partitions; it needs at least one.")

    @property
    def partitions(self) -> int:
        """Into how many partitions each task cuts its output."""
        return 1 if isinstance(self.output, Single | Broadcast) else self.output.n

    @property
    def shuffled_stages(self) -> tuple[int, ...]:
        """The stages that are read by ranges of partitions."""
        return tuple(i.stage for i in self.inputs if i.mode is ExchangeMode.SHUFFLE)


@dataclass(frozen=True)
class StageGraph:
    """All stages of a query, each after those that it reads. The last one gives the result."""

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        seen: dict[int, Stage] = {}
        read: set[int] = set()
        for stage in self.stages:
            for i in stage.inputs:
                if i.stage not in seen:
                    raise ValueError(f"Stage {stage.id} reads stage {i.stage}, which does not stand before it.")
                if i.mode is not ExchangeMode.SHUFFLE and seen[i.stage].partitions != 1:
                    raise ValueError(f"Stage {stage.id} reads all of stage {i.stage}, whose output is partitioned.")
                read.add(i.stage)
            if len({seen[s].partitions for s in stage.shuffled_stages}) > 1:
                raise ValueError(f"The shuffled inputs of stage {stage.id} have different numbers of partitions.")
            if stage.id in seen:
                raise ValueError(f"There are two stages {stage.id}.")
            seen[stage.id] = stage
        if not self.stages:
            raise ValueError("A query needs at least one stage.")
        if unread := seen.keys() - read - {self.result.id}:
            raise ValueError(f"Nobody reads the output of stage {min(unread)}.")
        if self.result.partitions != 1 or self.result.id in read:
            raise ValueError(f"Stage {self.result.id} gives the result: one partition, and read by no other stage.")

    @property
    def result(self) -> Stage:
        """The stage whose outputs, in the order of its tasks, are the query's result."""
        return self.stages[-1]

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)
