"""A result that stays where it was made: the outputs of the last stage, for clients that fetch each from its worker."""

from __future__ import annotations

import threading

from engine.context import Cancellation
from engine.errors import GrismError
from ray_runtime.exchange import OutputKey
from ray_runtime.results import ReadyOutput, ResultReader

__all__ = ["PartsCollector"]

_LOOK_AROUND = 0.25  # seconds between looks at the query's deadline while there is nothing to do


class PartsCollector(ResultReader):
    """Waits until every output of the last stage is there, and fetches none of them."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._changed = threading.Condition()
        self._ready: dict[int, ReadyOutput] = {}
        self._failure: GrismError | None = None

    def ready(self, found: ReadyOutput) -> None:
        """An output can be fetched."""
        with self._changed:
            self._ready[found.summary.key.task] = found
            self._changed.notify_all()

    def lost(self, task: OutputKey) -> None:
        """An output that was ready is gone; another attempt will be ready later."""
        with self._changed:
            found = self._ready.get(task.task)
            if found is not None and found.summary.key == task:
                del self._ready[task.task]

    def finish(self) -> None:
        """Nobody says that everything was fetched, so the query ends when it is cancelled."""

    def fail(self, error: GrismError) -> None:
        """The query failed."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def wait(self) -> list[ReadyOutput]:
        """The outputs in their order, once all are there. Raises the query's error."""
        with self._changed:
            while not self._complete():
                if self._failure is not None:
                    raise self._failure
                self._cancellation.check()
                self._changed.wait(_LOOK_AROUND)
            return [self._ready[task] for task in sorted(self._ready)]

    def _complete(self) -> bool:
        return any(len(self._ready) == found.outputs for found in self._ready.values())
