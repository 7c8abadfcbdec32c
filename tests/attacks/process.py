"""What a server process holds: memory, threads, files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Held", "holdings", "wait_settled"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MARGIN = 96_000_000  # bytes: the allocators of C++ and of Python give back late, and not all
_FEW = 4  # gRPC and the kernel keep some threads and sockets, and drop them when they like


@dataclass(frozen=True)
class Held:
    """Resident bytes, threads, and open files and sockets."""

    rss: int
    threads: int
    files: int

    def is_no_more_than(self, before: Held) -> bool:
        """Whether this is what it was `before`, but for what allocators and pools keep."""
        return (
            self.rss <= before.rss + _MARGIN
            and self.threads <= before.threads + _FEW
            and self.files <= before.files + _FEW
        )


def holdings(pid: int) -> Held:
    """What the process holds now."""
    proc = Path("/proc") / str(pid)
    resident = int((proc / "statm").read_text().split()[1]) * _PAGE
    return Held(resident, len(list((proc / "task").iterdir())), len(list((proc / "fd").iterdir())))


def wait_settled(pid: int, before: Held, seconds: float = 60.0, also: Callable[[], None] = lambda: None) -> Held:
    """What the process holds once that is no more than `before`, or after so many seconds; `also` runs in between."""
    end = time.monotonic() + seconds
    while not (now := holdings(pid)).is_no_more_than(before) and time.monotonic() < end:
        also()
        time.sleep(0.1)
    return now
