"""A result that stays where it was made: the outputs of the last stage, for clients that fetch each from its worker."""

from __future__ import annotations

from ray_runtime.results import ReadyOutput, ResultReader

__all__ = ["PartsCollector"]


class PartsCollector(ResultReader):
    """Waits until every output of the last stage is there, and fetches none of them."""

    def finish(self) -> None:
        """Nobody says that everything was fetched, so the query ends when it is cancelled."""

    def wait(self) -> list[ReadyOutput]:
        """The outputs in their order, once all are there. Raises the query's error."""
        with self._changed:
            self._wait_for(lambda: any(len(self._ready) == found.outputs for found in self._ready.values()))
            return [self._ready[task] for task in sorted(self._ready)]
