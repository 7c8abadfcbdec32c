"""Workers that die or hang at every moment of a query, as real processes.

Each fault is shown to have happened at the moment that it is named after: the test waits for that moment, the worker
has a successor, and as many tasks ran again as the worker had in hand. Each has its negative control: without retries
the same fault ends the query with WorkerLostError.
"""

import signal
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import StageFailedError, WorkerLostError
from engine.storage.protocol import TableName, WriteMode
from ray_runtime.exchange import ReadOptions
from ray_runtime.stages import StageGraph
from ray_runtime.worker import WorkerConfig
from tests.harness.waiting import until
from tests.ray_runtime.conftest import TABLE, start
from tests.ray_runtime.faults import (
    SLOW,
    alive,
    first,
    freeze_readers,
    idle,
    in_background,
    kill,
    lose_kernel,
    observed,
    running_elsewhere,
)

MAP_HEAVY = f"SELECT s, sum({SLOW}) AS n FROM t GROUP BY s ORDER BY s"
READ_SLOWLY = "SELECT k, approx_top_k(ascii(sha256(repeat(p, 4))), 1) AS m FROM wide GROUP BY k"
"""A task of the second stage computes while it reads, far more than lies ready between two processes."""
WIDE = pa.table({"k": [0] * 12_500, "p": [f"{n % 2 * n % 50:08}" * 1000 for n in range(12_500)]})
retries = pytest.mark.parametrize("retries", [3, 0])


@pytest.fixture(scope="module")
def undisturbed(shared_runtime):
    shared_runtime.storage.write(TableName("main", "wide"), WIDE.to_reader(), WriteMode.CREATE)
    yield {sql: shared_runtime.sql(sql).read_all() for sql in (MAP_HEAVY, READ_SLOWLY)}
    shared_runtime.storage.drop(TableName("main", "wide"))


@pytest.fixture(scope="module")
def runtimes(ray_session, tmp_path_factory):
    """By the number of retries, each with three workers; whoever dies in a test is replaced for the next.

    Tasks read their inputs, and readers of results these, hardly ahead.
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("ray_runtime.runtime.WorkerConfig", partial(WorkerConfig, read=ReadOptions(budget=1000)))
        started = {
            retries: stack.enter_context(
                start(tmp_path_factory.mktemp("faults"), workers=3, retries=retries, heartbeat_timeout=5.0, ahead=1)
            )
            for retries in (3, 0)
        }
        for runtime in started.values():
            runtime.storage.write(TableName("main", "wide"), WIDE.to_reader(), WriteMode.CREATE)
        yield started


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


def check(answer, retries, expected, *again):
    """The rows are right, and of the first stages at least so many tasks ran `again`; or without retries, the error."""
    if not retries:
        assert isinstance(answer.exception(60), WorkerLostError)
        return
    rows, stages = answer.result(60)
    assert rows.equals(expected)
    repeated = [stage.attempts - stage.tasks for stage in stages[: len(again)]]
    assert all(found >= least for found, least in zip(repeated, again, strict=True)), repeated


def is_replaced(runtime, before, count=1):
    """That many workers have died and were replaced, and nothing is left of the query, and of them."""
    until(lambda: deaths(runtime) == before + count)
    until(lambda: idle(runtime), 5)
    until(lambda: not left_behind(runtime), 5)


def left_behind(runtime):
    """The files of workers that are no more."""
    config = runtime.executor._coordinator._cluster._config
    own = tuple(f"exchange-{config.owner(worker)}" for worker in runtime.executor.workers())
    named = Path(config.directory).glob(f"exchange-{config.cluster}-*")
    return [path.name for path in named if not path.name.startswith(own)]


@retries
def test_a_worker_that_dies_before_a_stage(whole, undisturbed, retries):
    """It is frozen before the query comes, so that it begins none of the tasks that it is given."""
    runtime, before = whole(retries)
    victim = next(iter(runtime.executor.workers()))
    kill(runtime, victim, signal.SIGSTOP)
    answer = observed(runtime, MAP_HEAVY)
    until(lambda: running_elsewhere(runtime, victim))
    kill(runtime, victim)
    check(answer, retries, undisturbed[MAP_HEAVY], runtime.executor.options.cluster.slots)
    is_replaced(runtime, before)


def test_a_worker_whose_kernel_is_lost(whole, undisturbed):
    """The tasks that meet the loss run again, and the worker is replaced although it answers."""
    runtime, before = whole(3)
    lose_kernel(runtime, next(iter(runtime.executor.workers())))
    check(observed(runtime, MAP_HEAVY), 3, undisturbed[MAP_HEAVY], 1)
    is_replaced(runtime, before)


@retries
def test_a_worker_that_dies_in_the_middle_of_a_task(whole, undisturbed, retries):
    runtime, before = whole(retries)
    answer = observed(runtime, MAP_HEAVY)
    victim, held = first(runtime, lambda status: status.running and not status.outputs)
    kill(runtime, victim)
    assert {task.stage for task in held.running} == {0}
    check(answer, retries, undisturbed[MAP_HEAVY], len(held.running))
    is_replaced(runtime, before)


@retries
def test_a_worker_that_dies_after_an_output_was_committed(whole, undisturbed, retries):
    """More tasks run again than it was running: those whose outputs are gone."""
    runtime, before = whole(retries)
    answer = observed(runtime, MAP_HEAVY)
    victim, held = first(runtime, lambda status: status.outputs)
    kill(runtime, victim)
    assert not answer.done()
    check(answer, retries, undisturbed[MAP_HEAVY], len(held.running) + held.outputs)
    is_replaced(runtime, before)


@retries
def test_a_worker_that_dies_while_another_is_in_the_middle_of_reading_from_it(whole, undisturbed, retries):
    runtime, before = whole(retries)
    answer, victim, readers = _in_the_middle_of_reading(runtime)
    kill(runtime, victim)
    for reader in readers:
        kill(runtime, reader, signal.SIGCONT)
    assert not answer.done()
    check(answer, retries, undisturbed[READ_SLOWLY], 1, 1)
    is_replaced(runtime, before)


@pytest.mark.parametrize(("count", "retries"), [(2, 3), (3, 3), (3, 0)])
def test_several_workers_at_once(whole, undisturbed, count, retries):
    runtime, before = whole(retries)
    answer = observed(runtime, MAP_HEAVY)
    held = until(lambda: _busy(runtime, count))
    for victim in held:
        kill(runtime, victim)
    assert not answer.done()
    check(answer, retries, undisturbed[MAP_HEAVY], sum(len(s.running) + s.outputs for s in held.values()))
    is_replaced(runtime, before, count)


def _in_the_middle_of_reading(runtime, attempts=20):
    """A query's answer, who sends for it, and who is stopped while it reads. One that ends before is asked again."""
    for _ in range(attempts):
        answer = observed(runtime, READ_SLOWLY)
        caught = until(lambda answer=answer: freeze_readers(runtime) or answer.done())
        if caught is not True:
            return answer, *caught
        answer.result(60)
    raise AssertionError("no reader was caught in the middle")


def _busy(runtime, count):
    """So many workers that hold outputs, and what each holds; None until there are."""
    held = {worker: status for worker, status in runtime.executor.status().items() if status.outputs}
    return dict(list(held.items())[:count]) if len(held) >= count else None


def test_a_worker_that_hangs(whole, undisturbed):
    """In both runtimes at once, for it takes the time that they wait for an answer."""
    frozen = []
    for retries in (3, 0):
        runtime, before = whole(retries)
        answer = observed(runtime, MAP_HEAVY)
        victim, held = first(runtime, lambda status: status.running)
        pid = runtime.executor.workers()[victim].pid
        kill(runtime, victim, signal.SIGSTOP)
        frozen.append((retries, runtime, before, answer, victim, held, pid))
    for retries, runtime, before, answer, victim, held, pid in frozen:
        check(answer, retries, undisturbed[MAP_HEAVY], len(held.running))
        if not retries:
            assert "did not answer for 5 seconds" in answer.exception().message
        assert victim not in runtime.executor.workers()
        until(lambda gone=pid: not alive(gone), 30)
        is_replaced(runtime, before)


def test_a_stop_takes_the_files_of_a_worker_that_hangs(start_runtime, tmp_path, monkeypatch):
    monkeypatch.setattr("ray_runtime.cluster._CLOSE_SECONDS", 1.0)
    runtime = start_runtime(workers=2, heartbeat_timeout=3600.0, memory=0)
    runtime.sql("SELECT s, count(*) FROM t GROUP BY s").read_all()
    victim, other = runtime.executor.workers()
    pids = [description.pid for description in runtime.executor.workers().values()]
    kill(runtime, victim, signal.SIGSTOP)
    assert len({path.name.split("-")[2] for path in tmp_path.glob("exchange-*-*")}) == len({victim, other})
    runtime.close()
    assert not list(tmp_path.glob("exchange-*"))
    until(lambda: not any(map(alive, pids)), 30)


def scanned(runtime):
    """The scan's tasks are the result themselves, without the gather."""
    plan = runtime.plan(runtime.frontend.plan("SELECT * FROM t"))
    return runtime.execute(replace(plan, stages=StageGraph(plan.stages.stages[:1])))


results = {
    "a scan": (scanned, []),
    "a sorted scan": (lambda runtime: runtime.sql("SELECT * FROM t ORDER BY s, v"), ["s", "v"]),
    "a sorted join": (
        lambda runtime: runtime.sql("SELECT a.k, a.v, b.s FROM t a JOIN t b ON a.v = b.v ORDER BY b.s, a.v"),
        ["s", "v"],
    ),
    "a sorted aggregate": (
        lambda runtime: runtime.sql("SELECT any_value(k) AS k, v, s FROM t GROUP BY v, s ORDER BY s, v"),
        ["s", "v"],
    ),
}


VARYING = "SELECT v, sum(v / 3) AS third FROM t GROUP BY v ORDER BY third"
"""Sums of doubles differ when they are computed again: the rest would not fit to the part that was sent."""


@retries
def test_results_that_are_read_slowly_outlive_the_workers_that_made_them(whole, retries):
    """Hardly any row of them has come when all workers die. One in an order that varies does not outlive them."""
    runtime, before = whole(retries)
    begun = {kind: ask(runtime) for kind, (ask, _) in results.items()}
    varying = runtime.sql(VARYING)
    begin = {kind: result.reader.read_next_batch() for kind, result in begun.items()}
    varying.reader.read_next_batch()
    for victim in list(runtime.executor.workers()):
        kill(runtime, victim)
    for kind, result in begun.items():
        if not retries:
            with pytest.raises(WorkerLostError, match="was lost"):
                list(result)
            continue
        order = [(name, "ascending") for name in results[kind][1]]
        rows = pa.Table.from_batches([begin[kind], *result])
        assert rows.equals(TABLE.sort_by(order) if order else TABLE), kind
        last = until(result.stats)[-1]
        assert last.attempts > last.tasks, f"nothing of {kind} was lost"
    with pytest.raises(WorkerLostError, match="Part of the result was sent already" if retries else "was lost"):
        list(varying)
    for result in (*begun.values(), varying):
        result.close()
    is_replaced(runtime, before, 3)


def test_all_workers_and_none_comes_back_in_time(start_runtime):
    """With time for others to come it is survived: see `test_several_workers_at_once`."""
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
