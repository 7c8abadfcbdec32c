"""Whatever dies, hangs, fails or is told twice: the rows are exactly right, or the query ends with the right error."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import (
    CancelledError,
    DeadlineExceededError,
    ExchangeFailedError,
    InvalidValueError,
    StageFailedError,
    WorkerLostError,
)
from ray_runtime.scheduler import QueryDone, QueryFailed, SchedulerOptions
from tests.ray_runtime.scheduler.graphs import graphs, join, one_stage, shuffle
from tests.ray_runtime.scheduler.simulation import Faults, SimulatedCluster, cancel, expected

seeds = st.integers(0, 2**32)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
each_partition = SchedulerOptions(task_bytes=0)


def rows_are_right(cluster, query, graph):
    return cluster.result(query) == expected(graph)


def check(cluster, query, graph, *errors):
    """The query gave exactly its rows, or one of these errors."""
    outcome = cluster.outcomes[query]
    if isinstance(outcome, QueryDone):
        assert rows_are_right(cluster, query, graph)
    else:
        assert isinstance(outcome.error, errors), outcome.error


@thorough
@given(graph=graphs(), seed=seeds, task_bytes=st.sampled_from([0, 4, 1000]))
def test_undisturbed_every_row_comes_through_once(graph, seed, task_bytes):
    cluster = SimulatedCluster(SchedulerOptions(task_bytes=task_bytes, min_task_bytes=1), seed)
    cluster.submit("q", graph)
    cluster.run()
    assert isinstance(cluster.outcomes["q"], QueryDone)
    assert rows_are_right(cluster, "q", graph)
    assert set(cluster.launched.values()) == {1}


@thorough
@given(graph=graphs(deterministic=True), seed=seeds, replace=st.booleans())
def test_as_many_losses_as_retries_are_survived(graph, seed, replace):
    faults = Faults(kill=0.2, lose_output=0.2, limit=3, replace=replace)
    cluster = SimulatedCluster(SchedulerOptions(task_bytes=0, retries=3), seed, workers=4, faults=faults)
    cluster.submit("q", graph)
    cluster.run()
    assert isinstance(cluster.outcomes["q"], QueryDone)
    assert rows_are_right(cluster, "q", graph)


@thorough
@given(
    graph=graphs(),
    seed=seeds,
    kill=st.sampled_from([0.0, 0.05, 0.2]),
    hang=st.sampled_from([0.0, 0.05, 0.2]),
    lose_output=st.sampled_from([0.0, 0.1, 0.4]),
    transient=st.sampled_from([0.0, 0.1]),
    duplicate=st.sampled_from([0.0, 0.5]),
    replace=st.booleans(),
    retries=st.integers(0, 4),
)
def test_chaos_ends_in_the_right_rows_or_in_a_typed_error(
    graph, seed, kill, hang, lose_output, transient, duplicate, replace, retries
):
    faults = Faults(kill, hang, lose_output, transient, 0.0, duplicate, replace=replace)
    cluster = SimulatedCluster(SchedulerOptions(retries=retries, task_bytes=0, requeues=5), seed, faults=faults)
    cluster.submit("q", graph)
    cluster.submit("r", one_stage(7))
    cluster.run()
    allowed = (WorkerLostError, ExchangeFailedError) if retries == 0 else (WorkerLostError, StageFailedError)
    check(cluster, "q", graph, *allowed)
    check(cluster, "r", one_stage(7), *allowed)


@thorough
@given(
    graph=graphs(),
    seed=seeds,
    action=st.sampled_from(["user error", "cancel", "deadline"]),
    after=st.floats(0.0, 10.0),
)
def test_a_query_that_is_stopped_leaves_nothing_and_harms_no_other(graph, seed, action, after):
    faults = Faults(user_error=0.3, limit=1) if action == "user error" else Faults()
    cluster = SimulatedCluster(each_partition, seed, faults=faults)
    cluster.submit("q", graph, deadline=after if action == "deadline" else None)
    if action == "cancel":
        cluster.later(lambda: cluster.tell(cancel("q")), delay=after)
    cluster.run()
    check(cluster, "q", graph, InvalidValueError, CancelledError, DeadlineExceededError)
    cluster.faults_left = 0
    launched_before = len(cluster.launches)
    cluster.submit("after", one_stage(6))
    assert len(cluster.launches) == launched_before + 6, "a slot was not given back"
    cluster.run()
    assert rows_are_right(cluster, "after", one_stage(6))


@pytest.mark.parametrize("fault", ["kill", "hang", "lose_output", "transient"])
def test_the_faults_of_the_simulation_fire_and_without_retries_they_are_fatal(fault):
    """The negative control of the tests above."""
    for seed in range(10):
        for retries in (0, 3):
            faults = Faults(**{fault: 1.0}, limit=1)
            cluster = SimulatedCluster(SchedulerOptions(retries=retries, task_bytes=0), seed, faults=faults)
            cluster.submit("q", join())
            cluster.run()
            assert cluster.fired[fault] == 1
            outcome = cluster.outcomes["q"]
            if retries:
                assert isinstance(outcome, QueryDone)
                assert rows_are_right(cluster, "q", join())
            elif fault != "lose_output":  # which output is lost is chosen by chance, and it may not be needed any more
                assert isinstance(outcome, QueryFailed)
                assert isinstance(outcome.error, WorkerLostError)


@thorough
@given(seed=seeds)
def test_a_run_that_comes_out_differently_is_never_mixed_with_another(seed):
    faults = Faults(kill=0.05, lose_output=0.2, limit=3)
    cluster = SimulatedCluster(SchedulerOptions(retries=3, task_bytes=0), seed, faults=faults)
    graph = shuffle(maps=4, partitions=6, deterministic=False)
    cluster.submit("q", graph)
    cluster.run()
    check(cluster, "q", graph, WorkerLostError)
