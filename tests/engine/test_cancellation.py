"""Cancellation, memory, metrics: the parts of a query's surroundings."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from engine.cancellation import Cancellation, follow
from engine.errors import CancelledError, DeadlineExceededError
from flight_server.endpoint.status import ShutdownError

# Cancellation


def test_cancelling_is_one_way_and_keeps_the_first_reason() -> None:
    cancellation = Cancellation()
    assert not cancellation.is_cancelled
    assert cancellation.cause is None
    cancellation.check()
    cancellation.cancel("first")
    cancellation.cancel("second")
    cancellation.expire()
    assert cancellation.is_cancelled
    assert isinstance(cancellation.cause, CancelledError)
    for _ in range(2):
        with pytest.raises(CancelledError, match="first"):
            cancellation.check()


def test_who_keeps_the_switch_keeps_nothing_of_where_its_cause_was_raised() -> None:
    class Rows:
        """What a query has computed."""

    def read(cancellation: Cancellation) -> weakref.ref[Rows]:
        rows = Rows()
        kept.append(weakref.ref(rows))
        cancellation.check()
        raise AssertionError(rows)

    kept: list[weakref.ref[Rows]] = []
    cancellation, following = Cancellation(), Cancellation()
    follow(cancellation, following)
    cancellation.stop(ShutdownError())
    for switch in (cancellation, following):
        gc.disable()
        try:
            with pytest.raises(ShutdownError, match="The server"):
                read(switch)
            assert kept.pop()() is None
        finally:
            gc.enable()


def test_callbacks_run_once_in_the_thread_that_cancels() -> None:
    cancellation = Cancellation()
    seen: list[str] = []
    cancellation.on_cancel(lambda: seen.append(threading.current_thread().name))
    thread = threading.Thread(target=cancellation.cancel, name="canceller")
    thread.start()
    thread.join()
    cancellation.cancel()
    assert seen == ["canceller"]


def test_a_callback_that_comes_late_runs_at_once() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    seen: list[int] = []
    forget = cancellation.on_cancel(lambda: seen.append(1))
    assert seen == [1]
    forget()


def test_a_callback_can_be_taken_back() -> None:
    cancellation = Cancellation()
    seen: list[int] = []
    forget = cancellation.on_cancel(lambda: seen.append(1))
    cancellation.on_cancel(lambda: seen.append(2))
    forget()
    forget()
    cancellation.cancel()
    assert seen == [2]


def test_a_callback_may_ask_and_cancel_again() -> None:
    cancellation = Cancellation()
    seen: list[bool] = []

    def callback() -> None:
        seen.append(cancellation.is_cancelled)
        cancellation.cancel("again")

    cancellation.on_cancel(callback)
    cancellation.cancel("once")
    assert seen == [True]
    assert str(cancellation.cause) == "once"


def test_a_passed_deadline_counts_without_anybody_listening() -> None:
    cancellation = Cancellation(deadline=time.monotonic() - 1)
    assert cancellation.is_cancelled
    with pytest.raises(DeadlineExceededError, match="ran out of time"):
        cancellation.check()


def test_a_deadline_calls_those_who_listen() -> None:
    deadline = time.monotonic() + 0.05
    cancellation = Cancellation(deadline)
    thrown = threading.Event()
    cancellation.on_cancel(thrown.set)
    assert thrown.wait(10)
    assert time.monotonic() >= deadline
    assert isinstance(cancellation.cause, DeadlineExceededError)


def test_nobody_waits_for_a_deadline_once_nobody_listens() -> None:
    before = set(threading.enumerate())
    cancellation = Cancellation(deadline=time.monotonic() + 3600)
    forgets = [cancellation.on_cancel(lambda: None) for _ in range(3)]
    (alarm,) = [t for t in threading.enumerate() if isinstance(t, threading.Timer) and t not in before]
    for forget in forgets:
        forget()
    alarm.join(10)
    assert set(threading.enumerate()) <= before
    cancellation.on_cancel(lambda: None)
    cancellation.cancel()
    assert isinstance(cancellation.cause, CancelledError)
