"""What runs again when outputs and workers are lost, and what is taken back."""

from engine.errors import (
    ExchangeFailedError,
    InvalidValueError,
    StageFailedError,
    WorkerLostError,
)
from ray_runtime.scheduler import (
    CancelTask,
    DropQuery,
    LaunchTask,
    Output,
    QueryDone,
    QueryFailed,
    ResultFetched,
    ResultLost,
    TaskId,
    WorkerId,
    WorkerJoined,
)
from ray_runtime.stages import StageGraph
from tests.ray_runtime.scheduler.driver import Driver, only
from tests.ray_runtime.scheduler.graphs import GATHER, SHUFFLE, one_stage, shuffle, stage

W0, W1 = WorkerId("w0"), WorkerId("w1")


# --- recovery ---------------------------------------------------------------------------------------------------------


def test_only_the_lost_outputs_run_again():
    driver = Driver(workers=2, slots=4)
    driver.submit(shuffle(maps=4, partitions=2))
    driver.run_stage(0, 4)
    assert driver.launches(driver.lose("w1")) == [(0, 1), (0, 3)]
    assert driver.running["q", 0, 1].task.attempt == 1
    driver.run_stage(1, 1)
    driver.finish()
    assert only(QueryDone, driver.decisions)
    assert driver.launches().count((0, 0)) == driver.launches().count((0, 2)) == 1


def test_losses_run_again_transitively_and_only_as_far_as_they_are_needed():
    """Of stages 0 and 1 each worker holds one output; what the gather lost needs what the lost task read."""
    driver = Driver(workers=2, slots=1)
    driver.submit(shuffle(maps=2, partitions=2))
    driver.run_stage(0, 2)
    driver.run_stage(1, 2)
    assert ("q", 2, 0) in driver.running
    driver.tell(WorkerJoined(WorkerId("w2"), 4))
    gather = driver.running["q", 2, 0].worker
    other = W1 if gather == W0 else W0
    assert driver.launches(driver.lose(other)) == [(0, 0 if other == W0 else 1)]
    driver.succeed(0, 0 if other == W0 else 1)
    assert len([key for key in driver.running if key[1] == 1]) == 1


def test_an_output_that_nobody_needs_any_more_does_not_run_again():
    driver = Driver(workers=2, slots=4, retries=0)
    driver.submit(shuffle(maps=2, partitions=1))
    driver.run_stage(0, 2)
    driver.succeed(1, 0)
    gather = driver.running["q", 2, 0].worker
    held = {d.task.stage: d.worker for d in only(LaunchTask, driver.decisions)}
    assert held[1] == gather
    assert driver.lose(W1 if gather == W0 else W0) == []


def test_a_task_that_moved_is_not_lost_with_its_former_worker():
    driver = Driver(workers=2, slots=4)
    driver.submit(shuffle(maps=1, partitions=2))
    first = driver.running["q", 0, 0].worker
    driver.succeed(0, 0)
    driver.miss(1, 0, Output(TaskId("q", 0, 0, 0), first))
    driver.miss(1, 1)
    assert driver.running["q", 0, 0].worker != first
    driver.succeed(0, 0)
    assert (0, 0) not in driver.launches(driver.lose(first))


def test_without_retries_a_lost_worker_is_fatal():
    driver = Driver(retries=0)
    driver.submit(shuffle())
    driver.lose("w0")
    assert isinstance(driver.failure, WorkerLostError)
    assert "worker w0 (incarnation 0) was lost: it died" in driver.failure.message


def test_without_retries_a_lost_output_is_fatal_when_it_is_needed():
    driver = Driver(workers=2, slots=1, retries=0)
    driver.submit(StageGraph((stage(0, tasks=2), stage(1, (0, GATHER)))))
    driver.run_stage(0, 2)
    gather = driver.running["q", 1, 0].worker
    driver.lose(W1 if gather == W0 else W0)
    assert isinstance(driver.failure, WorkerLostError)


def test_when_the_attempts_are_used_up_all_causes_are_listed():
    driver = Driver(workers=1, retries=2)
    driver.submit(one_stage())
    for n in range(3):
        driver.fail(0, 0, WorkerLostError(f"reason {n}"))
    assert isinstance(driver.failure, StageFailedError)
    assert "Task 0 of stage 0 failed 3 times" in driver.failure.message
    assert all(f"WorkerLostError: reason {n}" in driver.failure.message for n in range(3))


def test_user_errors_are_final():
    driver = Driver(workers=1, retries=5)
    driver.submit(one_stage(3))
    error = InvalidValueError("'x' is not a number")
    failed, drop = driver.fail(0, 1, error)
    assert failed == QueryFailed("q", error)
    assert drop == DropQuery("q", (W0,))


def test_an_absent_input_is_made_again_and_its_reader_is_not_charged():
    driver = Driver(workers=2, slots=4, retries=1)
    driver.submit(shuffle(maps=2, partitions=1))
    driver.run_stage(0, 2)
    absent = Output(TaskId("q", 0, 0, 0), W0)
    assert driver.launches(driver.miss(1, 0, absent)) == [(0, 0)]
    driver.succeed(0, 0)
    assert driver.running["q", 1, 0].inputs[0].by_worker() == {W1: [(0, 1), (1, 0)]}
    driver.fail(1, 0, WorkerLostError("the only failure of its own that one retry allows"))
    driver.finish()
    assert only(QueryDone, driver.decisions)


def test_a_reader_that_never_finds_its_input_gives_up_in_the_end():
    driver = Driver(workers=2, slots=4, retries=1, requeues=3)
    driver.submit(shuffle(maps=1, partitions=1))
    driver.succeed(0, 0)
    for _ in range(5):
        driver.miss(1, 0, Output(TaskId("q", 0, 0, 7), W0))
    assert isinstance(driver.failure, StageFailedError)
    assert "Task 0 of stage 1" in driver.failure.message


def test_outputs_that_get_lost_again_and_again_are_charged_to_their_task():
    driver = Driver(workers=2, slots=4, retries=1)
    driver.submit(shuffle(maps=1, partitions=1))
    for attempt in range(2):
        held = driver.running["q", 0, 0].worker
        driver.succeed(0, 0)
        driver.miss(1, 0, Output(TaskId("q", 0, 0, attempt), held))
    assert isinstance(driver.failure, StageFailedError)
    assert driver.failure.message.count("ExchangeFailedError") == 2


def test_without_retries_an_absent_output_is_fatal_by_its_own_name():
    driver = Driver(retries=0)
    driver.submit(shuffle(maps=1, partitions=1))
    driver.succeed(0, 0)
    driver.miss(1, 0, Output(TaskId("q", 0, 0, 0), W0))
    assert isinstance(driver.failure, ExchangeFailedError)


# --- stages that come out differently each time -----------------------------------------------------------------------


def undetermined():
    """A scan whose rows go anywhere, read by partition, and the partitions are the result."""
    return StageGraph((stage(0, tasks=2, partitions=2, deterministic=False), stage(1, (0, SHUFFLE))))


def test_what_was_computed_from_a_run_that_changed_is_taken_back():
    driver = Driver(workers=2, slots=1)
    driver.submit(undetermined())
    driver.run_stage(0, 2)
    kept = driver.running["q", 1, 0]
    driver.succeed(1, 0)
    other = driver.running["q", 1, 1]
    lost = driver.lose(other.worker)
    assert ResultLost(kept.task) in lost
    driver.finish()
    assert only(QueryDone, driver.decisions)
    assert driver.launches().count((1, 0)) == driver.launches().count((1, 1)) == 2


def test_attempts_that_read_the_former_run_are_stopped():
    driver = Driver(workers=3, slots=2)
    driver.submit(undetermined())
    driver.run_stage(0, 2)
    first = driver.running["q", 1, 0]
    gone = Output(TaskId("q", 0, 0, 0), W0)
    decided = driver.miss(1, 1, gone)
    assert CancelTask(first.task, first.worker) in decided


def test_a_result_that_was_sent_in_part_cannot_be_taken_back():
    driver = Driver(workers=2, slots=1)
    driver.submit(undetermined())
    driver.run_stage(0, 2)
    driver.succeed(1, 0)
    driver.fetch(0)
    driver.lose(driver.running["q", 1, 1].worker)
    assert isinstance(driver.failure, WorkerLostError)
    assert "Part of the result was sent already" in driver.failure.message


def test_a_result_that_was_taken_back_while_it_was_read_fails_the_query():
    driver = Driver(workers=2, slots=1)
    driver.submit(undetermined())
    driver.run_stage(0, 2)
    driver.succeed(1, 0)
    stale = driver.ready[0].output.task
    driver.lose(driver.running["q", 1, 1].worker)
    driver.tell(ResultFetched(stale))
    assert isinstance(driver.failure, WorkerLostError)
