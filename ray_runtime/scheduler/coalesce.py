"""How many reduce tasks run: contiguous ranges of partitions, by the bytes that were really written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ray_runtime.scheduler.options import SchedulerOptions

__all__ = ["coalesce", "favourite_workers", "target_bytes"]

_ROOM = 1.15
LOCAL_SHARE = 2 / 3  # with less of its input at one place, a task gains more from an idle worker than from a near one


def target_bytes(total: int, slots: int, options: SchedulerOptions) -> int:
    """The bytes that one task should read: every slot gets something to do before tasks grow to `task_bytes`.

    A slot's share has some room, since partitions are not quite equal: else a few bytes more would cost a task more.
    """
    fair = int(total / max(slots, 1) * _ROOM) + 1
    return min(options.task_bytes, max(options.min_task_bytes, fair))


def coalesce(sizes: npt.NDArray[np.int64], target: int) -> tuple[range, ...]:
    """Ranges that cover all partitions in order, each of at most `target` bytes or of a single larger partition.

    A target of 0 gives each partition its own range::

        sizes 5 1 0 3 9 1, target 6   ->   range(0, 3), range(3, 4), range(4, 5), range(5, 6)
    """
    if target == 0:
        return tuple(range(p, p + 1) for p in range(len(sizes)))
    ranges: list[range] = []
    start, held = 0, 0
    for partition, size in enumerate(sizes.tolist()):
        if partition > start and held + size > target:
            ranges.append(range(start, partition))
            start, held = partition, 0
        held += size
    ranges.append(range(start, len(sizes)))
    return tuple(ranges)


def favourite_workers(by_worker: dict[int, npt.NDArray[np.int64]], ranges: tuple[range, ...]) -> list[int]:
    """For each range the worker that holds most of its bytes, or -1 where no worker holds a clear majority."""
    if not by_worker:
        return [-1] * len(ranges)
    workers = list(by_worker)
    starts = [r.start for r in ranges]
    held = np.add.reduceat(np.stack([by_worker[w] for w in workers]), starts, axis=1)
    best = held.argmax(axis=0)
    enough = held.max(axis=0) > held.sum(axis=0) * LOCAL_SHARE
    return [workers[b] if e else -1 for b, e in zip(best.tolist(), enough.tolist(), strict=True)]
