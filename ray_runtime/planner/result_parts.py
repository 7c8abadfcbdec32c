"""The stages of a plan whose result clients fetch from the workers, in parts: those before the last gather."""

from __future__ import annotations

from engine.operators import SortExec, TopNExec
from engine.physical import walk
from ray_runtime.operators import ExchangeSourceExec
from ray_runtime.stages import ExchangeMode, StageGraph

__all__ = ["result_parts"]


def result_parts(graph: StageGraph, names: tuple[str, ...]) -> StageGraph | None:
    """`graph` without a last stage that only gathers, so that each task before it gives a part of the result.

    None where the last stage does more; where the query asks for an order, which parts that are read beside each
    other do not keep; and where the columns do not have the result's `names` before they are gathered.
    """
    if len(graph.stages) < 2 or not isinstance(graph.result.root, ExchangeSourceExec):
        return None
    (gathered,) = graph.result.inputs
    before = graph.stages[-2]
    if gathered.stage != before.id or gathered.mode is not ExchangeMode.GATHER or before.root.schema != names:
        return None
    if any(isinstance(node, SortExec | TopNExec) for node in walk(before.root)):
        return None
    return StageGraph(graph.stages[:-1])
