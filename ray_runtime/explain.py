"""Stages as text."""

from __future__ import annotations

from engine.explain import render
from engine.printable import on_one_line
from engine.storage.protocol import Storage
from ray_runtime.operators import partitioning_text
from ray_runtime.stages import Stage, StageGraph

__all__ = ["render_stages"]


def render_stages(graph: StageGraph, storage: Storage) -> str:
    """Each stage with its parallelism, its operators, and the Exchanges that it reads and writes.

    ::

        Stage 0: 4 tasks -> shuffle Hash(["k"], 4)
          HashAggregateExec partial keys=[k] [COUNT(*) EXPORT_STATE AS n]
            TableScanExec main.t [k]
        Stage 1: up to 4 tasks -> result
          HashAggregateExec final ...
            ExchangeSourceExec stage 0 shuffle
    """
    modes = {i.stage: i.mode.value for stage in graph for i in stage.inputs}
    lines = []
    for stage in graph:
        target = "result" if stage is graph.result else f"{modes[stage.id]} {partitioning_text(stage.output)}"
        lines.append(on_one_line(f"Stage {stage.id}: {_parallelism(stage, graph)} -> {target}"))
        whole = storage if len(stage.splits) <= 1 else None  # parts of a table are read without its indexes
        lines.append(render(stage.root, indent="  ", storage=whole))
    return "\n".join(lines)


def _parallelism(stage: Stage, graph: StageGraph) -> str:
    if stage.splits:
        count = len(stage.splits)
    elif stage.shuffled_stages:
        upstream = {s.id: s for s in graph}[stage.shuffled_stages[0]]
        return f"up to {upstream.partitions} tasks"
    else:
        count = 1
    return f"{count} task{'' if count == 1 else 's'}"
