import pytest

from engine.errors import (
    CancelledError,
    DeadlineExceededError,
    ExchangeFailedError,
    WorkerLostError,
)
from ray_runtime.scheduler import (
    Cancel,
    CancelTask,
    DropQuery,
    LaunchTask,
    Output,
    QueryDone,
    QueryFailed,
    ResultFetched,
    ResultLost,
    ResultMissing,
    ResultReady,
    SchedulerOptions,
    Submit,
    TaskId,
    Tick,
    WorkerId,
    WorkerJoined,
)
from ray_runtime.stages import StageGraph
from tests.ray_runtime.scheduler.driver import Driver, only
from tests.ray_runtime.scheduler.graphs import BROADCAST, GATHER, join, one_stage, shuffle, stage

W0, W1 = WorkerId("w0"), WorkerId("w1")


# --- the order of stages ----------------------------------------------------------------------------------------------


def test_independent_stages_run_at_the_same_time_and_readers_wait_for_all_of_their_inputs():
    driver = Driver(workers=2, slots=4)
    assert sorted(driver.launches(driver.submit(join(tasks=2)))) == [(s, t) for s in (0, 1, 2) for t in (0, 1)]
    driver.run_stage(0, 2)
    driver.run_stage(1, 2)
    assert driver.succeed(2, 0) == []
    assert driver.launches(driver.succeed(2, 1)) == [(3, t) for t in range(4)]


def test_a_launch_says_what_to_read_and_where():
    driver = Driver(workers=2, slots=1)
    driver.submit(shuffle(maps=2, partitions=2))
    driver.run_stage(0, 2)
    first, second = driver.running["q", 1, 0], driver.running["q", 1, 1]
    assert (first.partitions, second.partitions) == (range(1), range(1, 2))
    assert first.inputs[0] is second.inputs[0]
    assert first.inputs[0].by_worker() == {W0: [(0, 0)], W1: [(1, 0)]}


def test_a_query_ends_when_its_result_was_fetched_and_is_dropped_where_it_ran():
    driver = Driver(workers=3, slots=1)
    driver.submit(one_stage(2))
    ready = only(ResultReady, driver.succeed(0, 0, rows=5) + driver.succeed(0, 1, rows=6))
    assert [r.output for r in ready] == [Output(TaskId("q", 0, 0, 0), W0), Output(TaskId("q", 0, 1, 0), W1)]
    assert driver.fetch(1) == []
    done, drop = driver.fetch(0)
    assert isinstance(done, QueryDone)
    assert [(s.tasks, s.attempts, s.rows, s.bytes) for s in done.stages] == [(2, 2, 11, 20)]
    assert (drop.query, set(drop.workers)) == ("q", {W0, W1})
    assert driver.scheduler.idle


def test_the_same_query_cannot_run_twice_at_once():
    driver = Driver()
    driver.submit(one_stage())
    with pytest.raises(ValueError, match="running already"):
        driver.submit(one_stage())


# --- placement and turns ----------------------------------------------------------------------------------------------


def test_tasks_are_spread_over_the_workers_and_wait_for_a_slot():
    driver = Driver(workers=2, slots=2)
    driver.submit(one_stage(5))
    assert [d.worker for d in only(LaunchTask, driver.decisions)] == [W0, W1, W0, W1]
    assert driver.launches(driver.succeed(0, 1)) == [(0, 4)]
    assert driver.running["q", 0, 4].worker == W1


def test_a_gather_runs_where_most_of_its_input_is():
    driver = Driver(workers=2, slots=2)
    driver.submit(StageGraph((stage(0, tasks=2), stage(1, (0, GATHER)))))
    driver.succeed(0, 0, size=10)
    driver.succeed(0, 1, size=100)
    assert driver.running["q", 1, 0].worker == W1


def test_a_task_that_failed_is_tried_elsewhere():
    driver = Driver(workers=2, slots=2)
    driver.submit(one_stage())
    assert driver.running["q", 0, 0].worker == W0
    driver.fail(0, 0, WorkerLostError("x"))
    assert driver.running["q", 0, 0].worker == W1


def test_a_slot_goes_to_the_query_that_holds_the_fewest():
    driver = Driver(workers=1, slots=4)
    driver.submit(one_stage(100), "long")
    driver.submit(one_stage(2), "short")
    assert driver.launches(driver.succeed(0, 0, "long")) == [(0, 0)]
    assert ("short", 0, 0) in driver.running
    driver.succeed(0, 1, "long")
    assert ("short", 0, 1) in driver.running
    driver.succeed(0, 0, "short")
    assert ("long", 0, 4) in driver.running


def test_equal_queries_share_the_slots_equally():
    driver = Driver(workers=2, slots=4)
    for query in "abc":
        driver.submit(one_stage(60), query)
    for _ in range(40):
        driver.succeed(*next(iter(driver.running))[1:], next(iter(driver.running))[0])
    held = [sum(key[0] == query for key in driver.running) for query in "abc"]
    assert sorted(held) == [2, 3, 3]


def test_slots_that_were_given_back_are_not_held_against_a_query():
    driver = Driver(workers=1, slots=2)
    driver.submit(one_stage(100), "old")
    for task in range(10):
        driver.succeed(0, task, "old")
    driver.submit(one_stage(100), "new")
    driver.succeed(0, 10, "old")
    assert driver.launches(driver.succeed(0, 11, "old")) == [(0, 12)]
    assert set(driver.running) == {("new", 0, 0), ("old", 0, 12)}


# --- coalescing -------------------------------------------------------------------------------------------------------


def test_small_partitions_are_read_together_and_both_sides_of_a_join_by_the_same_ranges():
    driver = Driver(workers=1, slots=8, task_bytes=100, min_task_bytes=100)
    driver.submit(join(tasks=2, partitions=6))
    driver.run_stage(0, 2, size=10)
    driver.run_stage(1, 2, size=6)
    driver.run_stage(2, 2)
    assert [d.partitions for d in driver.running.values()] == [range(3), range(3, 6)]
    assert all(len(d.inputs) == 3 for d in driver.running.values())


def test_tasks_shrink_where_slots_would_be_idle():
    driver = Driver(workers=1, slots=4, task_bytes=1000, min_task_bytes=5)
    driver.submit(shuffle(maps=2, partitions=8))
    driver.run_stage(0, 2)
    assert driver.launches()[2:] == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_ranges_stay_as_they_are_when_tasks_run_again():
    driver = Driver(workers=3, slots=2, task_bytes=20, min_task_bytes=1)
    driver.submit(shuffle(maps=3, partitions=6))
    driver.run_stage(0, 3, size=3)
    before = {d.task.task: d.partitions for d in only(LaunchTask, driver.decisions) if d.task.stage == 1}
    driver.lose("w0")
    driver.finish()
    again = [d for d in only(LaunchTask, driver.decisions) if d.task.stage == 1 and d.task.attempt > 0]
    assert again
    assert all(d.partitions == before[d.task.task] for d in again)


# --- late, double and foreign events ----------------------------------------------------------------------------------


def test_what_is_told_twice_counts_once():
    driver = Driver(workers=1, slots=1)
    driver.submit(one_stage(3))
    launch = driver.running["q", 0, 0]
    driver.succeed(0, 0)
    assert driver.tell(driver.success(launch)) == []
    assert driver.launches() == [(0, 0), (0, 1)]


def test_a_lost_worker_is_not_believed():
    driver = Driver(workers=2, slots=1)
    driver.submit(one_stage(1))
    late = driver.success(driver.running["q", 0, 0])
    driver.lose("w0")
    assert driver.tell(late) == []
    assert driver.tell(WorkerJoined(W0, 4)) == []
    driver.submit(one_stage(1), "other")
    assert ("other", 0, 0) not in driver.running
    driver.tell(WorkerJoined(WorkerId("w0", 1), 4))
    assert driver.running["other", 0, 0].worker == WorkerId("w0", 1)


def test_a_new_incarnation_tells_that_the_old_one_is_gone():
    driver = Driver(workers=1, slots=1)
    driver.submit(one_stage(1))
    driver.tell(WorkerJoined(WorkerId("w0", 1), 1))
    assert driver.running["q", 0, 0].worker == WorkerId("w0", 1)
    assert driver.tell(WorkerJoined(W0, 1)) == []


def test_events_of_queries_that_are_over_change_nothing():
    driver = Driver()
    over = TaskId("gone", 0, 0, 0)
    assert driver.tell(ResultFetched(over)) == []
    assert driver.tell(ResultMissing(Output(over, W0), ExchangeFailedError("x"))) == []
    assert driver.tell(Cancel("gone", CancelledError("x"))) == []


# --- results ----------------------------------------------------------------------------------------------------------


def test_a_result_that_was_fetched_does_not_run_again_when_its_worker_dies():
    driver = Driver(workers=2, slots=1)
    driver.submit(one_stage(2))
    driver.run_stage(0, 2)
    driver.fetch(0)
    driver.fetch(1)
    assert only(QueryDone, driver.decisions)
    driver.submit(one_stage(2), "r")
    driver.run_stage(0, 2, query="r")
    driver.fetch(0)
    assert driver.lose(driver.ready[0].output.worker) == []


def test_a_result_that_was_not_fetched_runs_again():
    driver = Driver(workers=2, slots=1)
    driver.submit(one_stage(1))
    driver.succeed(0, 0)
    lost, launch = driver.lose("w0")
    assert lost == ResultLost(TaskId("q", 0, 0, 0))
    assert (launch.task.attempt, launch.worker) == (1, W1)
    driver.finish()
    assert only(QueryDone, driver.decisions)


def test_a_reader_that_has_the_result_stops_the_attempt_that_replaces_it():
    driver = Driver(workers=2, slots=1)
    driver.submit(one_stage(1))
    driver.succeed(0, 0)
    driver.lose("w0")
    cancel, done, drop = driver.tell(ResultFetched(TaskId("q", 0, 0, 0)))
    assert cancel == CancelTask(TaskId("q", 0, 0, 1), W1)
    assert isinstance(done, QueryDone)
    assert isinstance(drop, DropQuery)


def test_a_result_that_the_reader_misses_runs_again():
    driver = Driver(workers=2)
    driver.submit(one_stage(1))
    driver.succeed(0, 0)
    lost, launch = driver.tell(ResultMissing(driver.ready[0].output, ExchangeFailedError("absent")))
    assert isinstance(lost, ResultLost)
    assert launch.task.attempt == 1


# --- early ends -------------------------------------------------------------------------------------------------------


def limited(tasks=6):
    return StageGraph((stage(0, tasks=tasks, enough_rows=10), stage(1, (0, GATHER))))


def test_a_stage_with_enough_rows_stops_early():
    driver = Driver(workers=1, slots=3)
    driver.submit(limited())
    running = dict(driver.running)
    assert driver.launches(driver.succeed(0, 1, rows=4)) == [(0, 3)]
    decided = driver.succeed(0, 0, rows=6)
    assert only(CancelTask, decided) == [CancelTask(TaskId("q", 0, t, 0), W0) for t in (2, 3)]
    assert driver.launches(decided) == [(1, 0)]
    (locations,) = driver.running["q", 1, 0].inputs
    assert locations.by_worker() == {W0: [(0, 0), (1, 0)]}
    assert driver.tell(driver.success(running["q", 0, 2])) == []
    del driver.running["q", 0, 2], driver.running["q", 0, 3]
    driver.finish()
    assert only(QueryDone, driver.decisions)


def test_lost_rows_of_an_early_end_are_made_again_and_others_where_they_turn_out_too_few():
    driver = Driver(workers=2, slots=1)
    driver.submit(limited(tasks=3))
    driver.succeed(0, 0, rows=10)
    assert ("q", 1, 0) in driver.running
    del driver.running["q", 0, 1]
    driver.lose("w0")
    driver.tell(WorkerJoined(WorkerId("w2"), 4))
    driver.succeed(0, 0, rows=3)
    assert {key[:2] for key in driver.running} == {("q", 0)}
    driver.succeed(0, 1, rows=3)
    driver.succeed(0, 2, rows=3)
    assert ("q", 1, 0) in driver.running


def test_the_last_stage_gives_all_of_its_outputs():
    driver = Driver(workers=1, slots=1)
    driver.submit(StageGraph((stage(0, tasks=2, enough_rows=1),)))
    driver.succeed(0, 0, rows=5)
    assert ("q", 0, 1) in driver.running


# --- time and ends ----------------------------------------------------------------------------------------------------


def test_with_no_worker_left_queries_wait_for_the_grace_period_and_fail():
    driver = Driver(workers=1, grace=10)
    driver.submit(one_stage())
    driver.lose("w0")
    assert driver.tell(Tick(100.0)) == driver.tell(Tick(109.9)) == []
    driver.tell(Tick(110.0))
    assert isinstance(driver.failure, WorkerLostError)
    assert "none came back within 10 seconds" in driver.failure.message


def test_a_worker_that_comes_within_the_grace_period_takes_over():
    driver = Driver(workers=1, grace=10)
    driver.submit(one_stage())
    driver.lose("w0")
    driver.tell(Tick(100.0))
    assert driver.launches(driver.tell(WorkerJoined(WorkerId("w0", 1), 1))) == [(0, 0)]
    driver.lose(WorkerId("w0", 1))
    assert driver.tell(Tick(200.0)) == []


def test_a_query_that_comes_when_there_is_no_worker_waits_as_long():
    driver = Driver(workers=0, grace=10)
    driver.tell(Tick(0.0))
    driver.tell(Tick(100.0))
    driver.submit(one_stage())
    assert driver.tell(Tick(101.0)) == []
    driver.tell(Tick(111.0))
    assert isinstance(driver.failure, WorkerLostError)


def test_deadlines_and_cancels_stop_a_query_everywhere():
    driver = Driver(workers=2, slots=1)
    driver.tell(Submit("late", one_stage(1), deadline=50.0))
    driver.submit(one_stage(1), "unwanted")
    assert driver.tell(Tick(49.0)) == []
    late, drop = driver.tell(Tick(50.0))
    assert isinstance(late.error, DeadlineExceededError)
    assert drop == DropQuery("late", (W0,))
    error = CancelledError("The client went away.")
    assert driver.tell(Cancel("unwanted", error)) == [QueryFailed("unwanted", error), DropQuery("unwanted", (W1,))]


def test_a_slot_is_free_when_its_task_has_really_ended():
    driver = Driver(workers=1, slots=1)
    driver.submit(one_stage(1), "first")
    driver.submit(one_stage(1), "second")
    assert not only(LaunchTask, driver.tell(Cancel("first", CancelledError("x"))))
    assert driver.launches(driver.fail(0, 0, CancelledError("x"), "first")) == [(0, 0)]
    assert ("second", 0, 0) in driver.running


def test_wrong_options_and_workers_are_refused():
    with pytest.raises(ValueError, match="retries is -1"):
        SchedulerOptions(retries=-1)
    with pytest.raises(ValueError, match="0 slots"):
        Driver(workers=1, slots=0)


def test_a_broadcast_goes_to_every_task():
    driver = Driver(workers=1, slots=8)
    driver.submit(StageGraph((stage(0, tasks=2), stage(1, (0, BROADCAST), tasks=3), stage(2, (1, GATHER)))))
    driver.run_stage(0, 2)
    assert [d.inputs[0].by_worker() for d in driver.running.values()] == [{W0: [(0, 0), (1, 0)]}] * 3
