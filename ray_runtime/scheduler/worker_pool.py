"""The workers that are alive: their slots, what runs on them, and whose outputs they hold."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from ray_runtime.scheduler.events import TaskId, WorkerId
from ray_runtime.scheduler.load_order import LoadOrder

__all__ = ["PooledWorker", "WorkerPool"]


@dataclass(eq=False)
class PooledWorker:
    """One live worker. `index` is never used again for another one, so compact arrays can name it.

    `outputs` has for each query the tasks that committed here, as stage and task in turn; entries go stale when a
    task runs again elsewhere.
    """

    id: WorkerId
    index: int
    slots: int
    running: dict[TaskId, None] = field(default_factory=dict)
    outputs: dict[str, array[int]] = field(default_factory=dict)


class WorkerPool:
    """Live workers, the free ones in the order of their load."""

    def __init__(self) -> None:
        self.slots = 0
        self._live: dict[WorkerId, PooledWorker] = {}
        self._by_index: dict[int, PooledWorker] = {}
        self._by_name: dict[str, PooledWorker] = {}
        self._free: LoadOrder[int] = LoadOrder()
        self._next = 0

    def __len__(self) -> int:
        return len(self._live)

    @property
    def has_free_slot(self) -> bool:
        """Whether a task could be launched now."""
        return len(self._free) > 0

    def get(self, worker: WorkerId) -> PooledWorker | None:
        """The worker, where it is alive."""
        return self._live.get(worker)

    def find(self, name: str) -> PooledWorker | None:
        """The live incarnation of that name."""
        return self._by_name.get(name)

    def at(self, index: int) -> PooledWorker | None:
        """The worker of that index, where it is alive."""
        return self._by_index.get(index)

    def id_at(self, index: int) -> WorkerId:
        """The id of the live worker of that index."""
        return self._by_index[index].id

    def add(self, worker: WorkerId, slots: int) -> None:
        """A new worker with all its slots free."""
        if slots < 1:
            raise ValueError(f"{worker} offers {slots} slots; it needs at least one.")
        pooled = PooledWorker(worker, self._next, slots)
        self._next += 1
        self._live[worker] = self._by_index[pooled.index] = self._by_name[worker.name] = pooled
        self.slots += slots
        self._place(pooled)

    def remove(self, worker: PooledWorker) -> None:
        """The worker is gone, with what ran and what lay there."""
        del self._live[worker.id], self._by_index[worker.index], self._by_name[worker.id.name]
        self.slots -= worker.slots
        self._free.discard(worker.index)

    def pick(self, prefer: int, avoid: int) -> PooledWorker | None:
        """A worker with a free slot: `prefer` where it has one, else the least loaded, `avoid` only as the last."""
        index = prefer if prefer in self._free else self._free.first(avoid)
        return None if index is None else self._by_index[index]

    def occupy(self, worker: PooledWorker, task: TaskId) -> None:
        """The task takes a slot."""
        worker.running[task] = None
        self._place(worker)

    def release(self, worker: PooledWorker, task: TaskId) -> bool:
        """The task ended and gives its slot back; False where it held none, as when it is told twice."""
        if task not in worker.running:
            return False
        del worker.running[task]
        self._place(worker)
        return True

    def _place(self, worker: PooledWorker) -> None:
        if len(worker.running) < worker.slots:
            self._free.put(worker.index, len(worker.running))
        else:
            self._free.discard(worker.index)
