"""What a query did: the rows and times of its operators, as the kernel measured them, and of its stages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

from engine.execution import compile_statement
from engine.kernel_progress import KernelProgress, Watch
from engine.physical import ExecutionContext, PhysicalOperator
from engine.printable import on_one_line
from engine.run_progress import ResourceUse, RunProgress, add_up
from engine.streams import SlicedStream

__all__ = [
    "KernelProfile",
    "OperatorProfile",
    "QueryProfile",
    "StageProfile",
    "TaskOperators",
    "kernel_profile",
    "merge_tasks",
    "read_profile",
]

_SHOWN = (
    "Aggregates",
    "CTE Name",
    "Conditions",
    "Expression",
    "Expressions",
    "Filters",
    "Groups",
    "Join Type",
    "Order By",
    "Projections",
    "Top",
)
"""What is told of an operator; other facts name files and relations of ours."""
_LONGEST = 200  # characters of a fact
_OWN = ("EXPLAIN_ANALYZE", "RESULT_COLLECTOR")
_PASSED_ON: Mapping[str, Callable[[Sequence[OperatorProfile]], Sequence[OperatorProfile]]] = {
    "CTE": lambda inputs: inputs[-1:],  # behind what it keeps is who reads that
    "UNION": lambda inputs: inputs,
}
"""The operators that pass on rows of their inputs, and of which."""


@dataclass(frozen=True)
class OperatorProfile:
    """An operator of the kernel: rows and bytes that it gave, seconds of CPU, how many rows were expected of it, and
    what it did."""

    name: str
    rows: int
    bytes: int
    seconds: float
    estimated_rows: int | None
    details: Mapping[str, str]
    inputs: tuple[OperatorProfile, ...] = ()


@dataclass(frozen=True)
class KernelProfile:
    """A statement of one kernel: its operators, seconds of wall time and CPU, the most bytes of its buffers, the bytes
    that it spilled, and how many row groups of how many it read."""

    operators: tuple[OperatorProfile, ...]
    seconds: float
    cpu_seconds: float
    peak_memory: int
    spilled: int
    row_groups: tuple[int, int]

    @property
    def rows(self) -> int:
        """The rows of its result."""
        return sum(operator.rows for operator in self.operators)


@dataclass(frozen=True)
class TaskOperators:
    """The operators of the kernel in `tasks` that had the same ones, with their rows, bytes and seconds added up."""

    tasks: int
    operators: tuple[OperatorProfile, ...]


@dataclass(frozen=True)
class StageProfile:
    """A stage: its tasks, how many times one was started, the rows and bytes that it wrote, the bytes that it read from
    other stages, the seconds that each finished attempt took, what these have used (None where that is not known), and
    the operators of the kernel in them."""

    stage: int
    tasks: int
    attempts: int
    rows: int
    written: int
    read: int
    seconds: Sequence[float]
    used: ResourceUse | None = None
    operators: tuple[TaskOperators, ...] = ()

    @property
    def retries(self) -> int:
        """Attempts beyond the first of each task."""
        return max(0, self.attempts - self.tasks)

    @property
    def times(self) -> tuple[float, float, float]:
        """The shortest time of a task, the median and the longest."""
        return (min(self.seconds), median(self.seconds), max(self.seconds)) if self.seconds else (0.0, 0.0, 0.0)

    @property
    def skew(self) -> float:
        """How many times the median the longest task took; 1 where all took as long."""
        _, middle, longest = self.times
        return longest / middle if middle else 1.0


@dataclass(frozen=True)
class QueryProfile:
    """A query that ran to its end: rows and seconds, the kernel's part where it was one process, or the stages."""

    rows: int
    seconds: float
    kernel: KernelProfile | None = None
    stages: tuple[StageProfile, ...] = ()

    @property
    def resource_use(self) -> ResourceUse | None:
        """What it has used in all; None where that is not known."""
        if self.kernel is not None:
            return ResourceUse(self.kernel.spilled, self.kernel.peak_memory)
        return add_up(stage.used for stage in self.stages)


class _ProfiledRun(KernelProgress):
    """A run for the sake of its profile, which tells what it has used."""

    measured: KernelProfile | None = None

    def resource_use(self) -> ResourceUse | None:
        """What the profile says, once it is there."""
        measured = self.measured
        return None if measured is None else ResourceUse(measured.spilled, measured.peak_memory)


def kernel_profile(
    operator: PhysicalOperator, ctx: ExecutionContext, follow: Callable[[RunProgress], None]
) -> KernelProfile:
    """Run the subtree in this process's kernel and tell what it did; its rows go to nobody. `follow` is given what
    tells how far it is, and afterwards what it has used. Raises as `run`.
    """
    statement = compile_statement(operator, ctx)
    progress = _ProfiledRun(statement.lengths, Watch.OPERATORS)
    follow(progress)
    stream = ctx.kernel.stream(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}",
        statement.sources,
        ctx.cancellation,
        resident=statement.joined,
        progress=progress,
    )
    (text,) = stream.reader.read_all().column(1).to_pylist()
    measured = read_profile(text) or _unmeasured_profile(
        ctx.kernel.stream(statement.sql, statement.sources, ctx.cancellation)
    )
    progress.measured = measured
    return measured


def _unmeasured_profile(stream: SlicedStream) -> KernelProfile:
    """Of a statement whose rows the kernel knew without an operator that it measures."""
    began = time.monotonic()
    with closing(stream.reader) as reader:
        rows = sum(batch.num_rows for batch in reader)
    given = OperatorProfile("COLUMN_DATA_SCAN", rows, 0, 0.0, None, {})
    return KernelProfile((given,), time.monotonic() - began, 0.0, 0, 0, (0, 0))


def read_profile(text: str) -> KernelProfile | None:
    """What the kernel's JSON tells of a statement that ran to its end; nothing where it knew all rows, as those of
    VALUES or the number of a file's rows."""
    told = json.loads(text)
    if "query" not in told:
        return None
    query, system = told["query"], told["system"]
    return KernelProfile(
        tuple(_operators(told["operator"])),
        float(query["total_time"]),
        float(query["cpu_time"]),
        int(system["peak_buffer_memory"]),
        int(system["total_bytes_spilled"]),
        (int(query["total_row_groups_scanned"]), int(query["total_row_groups_to_scan"])),
    )


def merge_tasks(tasks: Iterable[Sequence[OperatorProfile]]) -> tuple[TaskOperators, ...]:
    """The operators of several tasks: those of equal trees together, the most frequent first."""
    groups: dict[object, list[Sequence[OperatorProfile]]] = {}
    for operators in tasks:
        groups.setdefault(_shape(operators), []).append(operators)
    found = [TaskOperators(len(group), _sum_operators(group)) for group in groups.values()]
    return tuple(sorted(found, key=lambda each: -each.tasks))


def _shape(operators: Sequence[OperatorProfile]) -> object:
    return tuple((operator.name, _shape(operator.inputs)) for operator in operators)


def _sum_operators(tasks: Sequence[Sequence[OperatorProfile]]) -> tuple[OperatorProfile, ...]:
    return tuple(
        OperatorProfile(
            same[0].name,
            sum(each.rows for each in same),
            sum(each.bytes for each in same),
            sum(each.seconds for each in same),
            None
            if any(each.estimated_rows is None for each in same)
            else sum(each.estimated_rows or 0 for each in same),
            same[0].details,
            _sum_operators([each.inputs for each in same]),
        )
        for same in zip(*tasks, strict=True)
    )


def _operators(nodes: Sequence[Mapping[str, Any]]) -> Iterator[OperatorProfile]:
    for node in nodes:
        inputs = tuple(_operators(node.get("children", ())))
        if node["type"] in _OWN:
            yield from inputs
            continue
        facts = node["extra_info"]
        estimated = facts.get("Estimated Cardinality")
        rows, size = int(node["intermediate_rows"]), int(node["intermediate_size_bytes"])
        if node["type"] in _PASSED_ON:  # whose rows the kernel counts where they come from
            passed = _PASSED_ON[node["type"]](inputs)
            rows, size = sum(each.rows for each in passed), sum(each.bytes for each in passed)
        yield OperatorProfile(
            node["name"],
            rows,
            size,
            float(node["timing"]),
            None if estimated is None else int(estimated),
            {name: _show_value(facts[name]) for name in _SHOWN if facts.get(name)},
            inputs,
        )


def _show_value(value: object) -> str:
    text = on_one_line(" ".join((", ".join(map(str, value)) if isinstance(value, list) else str(value)).split()))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
