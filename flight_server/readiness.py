"""Whether the server takes queries: one word for all who ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_server.health import HealthServer

__all__ = ["Readiness"]


class Readiness:
    """Not ready until `start`; the health port, where there is one, is told of each change. Thread-safe.

    What makes it `unwell` is named, so that one trouble which is over does not hide another.
    """

    def __init__(self, health: HealthServer | None = None) -> None:
        self._health = health
        self._lock = threading.Lock()
        self._serving = self._draining = False
        self._troubles: set[str] = set()

    @property
    def ready(self) -> bool:
        """Whether the server takes queries now."""
        return self._serving and not self._draining and not self._troubles

    def start(self) -> None:
        """It has started."""
        self._change(lambda: setattr(self, "_serving", True))

    def unwell(self, trouble: str) -> None:
        """It takes none until it is `well` again."""
        self._change(lambda: self._troubles.add(trouble))

    def well(self, trouble: str) -> None:
        """The trouble is over."""
        self._change(lambda: self._troubles.discard(trouble))

    def drain(self) -> None:
        """It takes none from here on to the end."""
        self._change(lambda: setattr(self, "_draining", True))

    def _change(self, change: Callable[[], None]) -> None:
        with self._lock:
            change()
            if self._health is None:
                return
            if self._draining:
                self._health.drain()
            elif self.ready:
                self._health.well()
            else:
                self._health.unwell()
