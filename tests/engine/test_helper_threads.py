"""Threads that work beside their owner."""

from __future__ import annotations

import threading

from engine.helper_threads import HelperThreads

PATIENCE = 20.0


def test_join_waits_for_those_that_work() -> None:
    helpers, steps = HelperThreads(), []

    def work() -> None:
        threading.Event().wait(0.1)
        steps.append("worked")

    helpers.begin(work, "one")
    helpers.begin(work, "another")
    helpers.join(PATIENCE)
    assert steps == ["worked", "worked"]


def test_join_gives_up_on_all_together() -> None:
    """However many hang, it takes as long as for one."""
    helpers, ends = HelperThreads(), threading.Event()
    waits: list[float] = []

    class Stuck(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            waits.append(timeout or 0.0)
            super().join(timeout)

    stuck = [Stuck(target=ends.wait, daemon=True) for _ in range(5)]
    for thread in stuck:
        thread.start()
    helpers._running.update(stuck)
    try:
        helpers.join(0.1)
    finally:
        ends.set()
    assert len(waits) == 5
    assert sum(waits) < 0.2
