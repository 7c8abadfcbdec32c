"""Threads that work beside their owner, who waits for them as it closes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["HelperThreads"]


class HelperThreads:
    """Threads whose work ends soon once their owner is closed. Thread-safe.

    None must be there when the interpreter ends: it ends them in the midst of native code, which aborts the process.
    """

    def __init__(self) -> None:
        self._running: set[threading.Thread] = set()

    def begin(self, work: Callable[[], None], name: str) -> None:
        """Do this in a thread."""

        def run() -> None:
            try:
                work()
            finally:
                self._running.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._running.add(thread)
        thread.start()

    def join(self, seconds: float) -> None:
        """Wait for all of them, so long at most."""
        give_up = time.monotonic() + seconds
        for thread in list(self._running):
            thread.join(max(0.0, give_up - time.monotonic()))
