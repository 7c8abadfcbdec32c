"""Which worker has to be asked for what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ray_runtime.exchange.identity import OutputSummary, WorkerId
from ray_runtime.exchange.protocol import OutputRef, ReadRequest

__all__ = ["ExchangeSource", "PlacedOutput", "plan_sources"]


@dataclass(frozen=True)
class PlacedOutput:
    """A committed output and the worker that holds it, whose endpoint is at `location`."""

    worker: WorkerId
    location: str
    summary: OutputSummary


@dataclass(frozen=True)
class ExchangeSource:
    """One `do_get`: what to read from one worker. `bytes` is what the producers counted, in Arrow memory."""

    worker: WorkerId
    location: str
    request: ReadRequest
    bytes: int


def plan_sources(outputs: Iterable[PlacedOutput], partitions: range, ordered: bool = False) -> list[ExchangeSource]:
    """The sources for some partitions of a stage's `outputs`; outputs without rows there are left out.

    One source for each worker. With `ordered`, rows have to come in the order of `outputs`: only neighbours on one
    worker share a source.
    """
    groups: list[list[PlacedOutput]] = []
    by_worker: dict[WorkerId, list[PlacedOutput]] = {}
    for output in outputs:
        if not any(output.summary.rows[partition] for partition in partitions):
            continue
        group = by_worker.get(output.worker)
        if group is None or (ordered and groups[-1] is not group):
            group = by_worker[output.worker] = []
            groups.append(group)
        group.append(output)
    return [_source(group, partitions) for group in groups]


def _source(outputs: list[PlacedOutput], partitions: range) -> ExchangeSource:
    first = outputs[0]
    key = first.summary.key
    refs = tuple(
        OutputRef(o.summary.key.task, o.summary.key.attempt, sum(o.summary.rows[p] for p in partitions))
        for o in outputs
    )
    size = sum(o.summary.bytes[p] for o in outputs for p in partitions)
    return ExchangeSource(first.worker, first.location, ReadRequest(key.query, key.stage, partitions, refs), size)
