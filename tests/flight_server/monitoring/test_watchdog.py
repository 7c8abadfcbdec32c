"""A kernel that answers nothing is noticed, and so is its coming back."""

from __future__ import annotations

import threading

from engine.kernel import Kernel, KernelConfig
from flight_server.health import HealthServer, check_health
from flight_server.monitoring.watchdog import Watchdog, answers
from flight_server.readiness import Readiness
from tests.harness.waiting import until


def test_a_check_that_hangs_is_told_until_it_ends() -> None:
    hangs, goes_on, checks = threading.Event(), threading.Event(), []

    def check() -> None:
        checks.append(1)
        if hangs.is_set():
            goes_on.wait()

    with HealthServer("127.0.0.1", 0) as health:
        readiness = Readiness(health)
        readiness.start()
        watchdog = Watchdog(
            check, lambda: readiness.unwell("hung"), lambda: readiness.well("hung"), bound=0.05, interval=0.01
        )
        until(lambda: len(checks) > 3)
        assert readiness.ready
        hangs.set()
        until(lambda: not readiness.ready)
        assert check_health(health.address) == "NOT_SERVING"
        count = len(checks)
        readiness.well("lost")  # another trouble is over
        assert not readiness.ready
        assert len(checks) == count
        hangs.clear()
        goes_on.set()
        until(lambda: readiness.ready)
        until(lambda: len(checks) > count)
        assert check_health(health.address) == "SERVING"
        watchdog.close()


def test_it_ends_while_a_check_hangs() -> None:
    hangs, told = threading.Event(), threading.Event()
    watchdog = Watchdog(hangs.wait, told.set, told.clear, bound=0.01, interval=0.01)  # type: ignore[arg-type]
    assert told.wait(20)
    watchdog.close()
    assert told.is_set()
    hangs.set()


def test_a_kernel_that_refuses_answers() -> None:
    kernel = Kernel(KernelConfig(threads=1))
    answers(kernel)
    kernel.close()
    answers(kernel)
