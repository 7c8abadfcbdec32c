"""Turns: who is next, and what becomes of those whose clients do not read."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from engine.cancellation import Cancellation
from engine.errors import DeadlineExceededError, ResourceExhaustedError
from flight_server.gate import Gate

PATIENCE = 10.0
Leave = Callable[[], None]


def stalled() -> float:
    """A client that has not read for long."""
    return time.monotonic() - 100.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as pool:
        yield pool


class Clients:
    """Queries of clients that wait in threads; `entered` has their names in the order of their turns."""

    def __init__(self, gate: Gate, threads: ThreadPoolExecutor) -> None:
        self.gate, self.threads = gate, threads
        self.entered: queue.SimpleQueue[tuple[str, Leave]] = queue.SimpleQueue()

    def wait(self, owner: str, peer: str = "", unread: Callable[[], float | None] = lambda: None) -> Future[None]:
        """Let one wait for its turn."""
        before = self.gate.waiting_count

        def enter() -> None:
            self.entered.put((owner + peer, self.gate.enter(owner, peer, Cancellation(), unread)))

        future = self.threads.submit(enter)
        give_up = time.monotonic() + PATIENCE
        while self.gate.waiting_count == before and not future.done():
            assert time.monotonic() < give_up
        return future

    def next(self) -> tuple[str, Leave]:
        """Who had its turn next."""
        return self.entered.get(timeout=PATIENCE)


def test_a_turn_goes_to_who_has_fewest(threads: ThreadPoolExecutor) -> None:
    gate = Gate(4, 100, PATIENCE, PATIENCE)
    anns = [gate.enter("ann", "1", Cancellation()) for _ in range(4)]
    clients = Clients(gate, threads)
    for name, peer in (("ann", "1"), ("ann", "2"), ("bob", ""), ("bob", ""), ("bob", ""), ("cid", "")):
        clients.wait(name, peer)
    order = []
    for leave in anns:
        leave()
        order.append(clients.next())
    assert [name for name, _ in order] == ["bob", "cid", "ann2", "bob"]
    for _, leave in order:
        leave()
    rest = [clients.next() for _ in range(2)]
    assert {name for name, _ in rest} == {"ann1", "bob"}
    for _, leave in rest:
        leave()
        leave()
    assert (gate.running_count, gate.waiting_count) == (0, 0)


def test_who_does_not_read_gives_its_turn_to_who_waits_and_keeps_its_query(threads: ThreadPoolExecutor) -> None:
    gate = Gate(3, 100, PATIENCE, 1.0)
    calls = [Cancellation() for _ in range(3)]
    leaves = [
        gate.enter("ann", "", call, unread)
        for call, unread in zip(calls, (stalled, stalled, lambda: None), strict=True)
    ]
    clients = Clients(gate, threads)
    for _ in range(2):
        clients.wait("bob")
    bobs = [clients.next()[1] for _ in range(2)]
    assert (gate.running_count, gate.waiting_count) == (3, 0)
    waits = clients.wait("bob")
    for leave in leaves[:2]:
        leave()
    assert (gate.running_count, gate.waiting_count, waits.done()) == (3, 1, False)
    bobs[0]()
    clients.next()[1]()
    assert not any(call.is_cancelled for call in calls)


def test_nobody_gives_up_a_turn_while_nobody_waits_or_before_its_time(threads: ThreadPoolExecutor) -> None:
    gate = Gate(1, 100, 0.6, 50.0)
    leave = gate.enter("ann", "", Cancellation(), lambda: time.monotonic() - 40.0)
    with pytest.raises(ResourceExhaustedError, match=r"waited 0\.6 s for its turn; 1 queries run"):
        gate.enter("bob", "", Cancellation())
    assert (gate.running_count, gate.waiting_count) == (1, 0)
    leave()
    assert gate.running_count == 0


def test_no_more_queries_are_left_unread_than_there_are_slots(threads: ThreadPoolExecutor) -> None:
    gate = Gate(2, 100, PATIENCE, 1.0)
    first, *calls = (Cancellation() for _ in range(5))
    began = time.monotonic() - 100.0
    for i, call in enumerate((first, *calls)):
        owner = "ann" if i else "bob"
        call.on_cancel(threads.submit(gate.enter, owner, "", call, lambda i=i: began + i).result(PATIENCE))
    threads.submit(gate.enter, "cid", "", Cancellation()).result(PATIENCE)
    give_up = time.monotonic() + PATIENCE
    while not (
        calls[0].is_cancelled and calls[1].is_cancelled
    ):  # by the threads that waited, once they have their turns
        assert time.monotonic() < give_up
    with pytest.raises(DeadlineExceededError, match="read nothing for 1 s while others waited"):
        calls[0].check()
    assert not any(call.is_cancelled for call in (first, *calls[2:]))
