"""How far a query is that runs, and what it has used: told to whoever looks, by who runs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["ResourceUse", "RunProgress", "StageProgress", "TaskProgress", "add_up", "share_done", "total_use"]


@dataclass(frozen=True)
class StageProgress:
    """A stage: its tasks (None until its inputs are there, which decide), those of them that run and are done, how
    often one was started, and the rows and bytes that they wrote; what they have used, as `ResourceUse` has it, as far
    as they have ended (None where that is not known)."""

    stage: int
    tasks: int | None
    running: int
    done: int
    attempts: int
    rows: int
    bytes: int
    spilled: int | None
    peak_memory: int | None


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


@dataclass(frozen=True)
class ResourceUse:
    """What an execution has used: bytes that its kernels spilled, and the most that the buffers of one held while it
    ran, of all that ran there together."""

    spilled: int
    peak_memory: int

    def __add__(self, other: ResourceUse) -> ResourceUse:
        """That of both, one after the other or in different kernels."""
        return ResourceUse(self.spilled + other.spilled, max(self.peak_memory, other.peak_memory))


class RunProgress(Protocol):
    """One execution of a plan. All may be asked from any thread, while it runs and afterwards."""

    def share(self) -> float | None:
        """How much is done, from 0 to 1; None where that is not known."""

    def stages(self) -> Sequence[StageProgress]:
        """Its stages, where it has some."""

    def tasks(self) -> Sequence[TaskProgress]:
        """The tasks of its stages, while it runs."""

    def resource_use(self) -> ResourceUse | None:
        """What it has used; None where that is not known, as before its end."""


def total_use(runs: Iterable[RunProgress]) -> ResourceUse | None:
    """What several executions have used together; None where that is not known of each."""
    return add_up(run.resource_use() for run in runs)


def add_up(used: Iterable[ResourceUse | None]) -> ResourceUse | None:
    """The sum of all; None where one is not known, or there is none."""
    total = None
    for each in used:
        if each is None:
            return None
        total = each if total is None else total + each
    return total


def share_done(stages: Sequence[StageProgress], sent: int) -> float | None:
    """How much is done, from 0 to 1, where each stage counts the same, and so does the way of the rows of the last one
    to who asked, of which so many are `sent`; None where there are no stages."""
    if not stages:
        return None
    shares = [stage.done / stage.tasks if stage.tasks else 0.0 for stage in stages]
    last = stages[-1]
    if shares[-1] == 1.0:
        shares.append(min(1.0, sent / last.rows) if last.rows else 1.0)
    return sum(shares) / (len(stages) + 1)
