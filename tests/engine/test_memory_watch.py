"""Whom the memory of the process counts for, and who ends where it is too much."""

from __future__ import annotations

import gc
import os
import resource
import time
from dataclasses import dataclass

import pytest

from engine.cancellation import Cancellation
from engine.errors import MemoryExceededError
from engine.kernel import Kernel, KernelConfig
from engine.memory_watch import MemoryWatch, allow, resident_bytes


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
        self.kept = 0  # of what is used, by allocators
        self.allowed: list[int | None] = []
        self.watch = MemoryWatch(limit, lambda: self.running, self.give_back, lambda: self.used, self.allowed.append)

    def give_back(self) -> None:
        self.used, self.kept = self.used - self.kept, 0

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
    process.look(115)  # what it had is about to be freed
    assert small.ended == 0
    for _ in range(20):
        process.look(115)
    assert small.ended == 1
    process.running = []
    process.look(110)  # nobody is left to end


def test_what_allocators_keep_ends_nobody() -> None:
    process = Process(100)
    process.running = [Running("next")]
    process.kept = 80
    process.look(120)
    assert process.used == 40
    process.look(130)
    assert process.running[0].ended == 1


def test_the_system_allows_what_is_left_and_no_more_above_the_limit() -> None:
    process = Process(1 << 30)
    process.look(1 << 28)
    assert process.allowed == []  # which the cluster that is started would inherit
    process.running = [Running("any")]
    process.look(1 << 29)
    process.look(1 << 30)
    process.look(5 << 30)
    process.look(1 << 28)
    process.watch.close()
    process.look(1 << 28)
    assert process.allowed == [1 << 30, 1 << 29, (3 << 28) + (1 << 29), None]


def test_what_the_system_refuses_is_an_error_of_the_query() -> None:
    """In a single step, between whose parts the kernel heeds no interrupt: 700 MB where 256 MB are left."""
    with Kernel(KernelConfig(threads=1)) as kernel:
        texts = " || ".join(["s"] * 11)
        one = "SELECT repeat('x', 10000000 + i::INT) AS s FROM range(1) t(i)"
        allow(256 << 20)
        try:
            with pytest.raises(MemoryExceededError):
                kernel.stream(f"SELECT length({texts}) AS n FROM ({one})")
            assert kernel.stream("SELECT 1 AS x").reader.read_all().num_rows == 1
        finally:
            allow(None)
        assert kernel.losses == 0
        assert kernel.stream(f"SELECT length({texts}) AS n FROM ({one})").reader.read_all().to_pylist() == [
            {"n": 110_000_000}
        ]


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


def test_what_a_query_used_is_there_for_the_next() -> None:
    """Large texts are what the kernel's allocator keeps after their query is over."""
    gc.collect()
    gc.disable()  # it is not needed
    more = 150 << 20
    with Kernel(KernelConfig(threads=1, process_memory=resident_bytes() + more)) as kernel:
        texts = "SELECT repeat('x', 1000000 + i::INT) AS s FROM range(300) t(i)"
        with pytest.raises(MemoryExceededError):
            kernel.stream(f"SELECT length(string_agg(s, '')) AS n FROM ({texts})").reader.read_all()
        watch = kernel._instance._watch
        assert watch is not None
        watch.close()  # from here on it looks when it is told to
        watch._thread.join()
        cancellation = Cancellation()
        stream = kernel.stream("SELECT i FROM range(1000000) t(i)", cancellation=cancellation)
        give_up = time.monotonic() + 10
        while resident_bytes() > watch._limit and time.monotonic() < give_up:  # the kernel frees it in the background
            watch._give_back()
        for _ in range(30):
            watch.look()
        cancellation.check()
        assert stream.reader.read_all().num_rows == 1_000_000
    gc.enable()


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
