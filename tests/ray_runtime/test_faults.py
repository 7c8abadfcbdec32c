"""Workers that die or hang at every moment of a query, as real processes.

Each fault is shown to have happened (the worker has a successor, and tasks ran again where outputs were lost), and
each has its negative control: without retries the same fault ends the query with WorkerLostError.
"""

import signal
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.errors import StageFailedError, WorkerLostError
from ray_runtime.stages import StageGraph
from tests.ray_runtime.conftest import ROWS, start
from tests.ray_runtime.faults import SLOW, alive, first, idle, in_background, kill, until

MAP_HEAVY = f"SELECT s, sum({SLOW}) AS n FROM t GROUP BY s ORDER BY s"
REDUCE_HEAVY = f"SELECT sum({SLOW}) AS n, count(*) AS rows FROM (SELECT DISTINCT v, s FROM t)"
"""The second stage does the work, on what the first one has written."""

moments = {
    "before a stage": (MAP_HEAVY, None),
    "in the middle of a task": (MAP_HEAVY, lambda status: status.running),
    "after an output was committed": (MAP_HEAVY, lambda status: status.outputs),
    "while others read from it": (REDUCE_HEAVY, lambda status: any(task.stage == 1 for task in status.running)),
}


@pytest.fixture(scope="module")
def undisturbed(shared_runtime):
    return {sql: shared_runtime.sql(sql).read_all() for sql in (MAP_HEAVY, REDUCE_HEAVY)}


@pytest.fixture(scope="module")
def runtimes(ray_session, tmp_path_factory):
    """By the number of retries, each with three workers; whoever dies in a test is replaced for the next.

    Results are fetched hardly ahead of their reader.
    """
    with ExitStack() as stack:
        yield {
            retries: stack.enter_context(
                start(tmp_path_factory.mktemp("faults"), workers=3, retries=retries, heartbeat_timeout=5.0, ahead=1)
            )
            for retries in (3, 0)
        }


@pytest.fixture
def whole(runtimes):
    """Gives a runtime once all its workers are there and do nothing, and how many have died so far."""

    def whole(retries):
        runtime = runtimes[retries]
        until(lambda: len(runtime.executor.workers()) == 3 and idle(runtime))
        return runtime, deaths(runtime)

    return whole


def deaths(runtime):
    """How many workers have been replaced."""
    return sum(worker.incarnation for worker in runtime.executor.workers())


@pytest.mark.parametrize("moment", moments)
@pytest.mark.parametrize("retries", [3, 0])
def test_a_worker_that_is_killed(whole, undisturbed, moment, retries):
    runtime, before = whole(retries)
    sql, sign = moments[moment]
    answer = in_background(runtime, sql)
    kill(runtime, first(runtime, sign or (lambda status: True)))
    if retries:
        assert answer.result(60).equals(undisturbed[sql])
    elif moment != "before a stage" or answer.exception(60) is not None:
        assert isinstance(answer.exception(60), WorkerLostError)
    until(lambda: deaths(runtime) == before + 1)
    until(lambda: idle(runtime), 2)


@pytest.mark.parametrize("count", [2, 3])
def test_several_workers_at_once(whole, undisturbed, count):
    runtime, before = whole(3)
    answer = in_background(runtime, MAP_HEAVY)
    first(runtime, lambda status: status.outputs)
    for victim in list(runtime.executor.workers())[:count]:
        kill(runtime, victim)
    assert answer.result(60).equals(undisturbed[MAP_HEAVY])
    until(lambda: deaths(runtime) == before + count)


@pytest.mark.parametrize("retries", [3, 0])
def test_a_worker_that_hangs(whole, undisturbed, retries):
    runtime, _ = whole(retries)
    answer = in_background(runtime, MAP_HEAVY)
    victim = first(runtime, lambda status: status.running)
    pid = runtime.executor.workers()[victim].pid
    kill(runtime, victim, signal.SIGSTOP)
    if retries:
        assert answer.result(60).equals(undisturbed[MAP_HEAVY])
    else:
        error = answer.exception(60)
        assert isinstance(error, WorkerLostError)
        assert "did not answer for 5 seconds" in error.message
    assert victim not in runtime.executor.workers()
    until(lambda: not alive(pid), 30)


def test_a_result_that_is_read_slowly_outlives_the_workers_that_made_it(whole):
    """The scan's tasks are the result themselves, without the gather; hardly one is fetched when all workers die."""
    runtime, before = whole(3)
    plan = runtime.plan(runtime.frontend.plan("SELECT v FROM t"))
    result = runtime.execute(replace(plan, stages=StageGraph(plan.stages.stages[:1])))
    rows = [result.reader.read_next_batch()]
    for victim in list(runtime.executor.workers()):
        kill(runtime, victim)
    rows += list(result)
    assert [v for batch in rows for v in batch["v"].to_pylist()] == list(range(ROWS))
    until(lambda: bool(result.stats()))
    assert [stage.attempts > stage.tasks for stage in result.stats()] == [True], "nothing was lost"
    until(lambda: deaths(runtime) == before + 3)


def test_all_workers_and_none_comes_back_in_time(start_runtime):
    runtime = start_runtime(workers=2, grace=0.2)
    answer = in_background(runtime, MAP_HEAVY)
    first(runtime, lambda status: status.running)
    for victim in list(runtime.executor.workers()):
        kill(runtime, victim)
    error = answer.exception(20)
    assert isinstance(error, WorkerLostError)
    assert "none came back" in error.message


def test_a_task_that_takes_every_worker_with_it_is_given_up(start_runtime):
    """Whoever runs something is killed: the attempts of some task are used up, and the error lists the causes."""
    runtime = start_runtime(workers=1, retries=1)
    answer = in_background(runtime, MAP_HEAVY)
    while not answer.done():
        for worker, status in runtime.executor.status().items():
            if status.running and worker in runtime.executor.workers():
                kill(runtime, worker)
                until(lambda gone=worker: gone not in runtime.executor.workers())
    error = answer.exception()
    assert isinstance(error, StageFailedError)
    assert error.message.count("WorkerLostError") == 2
