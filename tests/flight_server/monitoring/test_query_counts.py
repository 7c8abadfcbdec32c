"""What Prometheus is told of queries that have ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flight_server.monitoring.query_counts import QueryCounts
from flight_server.service.store import EvictedError

Samples = dict[tuple[str, tuple[str, ...]], float]


def query(**told: Any) -> dict[str, Any]:
    """A query that has ended."""
    known = {"kind": "SELECT", "runtime": "local", "state": "done", "error_type": None, "rows": 1, "bytes": 400}
    return {**known, "received": 0, "planning": 0.0, "queue": 0.0, "run": 0.0, **told}


def told(counts: QueryCounts) -> Samples:
    """What the text says that Prometheus reads, by name and the values of labels in the order of their names."""
    registry = CollectorRegistry()
    registry.register(counts)
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_durations_count_up_to_each_bound() -> None:
    counts = QueryCounts()
    for seconds in (0.0, 0.001, 0.0011, 1, 1.5, 3600, 3601):
        counts.add([query(run=seconds, queue=seconds, runtime="ray")])
    found = told(counts)
    buckets = {"0.001": 2, "0.0025": 3, "0.5": 3, "1.0": 4, "2.5": 5, "900.0": 5, "3600.0": 6, "+Inf": 7}
    for bound, count in buckets.items():
        assert found["grism_query_duration_seconds_bucket", (bound, "ray")] == count
        assert found["grism_query_queue_seconds_bucket", (bound,)] == count
    assert found["grism_query_duration_seconds_sum", ("ray",)] == 7203.5021
    assert found["grism_query_duration_seconds_count", ("ray",)] == found["grism_query_planning_seconds_count", ()] == 7
    assert found["grism_query_planning_seconds_bucket", ("0.001",)] == 7


def test_how_queries_ended_and_what_they_moved() -> None:
    counts = QueryCounts()
    counts.add([query(rows=3, bytes=10)])
    counts.add([query(kind="UPLOAD", rows=5, bytes=7, received=70)])
    counts.add([query(state="cancelled", error_type="CancelledError", rows=0, bytes=0)])
    counts.add([query(state="failed", error_type="UnknownTableError", rows=0, bytes=0, runtime="ray")])
    found = told(counts)
    assert {labels: count for (name, labels), count in found.items() if name == "grism_queries_total"} == {
        ("SELECT", "local", "ok"): 1,
        ("UPLOAD", "local", "ok"): 1,
        ("SELECT", "local", "cancelled"): 1,
        ("SELECT", "ray", "UnknownTableError"): 1,
    }
    assert (found["grism_query_rows_total", ("SELECT",)], found["grism_query_rows_total", ("UPLOAD",)]) == (3, 5)
    assert found["grism_query_sent_bytes_total", ("local",)] == 17
    assert found["grism_query_received_bytes_total", ("local",)] == 70


def test_failures_are_counted_from_zero_by_each_name_they_may_have() -> None:
    counts = QueryCounts(["local", "ray"])
    before = {
        labels[0]: count for (name, labels), count in told(counts).items() if name == "grism_query_failures_total"
    }
    assert {
        "cancelled",
        "InternalError",
        "WorkerLostError",
        "UnknownTableError",
        EvictedError.__name__,
    } <= before.keys()
    assert not {"ok", "GrismError", "CancelledError", "ShutdownError"} & before.keys()
    assert set(before.values()) == {0}
    counts.add([query()])
    counts.add([query(state="failed", error_type="WorkerLostError")])
    counts.add([query(state="cancelled", error_type="ShutdownError")])
    found = told(counts)
    assert {labels[0] for (name, labels), count in found.items() if name == "grism_query_failures_total" and count} == {
        "WorkerLostError",
        "cancelled",
    }


def test_what_runtimes_do_is_told_from_the_start() -> None:
    found = told(QueryCounts(["local", "ray"]))
    for name in ("sent_bytes_total", "received_bytes_total", "duration_seconds_count"):
        assert [found[f"grism_query_{name}", (runtime,)] for runtime in ("local", "ray")] == [0, 0]


def test_nothing_is_lost_between_threads_and_kinds_have_a_bound() -> None:
    counts = QueryCounts()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: counts.add([query(kind=f"KIND {number % 200}")]), range(4000)))
    ended = {labels[0]: count for (name, labels), count in told(counts).items() if name == "grism_queries_total"}
    assert (sum(ended.values()), len(ended), ended["OTHER"]) == (4000, 101, 2000)
