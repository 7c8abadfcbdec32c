"""Which workers have fallen silent: a hanging worker holds its connections open and is known only by its silence."""

from __future__ import annotations

from collections import OrderedDict

from ray_runtime.scheduler.events import WorkerId

__all__ = ["Heartbeats"]


class Heartbeats:
    """The last sign of life of each worker. Beats cost constant time, and so does a check for each silent worker.

    `timeout` and all times are seconds of one monotonic clock.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._last: OrderedDict[WorkerId, float] = OrderedDict()

    def watch(self, worker: WorkerId, now: float) -> None:
        """Expect signs of life from now on."""
        self._last[worker] = now
        self._last.move_to_end(worker)

    def beat(self, worker: WorkerId, now: float) -> None:
        """A sign of life; from a worker that is not watched it changes nothing."""
        if worker in self._last:
            self.watch(worker, now)

    def forget(self, worker: WorkerId) -> None:
        """Expect nothing more."""
        self._last.pop(worker, None)

    def silent(self, now: float) -> list[WorkerId]:
        """The workers that gave no sign for the whole timeout. They are not watched any more."""
        found: list[WorkerId] = []
        while self._last:
            worker, last = next(iter(self._last.items()))
            if now - last < self.timeout:
                break
            del self._last[worker]
            found.append(worker)
        return found
