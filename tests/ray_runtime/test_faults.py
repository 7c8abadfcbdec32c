"""Workers that die or hang at every moment of a query, as real processes.

Each fault is shown to have happened (the worker has a successor, and tasks ran again where outputs were lost), and
each has its negative control: without retries the same fault ends the query with WorkerLostError.
"""

import signal

import pytest

from engine.errors import StageFailedError, WorkerLostError
from tests.ray_runtime.conftest import ROWS
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


def successors(runtime):
    """How many workers have replaced one."""
    return sum(worker.incarnation for worker in runtime.executor.workers())


@pytest.mark.parametrize("moment", moments)
@pytest.mark.parametrize("retries", [3, 0])
def test_a_worker_that_is_killed(start_runtime, undisturbed, moment, retries):
    runtime = start_runtime(workers=3, retries=retries)
    sql, sign = moments[moment]
    answer = in_background(runtime, sql)
    victim = first(runtime, sign or (lambda status: True))
    kill(runtime, victim)
    if retries:
        assert answer.result(60).equals(undisturbed[sql])
    elif moment != "before a stage" or answer.exception(60) is not None:
        assert isinstance(answer.exception(60), WorkerLostError)
    until(lambda: successors(runtime) == 1 and len(runtime.executor.workers()) == 3)
    until(lambda: idle(runtime), 2)


def test_two_workers_at_once(start_runtime, undisturbed):
    runtime = start_runtime(workers=3)
    answer = in_background(runtime, MAP_HEAVY)
    first(runtime, lambda status: status.outputs)
    for victim in list(runtime.executor.workers())[:2]:
        kill(runtime, victim)
    assert answer.result(60).equals(undisturbed[MAP_HEAVY])
    until(lambda: successors(runtime) == 2)


def test_all_workers_at_once_and_their_successors_finish_the_query(start_runtime, undisturbed):
    runtime = start_runtime(workers=2)
    answer = in_background(runtime, MAP_HEAVY)
    first(runtime, lambda status: status.outputs)
    for victim in list(runtime.executor.workers()):
        kill(runtime, victim)
    assert answer.result(60).equals(undisturbed[MAP_HEAVY])
    assert successors(runtime) == 2


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


@pytest.mark.parametrize("retries", [3, 0])
def test_a_worker_that_hangs(start_runtime, undisturbed, retries):
    runtime = start_runtime(workers=2, retries=retries, heartbeat_timeout=2.0)
    answer = in_background(runtime, MAP_HEAVY)
    victim = first(runtime, lambda status: status.running)
    pid = runtime.executor.workers()[victim].pid
    kill(runtime, victim, signal.SIGSTOP)
    if retries:
        assert answer.result(60).equals(undisturbed[MAP_HEAVY])
    else:
        error = answer.exception(60)
        assert isinstance(error, WorkerLostError)
        assert "did not answer for 2 seconds" in error.message
    assert victim not in runtime.executor.workers()
    until(lambda: not alive(pid), 30)


def test_a_result_that_is_read_slowly_outlives_the_workers_that_made_it(start_runtime):
    runtime = start_runtime(workers=2)
    result = runtime.sql("SELECT v FROM t")
    rows = [result.reader.read_next_batch()]
    for victim in list(runtime.executor.workers()):
        kill(runtime, victim)
    rows += list(result)
    assert [v for batch in rows for v in batch["v"].to_pylist()] == list(range(ROWS))
