"""How busy processes are, as the system tells it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["cpu_seconds", "ray_workers", "wait_busy", "wait_idle"]

_TICKS = os.sysconf("SC_CLK_TCK")
_WINDOW = 0.3  # seconds over which a process is watched
_PATIENCE = 15.0


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes so far; of one that has ended, nothing."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def ray_workers(root: int | None = None) -> list[int]:
    """The processes of Ray actors that descend from the process `root`, or from this one."""
    root = os.getpid() if root is None else root
    parents: dict[int, int] = {}
    actors = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::"):
                actors.add(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [pid for pid in actors if root in _ancestors(pid, parents)]


def wait_busy(pids: Callable[[], Iterable[int]]) -> None:
    """Wait until the processes have computed for a while."""
    before, give_up = cpu_seconds(pids()), time.monotonic() + _PATIENCE
    while cpu_seconds(pids()) < before + _WINDOW:
        assert time.monotonic() < give_up, "the processes do nothing"
        time.sleep(0.02)


def wait_idle(pids: Callable[[], Iterable[int]]) -> None:
    """Wait until the processes hardly compute."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        before = cpu_seconds(pids())
        time.sleep(_WINDOW)
        if cpu_seconds(pids()) - before < _WINDOW / 4:
            return
        assert time.monotonic() < give_up, "the processes still compute"


def _ancestors(pid: int, parents: dict[int, int]) -> list[int]:
    found = []
    while pid in parents:
        pid = parents[pid]
        found.append(pid)
    return found
