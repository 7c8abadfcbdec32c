"""How many bytes an exchange store may hold, in memory or on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["ByteBudget", "Reservation"]


class Reservation:
    """Bytes that were granted; give them back with `release()` or by leaving a `with` block."""

    def __init__(self, size: int, give_back: Callable[[int], None]) -> None:
        self.size = size
        self._give_back: Callable[[int], None] | None = give_back

    def release(self) -> None:
        """Give the bytes back. A second call changes nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self.size)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class ByteBudget:
    """Bytes that are granted under a limit, None for none; `peak` is the most that was granted at once. Thread-safe."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.peak = 0
        self._usage = 0
        self._lock = threading.Lock()

    @property
    def current_usage(self) -> int:
        """Bytes granted and not given back."""
        return self._usage

    def try_reserve(self, size: int) -> Reservation | None:
        """`size` bytes, or None where they would pass the limit."""
        with self._lock:
            if self.limit is not None and self._usage + size > self.limit:
                return None
            self._usage += size
            self.peak = max(self.peak, self._usage)
        return Reservation(size, self._release)

    def _release(self, size: int) -> None:
        with self._lock:
            self._usage -= size
