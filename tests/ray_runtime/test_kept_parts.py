"""Results in parts, as the runtime has its workers keep them; and numbers of partitions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyarrow import flight

from engine.cancellation import Cancellation
from engine.errors import WorkerLostError
from ray_runtime.planner.planner import DistributedPlan
from ray_runtime.runtime import RayRuntime
from tests.harness.waiting import until
from tests.ray_runtime.faults import kill
from tests.ray_runtime.test_parts import wait_until_gone


def test_the_part_of_a_worker_that_died_is_told_to_be_lost(start_runtime: Callable[..., RayRuntime]) -> None:
    runtime = start_runtime(workers=2)
    result = runtime.run_to_parts(runtime.plan(runtime.frontend.plan("SELECT * FROM t")), 60.0)
    places = {description.location: worker for worker, description in runtime.executor.workers().items()}
    assert len({part.location for part in result.parts}) == 2
    dead = result.parts[0].location
    kill(runtime, places[dead])
    for part in result.parts:
        if part.location == dead:
            with pytest.raises(WorkerLostError, match=r"worker w\d \(incarnation 0\), .* Ask for the query again"):
                result.read(part, Cancellation())
        else:
            assert result.read(part, Cancellation()).reader.read_all().num_rows == part.rows
    result.release()


def test_parts_go_when_their_time_is_over(shared_runtime: RayRuntime) -> None:
    plan = shared_runtime.plan(shared_runtime.frontend.plan("SELECT * FROM t"))
    result = shared_runtime.run_to_parts(plan, 0.5)
    assert sum(part.rows for part in result.parts) == 40_000
    assert len(result.parts) > 1
    for part in result.parts:
        wait_until_gone(flight.FlightEndpoint(part.ticket, [part.location]))
    until(lambda: not any(status.outputs for status in shared_runtime.executor.status().values()))


def test_partitions_are_part_of_what_is_remembered(shared_runtime: RayRuntime) -> None:
    query = shared_runtime.frontend.plan("SELECT k, count(*) FROM t GROUP BY 1")

    def partitions(plan: DistributedPlan) -> int:
        return max(stage.partitions for stage in plan.stages)

    assert [partitions(shared_runtime.plan(query, n)) for n in (None, 7, 2, 7)] == [4, 7, 2, 7]
