"""EXPLAIN: what a statement would do, or with ANALYZE what a query did, as text, JSON, Mermaid or Graphviz.

::

    EXPLAIN SELECT ...
    EXPLAIN ANALYZE SELECT ...
    EXPLAIN (ANALYZE, FORMAT JSON) SELECT ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import pyarrow as pa

from engine.profile import OperatorProfile, QueryProfile, StageProfile
from engine.run_progress import ResourceUse

__all__ = [
    "EXPLAIN_SCHEMA",
    "READS_STAGE",
    "Before",
    "Explain",
    "Format",
    "PlanNode",
    "plan_lines",
    "plan_table",
    "profile_table",
]


EXPLAIN_SCHEMA = pa.schema([pa.field("plan", pa.string())])
"""One row for each line of a text; one row in all for the other forms."""

_LONGEST_LINE = 100_000  # characters of a line, which may hold the whole text
_LONGEST_LABEL = 4_000  # characters of a line in a picture; Mermaid draws none of more than 50,000
_MEANT_BY_MERMAID = re.compile(r"[\"#&<>`%$:\\]")
"""What in a text in quotes is no text to Mermaid: HTML, Markdown, formulas, icons, directives, its own codes."""
READS_STAGE = re.compile(r"ExchangeSourceExec stage (\d++)")
"""A line of a plan that reads what a stage wrote."""


class Format(Enum):
    """How a plan is told."""

    TEXT = "TEXT"
    JSON = "JSON"
    MERMAID = "MERMAID"
    GRAPHVIZ = "GRAPHVIZ"


@dataclass(frozen=True)
class Explain:
    """What stands behind EXPLAIN: whether the query is to run, and the form of the answer."""

    analyze: bool = False
    format: Format = Format.TEXT


@dataclass(frozen=True)
class PlanNode:
    """A line of a plan, and those that are below it."""

    text: str
    inputs: tuple[PlanNode, ...]

    @classmethod
    def of(cls, lines: Sequence[str]) -> tuple[PlanNode, ...]:
        """The trees that an indented text shows.

        >>> PlanNode.of(["a", "  b", "c"])
        (PlanNode(text='a', inputs=(PlanNode(text='b', inputs=()),)), PlanNode(text='c', inputs=()))
        """
        roots: list[PlanNode] = []
        at = 0
        while at < len(lines):
            depth = _depth(lines[at])
            end = at + 1
            while end < len(lines) and _depth(lines[end]) > depth:
                end += 1
            roots.append(cls(lines[at].strip(), cls.of(lines[at + 1 : end])))
            at = end
        return tuple(roots)

    def value(self) -> dict[str, Any]:
        """The node for JSON."""
        return {"operator": self.text, "inputs": [node.value() for node in self.inputs]}


@dataclass(frozen=True)
class Before:
    """The seconds that a query took to be planned, and waited for its turn, before it ran."""

    planning: float
    queue: float


def plan_table(lines: Sequence[str], format: Format) -> pa.Table:
    """The plan that these lines show, in a form."""
    if format is Format.TEXT:
        return plan_lines(lines)
    roots = PlanNode.of(lines)
    return plan_lines([_to_json([root.value() for root in roots]) if format is Format.JSON else _draw(roots, format)])


def profile_table(lines: Sequence[str], profile: QueryProfile, before: Before, format: Format) -> pa.Table:
    """What a query did, with the lines of its plan."""
    told = list(_profile_lines(profile, before))
    if format is Format.TEXT:
        return plan_lines([*told, "Plan:", *(f"  {line}" for line in lines)])
    if format is Format.JSON:
        plan = [root.value() for root in PlanNode.of(lines)]
        return plan_lines([_to_json({**_profile_value(profile, before), "plan": plan})])
    return plan_lines([_draw(PlanNode.of(told), format)])


def plan_lines(lines: Sequence[str]) -> pa.Table:
    """Rows of `EXPLAIN_SCHEMA`."""
    return pa.table([pa.array([_cut(line, _LONGEST_LINE) for line in lines], pa.string())], schema=EXPLAIN_SCHEMA)


def _draw(roots: Sequence[PlanNode], format: Format) -> str:
    """A picture of a plan, in the language of Mermaid or of Graphviz: rows go along the arrows."""
    nodes: list[str] = []
    edges: list[str] = []
    stages = {root.text.partition(":")[0].removeprefix("Stage "): index for index, root in enumerate(roots)}
    named: dict[int, str] = {}
    reads: list[tuple[str, str]] = []

    def visit(node: PlanNode) -> str:
        name = f"n{len(nodes)}"
        text = _cut(node.text, _LONGEST_LABEL)
        nodes.append(_mermaid_node(name, text) if format is Format.MERMAID else _graphviz_node(name, text))
        edges.extend(f"  {visit(child)} {arrow} {name}" for child in node.inputs)
        found = READS_STAGE.match(node.text)
        if found is not None:
            reads.append((found[1], name))
        return name

    arrow = "-->" if format is Format.MERMAID else "->"
    for index, root in enumerate(roots):
        named[index] = visit(root)
    edges += [f"  {named[stages[stage]]} {arrow} {name}" for stage, name in reads if stage in stages]
    head, tail = ("flowchart BT", []) if format is Format.MERMAID else ("digraph plan {\n  rankdir=BT", ["}"])
    return "\n".join([head, *nodes, *edges, *tail])


def _profile_lines(profile: QueryProfile, before: Before) -> Iterator[str]:
    """A profile as text."""
    yield (
        f"Planned in {_time(before.planning)}, waited {_time(before.queue)}, ran in {_time(profile.seconds)}: "
        f"{_count(profile.rows, 'row')}{_resources(profile.resource_use)}"
    )
    kernel = profile.kernel
    if kernel is not None:
        read, there = kernel.row_groups
        groups = f", {read} of {there} row groups read" if there else ""
        yield (
            f"Kernel: {_time(kernel.seconds)}, {_time(kernel.cpu_seconds)} of CPU, at most {_size(kernel.peak_memory)} "
            f"of memory, {_size(kernel.spilled)} spilled{groups}"
        )
        for operator in kernel.operators:
            yield from _operator_lines(operator, 1)
    for stage in profile.stages:
        shortest, middle, longest = stage.times
        yield (
            f"Stage {stage.stage}: {_count(stage.tasks, 'task')}, {stage.retries} repeated; times {_time(shortest)} / "
            f"{_time(middle)} / {_time(longest)} (min / median / max), skew {stage.skew:.1f}; "
            f"{_count(stage.rows, 'row')}, {_size(stage.read)} read, {_size(stage.written)} written"
            f"{_resources(stage.used)}"
        )
        for each in stage.operators:
            depth = 1
            if len(stage.operators) > 1:
                yield f"  In {_count(each.tasks, 'task')}:"
                depth = 2
            for operator in each.operators:
                yield from _operator_lines(operator, depth)


def _resources(used: ResourceUse | None) -> str:
    return "" if used is None else f", at most {_size(used.peak_memory)} of memory, {_size(used.spilled)} spilled"


def _profile_value(profile: QueryProfile, before: Before) -> dict[str, Any]:
    """A profile for JSON; times are in seconds, sizes in bytes."""
    used = profile.resource_use
    value: dict[str, Any] = {**asdict(before), "run": profile.seconds, "rows": profile.rows}
    value |= {"peak_memory": used.peak_memory, "spilled": used.spilled} if used is not None else {}
    if profile.kernel is not None:
        value["kernel"] = asdict(profile.kernel)
    if profile.stages:
        value["stages"] = [_stage_value(stage) for stage in profile.stages]
    return value


def _to_json(value: object) -> str:
    """Indented, for people, too."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _stage_value(stage: StageProfile) -> dict[str, Any]:
    shortest, middle, longest = stage.times
    value = {name: part for name, part in asdict(stage).items() if name != "seconds"}
    return value | {
        "retries": stage.retries,
        "seconds": {"min": shortest, "median": middle, "max": longest},
        "skew": stage.skew,
    }


def _operator_lines(operator: OperatorProfile, depth: int) -> Iterator[str]:
    expected = "" if operator.estimated_rows is None else f" ({operator.estimated_rows} expected)"
    details = "".join(f"; {name}: {value}" for name, value in operator.details.items())
    yield (
        f"{'  ' * depth}{operator.name}: {_count(operator.rows, 'row')}{expected}, {_size(operator.bytes)}, "
        f"{_time(operator.seconds)}{details}"
    )
    for child in operator.inputs:
        yield from _operator_lines(child, depth + 1)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + " ..."


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.2f} ms"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _mermaid_node(name: str, text: str) -> str:
    shown = _MEANT_BY_MERMAID.sub(lambda found: f"#{ord(found[0])};", text)
    return f'  {name}["{shown}"]'


def _graphviz_node(name: str, text: str) -> str:
    shown = text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'  {name} [shape=box, label="{shown}"]'
