"""How far a query is that runs in stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["StageProgress", "Stages", "share_done"]


@dataclass(frozen=True)
class StageProgress:
    """A stage: its tasks (None until its inputs are there, which decide), those of them that run and are done, how
    often one was started, and the rows and bytes that they wrote."""

    stage: int
    tasks: int | None
    running: int
    done: int
    attempts: int
    rows: int
    bytes: int


Stages = Callable[[], Sequence[StageProgress]]
"""Tells the stages of a query as they are now; none where nothing is known."""


def share_done(stages: Sequence[StageProgress]) -> float | None:
    """How much is done, from 0 to 1, where each stage counts the same; None where there are no stages."""
    if not stages:
        return None
    return sum(stage.done / stage.tasks if stage.tasks else 0.0 for stage in stages) / len(stages)
