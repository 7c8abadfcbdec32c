"""The stages of a plan whose rows the workers store: those before the last gather, with a writer at their end."""

from __future__ import annotations

from dataclasses import replace

from engine.physical import PhysicalOperator
from engine.storage.protocol import FragmentSink, TableName
from ray_runtime.operators import ExchangeExec, ExchangeSourceExec, WriteFragmentsExec
from ray_runtime.planner.statistics import Estimates
from ray_runtime.stages import ExchangeMode, Stage, StageGraph

__all__ = ["expected_bytes", "write_stages"]


def expected_bytes(root: PhysicalOperator) -> float:
    """About how many bytes the rows of a plan with Exchanges take in memory, by the statistics of its tables."""
    return Estimates().of(_on_one_node(root)).bytes


def write_stages(graph: StageGraph, table: TableName, sink: FragmentSink | None) -> StageGraph:
    """What stores the rows of `graph` in the `sink` and gives a row for each fragment, in the order of the rows.

    Each task that gives a part of the rows writes it. Without a sink the stages are there to be shown.
    """
    last = _last_with_rows(graph)
    before = graph.stages[: graph.stages.index(last)]
    return StageGraph((*before, replace(last, root=WriteFragmentsExec(last.root, table, sink), enough_rows=None)))


def _last_with_rows(graph: StageGraph) -> Stage:
    """The last stage that does more than gather."""
    last = graph.result
    if not isinstance(last.root, ExchangeSourceExec) or last.root.mode is not ExchangeMode.GATHER:
        return last
    return next(stage for stage in graph if stage.id == last.root.stage)


def _on_one_node(node: PhysicalOperator) -> PhysicalOperator:
    """The plan without its Exchanges, of which there are no estimates."""
    if isinstance(node, ExchangeExec):
        return _on_one_node(node.input)
    return node.with_children(tuple(_on_one_node(child) for child in node.children))
