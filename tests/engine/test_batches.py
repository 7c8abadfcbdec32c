"""Batches go by number and by time, and what has no room is counted."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

from engine.batches import BatchLimits, BatchQueue
from tests.harness.waiting import until

LIMITS = BatchLimits(items=3, seconds=600, waiting=6)


class Sink:
    """Takes batches when it is let, and remembers what it is told of those that are lost."""

    def __init__(self) -> None:
        self.open, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.told: list[tuple[int, str]] = []
        self.failure: Exception | None = None

    def write(self, items: list[int]) -> None:
        self.begun.set()
        self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.batches.append(items)

    def tell(self, lost: int, error: Exception | None) -> None:
        self.told.append((lost, str(error)))


def test_a_batch_goes_when_it_is_full_or_old_or_at_the_end() -> None:
    sink = Sink()
    sink.open.set()
    queue = BatchQueue("test", sink.write, sink.tell, LIMITS)
    for item in range(4):
        queue.put([item])
    until(lambda: queue.written == 3)
    queue.close(20)
    assert sink.batches == [[0, 1, 2], [3]]
    aged = BatchQueue("test", sink.write, sink.tell, replace(LIMITS, seconds=0.01))
    aged.put([9])
    until(lambda: aged.written == 1)
    aged.close(20)
    assert (sink.batches[2:], sink.told) == ([[9]], [])


def test_what_has_no_room_is_lost_and_told_once() -> None:
    sink = Sink()
    queue = BatchQueue("test", sink.write, sink.tell, LIMITS)
    for item in range(3):
        queue.put([item])
    assert sink.begun.wait(20)
    for item in range(3, 20):
        queue.put([item])
    assert queue.dropped == 11
    sink.open.set()
    queue.close(20)
    queue.put([99])
    assert sink.batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert (queue.written, queue.dropped, sink.told) == (9, 12, [(11, "None")])


def test_many_threads_lose_no_item_and_wake_who_writes() -> None:
    sink, each, threads = Sink(), 500, 16
    sink.open.set()
    queue = BatchQueue("test", sink.write, sink.tell, BatchLimits(items=7, seconds=600, waiting=100_000))

    def put(first: int) -> None:
        for item in range(first, first + each):
            queue.put([item])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        putting = [threading.Thread(target=put, args=(number * each,)) for number in range(threads)]
        for thread in putting:
            thread.start()
        for thread in putting:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    until(lambda: queue.written == each * threads // 7 * 7)
    queue.close(20)
    assert sorted(item for batch in sink.batches for item in batch) == list(range(each * threads))
    assert max(map(len, sink.batches)) == 7
    assert queue.dropped == 0


def test_what_cannot_be_written_is_lost_and_the_next_goes() -> None:
    sink = Sink()
    sink.open.set()
    sink.failure = OSError("full")
    queue = BatchQueue("test", sink.write, sink.tell, replace(LIMITS, items=1))
    queue.put([0])
    until(lambda: queue.dropped == 1)
    queue.put([1])
    until(lambda: queue.dropped == 2)
    assert sink.told == [(1, "full")]  # and not again before its time
    sink.failure = None
    queue.put([2])
    until(lambda: queue.written == 1)
    queue.close(20)
    assert sink.told == [(1, "full"), (1, "full")]
    assert sink.batches == [[2]]


def test_what_the_end_does_not_wait_for_is_lost_and_told() -> None:
    sink = Sink()
    queue = BatchQueue("test", sink.write, sink.tell, LIMITS)
    for item in range(3):
        queue.put([item])
    assert sink.begun.wait(20)
    queue.put([3])
    queue.close(0.01)
    assert (queue.written, queue.dropped, sink.told) == (0, 4, [(4, "the end did not wait for them longer")])
    sink.open.set()
    until(lambda: sink.batches)
    assert (queue.written, queue.dropped) == (0, 4)
