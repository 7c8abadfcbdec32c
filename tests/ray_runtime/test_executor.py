"""Queries on real workers: rows, errors, several at once, ends and what they leave behind."""

import time

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, DeadlineExceededError, InvalidValueError, WorkerLostError
from engine.metrics import CollectingMetricsSink
from engine.runtime import QueryOptions
from ray_runtime.context import DistributedExecutionContext
from tests.harness.waiting import until
from tests.ray_runtime.conftest import ROWS, TABLE, start
from tests.ray_runtime.faults import SLOW, alive, idle, in_background


@pytest.fixture
def runtime(shared_runtime):
    until(lambda: idle(shared_runtime))
    return shared_runtime


@pytest.fixture(scope="module")
def cramped(ray_session, tmp_path_factory):
    """A runtime with hardly any memory for what goes through exchanges, and a folder that a crash left in its place."""
    folder = tmp_path_factory.mktemp("cramped")
    left = folder / "exchange-0123456789abcdef"
    left.mkdir()
    (left / "output.arrows").write_bytes(b"x")
    left.with_suffix(".lock").touch()
    with start(folder, memory=64 << 10) as runtime:
        yield runtime, left


def execute(runtime, sql, **options):
    return runtime.execute(runtime.plan(runtime.frontend.plan(sql)), QueryOptions(**options))


def test_rows_types_names_and_order_are_those_that_were_asked_for(runtime):
    grouped = runtime.sql("SELECT k, count(*) AS n, sum(v) AS total FROM t GROUP BY k ORDER BY k DESC").read_all()
    expected = [(k, len(range(k, ROWS, 11)), sum(range(k, ROWS, 11))) for k in reversed(range(11))]
    assert [tuple(row.values()) for row in grouped.to_pylist()] == expected
    ordered = runtime.sql("SELECT * FROM t ORDER BY s, v").read_all()
    assert ordered.equals(TABLE.sort_by([("s", "ascending"), ("v", "ascending")]))
    twice = runtime.sql("SELECT v, v FROM t WHERE v < 3 ORDER BY 1").read_all()
    assert twice.column_names == ["v", "v"]
    assert runtime.sql("SELECT k FROM t WHERE false").read_all().schema == pa.schema({"k": pa.int64()})
    until(lambda: idle(runtime), 2)


def test_a_union_reads_what_is_computed_once_in_one_of_its_tasks(runtime):
    once = "WITH c AS MATERIALIZED (SELECT count(*) AS n FROM t) "
    result = runtime.sql(once + "SELECT n FROM c UNION ALL SELECT v FROM t, c WHERE v < n")
    assert sorted(result.read_all()["n"].to_pylist()) == list(range(ROWS + 1))


def test_a_result_counts_its_rows_and_says_what_its_stages_did(runtime):
    result = runtime.sql("SELECT s, count(*) FROM t GROUP BY s")
    rows = result.read_all()
    assert result.counters.rows == rows.num_rows == 101
    until(lambda: bool(result.stats()))
    assert next((stats.tasks, stats.attempts) for stats in result.stats()) == (16, 16)


def test_stages_report_to_the_metrics_sink(runtime):
    sink = CollectingMetricsSink()
    plan = runtime.plan(runtime.frontend.plan("SELECT count(*) FROM t"))
    context = DistributedExecutionContext(runtime.storage, runtime.kernel, metrics_sink=sink)
    result = runtime.executor.execute(plan, context)
    result.read_all()
    until(lambda: bool(result.stats()))
    assert sink.operators["Stage 0"].rows == 16


def test_an_error_of_the_query_keeps_its_type_and_is_not_tried_again(runtime):
    with pytest.raises(InvalidValueError, match="row 7"):
        runtime.sql("SELECT CAST(s AS INTEGER) FROM t WHERE s = 'row 7'").read_all()
    until(lambda: idle(runtime), 2)
    assert runtime.sql("SELECT 1").read_all().to_pydict() == {"1": [1]}


def test_a_short_query_does_not_wait_for_the_end_of_a_long_one(runtime):
    long = in_background(runtime, f"SELECT sum({SLOW}) FROM t")
    until(lambda: not idle(runtime))
    assert runtime.sql("SELECT count(*) FROM t").read_all().to_pylist() == [{"count_star()": ROWS}]
    assert not long.done()
    assert long.result(60).num_rows == 1


def test_queries_run_at_the_same_time_and_each_gets_its_own_rows(runtime):
    answers = [in_background(runtime, f"SELECT count(*) AS n FROM t WHERE k < {k}") for k in range(12)]
    expected = [sum(len(range(i, ROWS, 11)) for i in range(k)) for k in range(12)]
    assert [answer.result(60).to_pylist()[0]["n"] for answer in answers] == expected


def test_a_shuffle_of_many_times_the_memory_finishes(cramped):
    runtime, _ = cramped
    wide = "SELECT v, s || repeat('x', 40) AS s FROM t"
    result = runtime.sql(f"SELECT count(*) AS n FROM ({wide}) a JOIN ({wide}) b ON a.v = b.v AND a.s = b.s")
    assert result.read_all().to_pylist() == [{"n": ROWS}]
    until(lambda: bool(result.stats()))
    assert sum(stats.bytes for stats in result.stats()) > 4 * 2 * (64 << 10)


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_stopped_query_leaves_the_workers_within_two_seconds(runtime, how):
    cancellation = Cancellation(time.monotonic() + 0.5 if how == "deadline" else None)
    answer = in_background(runtime, f"SELECT s, sum({SLOW}) FROM t, range(20) GROUP BY s", cancellation)
    until(lambda: any(status.running for status in runtime.executor.status().values()))
    if how == "cancel":
        cancellation.cancel()
    error = answer.exception(10)
    assert isinstance(error, CancelledError if how == "cancel" else DeadlineExceededError)
    until(lambda: idle(runtime), 2)


def test_a_reader_that_stops_early_stops_the_query(runtime):
    result = runtime.sql("SELECT a.v FROM t a, t b WHERE a.k = b.k AND b.v < 2000")
    result.close()
    until(lambda: idle(runtime), 2)
    result = runtime.sql("SELECT * FROM t")
    result.reader.read_next_batch()
    del result
    until(lambda: idle(runtime), 2)


def test_what_was_read_stays_when_the_runtime_closes_and_nothing_else(start_runtime, tmp_path):
    runtime = start_runtime(workers=1)
    pids = [description.pid for description in runtime.executor.workers().values()]
    plan = runtime.plan(runtime.frontend.plan("SELECT * FROM t ORDER BY v"))
    rows = runtime.execute(plan).read_all()
    running = in_background(runtime, f"SELECT sum({SLOW}) FROM t")
    until(lambda: not idle(runtime))
    runtime.close()
    runtime.close()
    assert isinstance(running.exception(10), CancelledError)
    assert rows.equals(TABLE)
    until(lambda: not any(map(alive, pids)))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CancelledError, match="closed"):
        runtime.execute(plan)


def test_workers_listen_on_the_loopback_of_a_local_cluster(runtime):
    descriptions = runtime.executor.workers().values()
    assert all(description.location.startswith("grpc://127.0.0.1:") for description in descriptions)


def test_a_folder_that_a_crash_left_is_swept_when_workers_start(cramped):
    runtime, left = cramped
    assert runtime.sql("SELECT 1").read_all().num_rows == 1
    assert not left.exists()


def test_without_workers_the_start_fails_with_a_typed_error(start_runtime):
    with pytest.raises(WorkerLostError, match="No worker started"):
        start_runtime(worker_cpus=10_000, start_timeout=1.0)
