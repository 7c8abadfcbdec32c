"""What allocators keep although nobody uses it any more goes back to the system."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
from collections import deque
from collections.abc import Callable

import pyarrow as pa

from engine.memory_watch import resident_bytes

__all__ = ["MemoryReturn", "memory_returner"]

_INTERVAL = 5.0  # seconds
_LOOKS = 3
_WORTH = 64 << 20  # bytes


def memory_returner() -> Callable[[], None]:
    """What returns the memory to the system that the allocators of this process keep although nobody uses it.

    Arrow's and the kernel's keep a gigabyte for good where statements made large values; in SQL nothing gives it back.
    That of the C library keeps all that lies below anything that is still in use.
    """
    spec = importlib.util.find_spec("_duckdb")
    assert spec is not None
    flush = getattr(ctypes.CDLL(spec.origin), "_ZN6duckdb9Allocator8FlushAllEv", None)  # duckdb::Allocator::FlushAll()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library's

    def give_back() -> None:
        pa.default_memory_pool().release_unused()
        if flush is not None:
            flush()
        if trim is not None:
            trim(0)

    return give_back


class MemoryReturn:
    """Calls `give_back` where the process has had more than it had at the least since the last time, for some looks on
    end, and enough that it is worth it. What is in use is asked for once, since it counts as had from then on.

    `used` gives the bytes of the process. Start it, and close it.

    Example: a process of 300 MB has 900 while clients are slow, and 850 when they have left. 15 seconds later, it
    gives back, and has 320. Had it kept 850, which it uses, nothing would be tried again below 914.
    """

    def __init__(self, give_back: Callable[[], None], used: Callable[[], int] = resident_bytes) -> None:
        self._give_back, self._used = give_back, used
        self._least = sys.maxsize
        self._seen = deque[int](maxlen=_LOOKS)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="grism-memory-return", daemon=True)

    def start(self) -> None:
        """Look from now on, every few seconds, where the system tells what the process has."""
        if sys.platform == "linux":
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def look(self) -> None:
        """See what the process has, and give back what it keeps."""
        used = self._used()
        self._least = min(self._least, used)
        self._seen.append(used)
        if len(self._seen) == _LOOKS and min(self._seen) >= self._least + _WORTH:
            self._give_back()
            self._seen.clear()
            self._least = self._used()

    def _run(self) -> None:
        while not self._closed.wait(_INTERVAL):
            self.look()
