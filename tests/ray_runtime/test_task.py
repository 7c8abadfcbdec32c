from array import array

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ray_runtime.exchange import OutputKey, OutputRef, OutputSummary, ReadRequest, WorkerId
from ray_runtime.task import StageOutputs, TaskInput

W0, W1 = (WorkerId("w0"), "grpc://127.0.0.1:1"), (WorkerId("w1"), "grpc://127.0.0.1:2")


def task_input(ordered, holder, rows):
    ones = array("i", [1] * len(holder))
    size = array("q", [10 * r for r in rows])
    return TaskInput(3, pa.schema([]), ordered, range(2, 4), (W0, W1), array("i", holder), ones, array("q", rows), size)


def asked(sources):
    return [(source.worker.name, [output.task for output in source.request.outputs]) for source in sources]


def test_each_worker_is_asked_once_for_all_that_has_rows():
    sources = task_input(False, [0, 1, 0, 1, -1, 0], [5, 6, 0, 7, 9, 8]).sources("q")
    assert sorted(asked(sources)) == [("w0", [0, 5]), ("w1", [1, 3])]
    first = min(sources, key=lambda source: source.worker)
    assert first.request == ReadRequest("q", 3, range(2, 4), (OutputRef(0, 1, 5), OutputRef(5, 1, 8)))
    assert (first.location, first.bytes) == (W0[1], 130)


def test_in_order_only_neighbours_share_a_request():
    sources = task_input(True, [0, 0, 1, 0, 1, 1], [1, 1, 1, 1, 0, 1]).sources("q")
    assert asked(sources) == [("w0", [0, 1]), ("w1", [2]), ("w0", [3]), ("w1", [5])]


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.none() | st.lists(st.integers(0, 99), min_size=n, max_size=n))))
def test_counts_of_any_range_of_partitions(counted):
    partitions = next((len(counts) for counts in counted if counts is not None), 1)
    summaries = [
        None
        if counts is None
        else OutputSummary(OutputKey("q", 0, task, 0), array("q", counts), array("q", [2 * c for c in counts]))
        for task, counts in enumerate(counted)
    ]
    outputs = StageOutputs(summaries, partitions)
    for start in range(partitions):
        for stop in range(start + 1, partitions + 1):
            expected = [sum(counts[start:stop]) if counts else 0 for counts in counted]
            assert outputs.rows(range(start, stop)).tolist() == expected
            assert outputs.bytes(range(start, stop)).tolist() == [2 * rows for rows in expected]
