"""How far a query is that runs, and what it has used: told to whoever looks, by who runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["RunProgress", "StageProgress", "TaskProgress", "share_done"]


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


@dataclass(frozen=True)
class TaskProgress:
    """A task of a stage: whether it is pending, running, done, or skipped as the others gave enough rows; how often it
    was started, the last time on a `worker` (None before the first, and where that worker is gone); and of its output
    the rows and bytes, and the seconds that it took (None before its end)."""

    stage: int
    task: int
    state: str
    attempts: int
    worker: str | None
    rows: int | None
    bytes: int | None
    seconds: float | None


class RunProgress(Protocol):
    """One execution of a plan. All may be asked from any thread, while it runs and afterwards."""

    def share(self) -> float | None:
        """How much is done, from 0 to 1; None where that is not known."""

    def stages(self) -> Sequence[StageProgress]:
        """Its stages, where it has some."""

    def tasks(self) -> Sequence[TaskProgress]:
        """The tasks of its stages, while it runs."""


def share_done(stages: Sequence[StageProgress]) -> float | None:
    """How much is done, from 0 to 1, where each stage counts the same; None where there are no stages."""
    if not stages:
        return None
    return sum(stage.done / stage.tasks if stage.tasks else 0.0 for stage in stages) / len(stages)
