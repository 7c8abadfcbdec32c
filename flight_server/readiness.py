"""Whether the server takes queries: one word for all who ask."""

from __future__ import annotations

import threading

from flight_server.health import HealthServer

__all__ = ["Readiness"]


class Readiness:
    """Not ready until it is `serving`; the health port, where there is one, is told of each change. Thread-safe."""

    def __init__(self, health: HealthServer | None = None) -> None:
        self._health = health
        self._lock = threading.Lock()
        self._ready = self._draining = False

    @property
    def ready(self) -> bool:
        """Whether the server takes queries now."""
        return self._ready

    def serving(self) -> None:
        """It does from here on, but where it is draining."""
        with self._lock:
            self._ready = not self._draining
            if self._health is not None:
                self._health.serving()

    def unwell(self) -> None:
        """It does not, until it is `serving` again."""
        with self._lock:
            self._ready = False
            if self._health is not None:
                self._health.unwell()

    def draining(self) -> None:
        """It does not, from here on to the end."""
        with self._lock:
            self._ready, self._draining = False, True
            if self._health is not None:
                self._health.draining()
