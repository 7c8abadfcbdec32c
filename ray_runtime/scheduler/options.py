"""What can be chosen about scheduling."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SchedulerOptions"]

_MB = 1 << 20


@dataclass(frozen=True)
class SchedulerOptions:
    """How often to try again, how long to wait, and how large tasks should be.

    `retries`: how many times a task may run again after a failure of its own or after its output was lost.
    `requeues`: how many times a task that found an input absent may wait for it and run again without a charge.
    `grace`: seconds that queries wait for a worker when there is none.
    `task_bytes`: up to how many bytes of shuffled input one task is given; 0 gives each partition its own task.
    `min_task_bytes`: where there is less than `task_bytes` for each slot of the cluster, tasks shrink down to this.
    """

    retries: int = 3
    requeues: int = 16
    grace: float = 30.0
    task_bytes: int = 128 * _MB
    min_task_bytes: int = 16 * _MB

    def __post_init__(self) -> None:
        for name in ("retries", "requeues", "grace", "task_bytes", "min_task_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative.")
