"""A server whose workers are gone takes no queries, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flight_server.monitoring.watchdog import WORKERS_TOLD, Watchdog
from flight_server.readiness import Readiness
from ray_runtime.exchange import WorkerId
from ray_runtime.runtime import RayRuntime
from tests.harness.waiting import until
from tests.ray_runtime.faults import kill


def test_a_server_without_workers_is_not_ready_until_one_is_back(
    start_runtime: Callable[..., RayRuntime], caplog: pytest.LogCaptureFixture
) -> None:
    runtime, readiness, troubles = start_runtime(workers=1), Readiness(), list[str]()

    def unwell() -> None:
        readiness.unwell("no worker")
        troubles.append("no worker")

    readiness.start()
    watchdog = Watchdog(
        runtime.wait_for_worker, unwell, lambda: readiness.well("no worker"), 0.2, 0.01, told=WORKERS_TOLD
    )
    assert runtime.sql("SELECT count(*) AS n FROM t").read_all()["n"].to_pylist() == [40_000]
    assert readiness.ready
    kill(runtime, WorkerId("w0"))
    until(lambda: troubles)
    until(lambda: readiness.ready)
    assert runtime.executor.workers().keys() == {WorkerId("w0", 1)}
    watchdog.close()
    told = [record.getMessage() for record in caplog.records if record.name == "grism"]
    assert told[-2:] == list(WORKERS_TOLD)


def test_nobody_waits_for_workers_of_what_is_closed(start_runtime: Callable[..., RayRuntime]) -> None:
    runtime = start_runtime(workers=1)
    runtime.close()
    runtime.wait_for_worker()
