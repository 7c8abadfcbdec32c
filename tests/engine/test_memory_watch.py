"""Whom the memory of the process counts for, and who ends where it is too much."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

import pytest

from engine.context import Cancellation
from engine.errors import MemoryExceededError
from engine.kernel import Kernel, KernelConfig
from engine.memory_watch import MemoryWatch, resident_bytes


@dataclass(eq=False)
class Running:
    name: str
    grown: float = 0.0
    ended: int = 0

    def exceed(self) -> None:
        self.ended += 1


class Process:
    """Statements that run, and the bytes of their process."""

    def __init__(self, limit: int) -> None:
        self.used, self.running = 0, list[Running]()
        self.watch = MemoryWatch(limit, lambda: self.running, lambda: self.used)

    def look(self, used: int) -> None:
        self.used = used
        self.watch.look()


def test_growth_counts_for_those_that_run() -> None:
    process = Process(100)
    old, large = Running("old"), Running("large")
    process.running = [old]
    process.look(10)
    process.running = [old, large]
    process.look(90)
    assert (old.grown, large.grown) == (50, 40)
    process.running = [large]
    process.look(80)
    assert (large.grown, large.ended, old.ended) == (30, 0, 0)


def test_the_largest_ends_first_and_the_next_where_that_does_not_help() -> None:
    process = Process(100)
    small, large = Running("small"), Running("large")
    process.running = [large]
    process.look(60)
    process.running = [large, small]
    process.look(110)
    assert (large.ended, small.ended) == (1, 0)
    process.look(120)  # it is about to stop
    assert (large.ended, small.ended) == (1, 0)
    process.running = [small]
    process.look(115)
    assert small.ended == 1
    process.running = []
    process.look(110)  # nobody is left to end


def test_who_does_not_stop_is_followed_by_the_next() -> None:
    process = Process(100)
    stuck, other = Running("stuck", grown=50), Running("other")
    process.running = [stuck, other]
    for _ in range(30):
        process.look(200)
    assert stuck.ended >= 1
    assert other.ended >= 1


def test_a_query_that_makes_the_process_too_large_ends() -> None:
    """Its rows are sorted in memory, of which it may have any amount."""
    more = 150 << 20
    with Kernel(KernelConfig(threads=1, process_memory=resident_bytes() + more)) as kernel:
        with pytest.raises(MemoryExceededError, match="took most of the memory"):
            kernel.stream("SELECT repeat('abcdef', 10000 + i % 7) AS s FROM range(100000) t(i) ORDER BY s")
        assert kernel.stream("SELECT 1 AS x").reader.read_all().num_rows == 1


def test_a_statement_is_told_why() -> None:
    cancellation = Cancellation()
    cancellation.exceed()
    with pytest.raises(MemoryExceededError):
        cancellation.check()


def test_memory_is_told_where_no_file_can_be_opened() -> None:
    before = resident_bytes()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.pipe()
        told = resident_bytes()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert told > before // 2
