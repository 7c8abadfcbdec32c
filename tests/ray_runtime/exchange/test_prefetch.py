from __future__ import annotations

import threading
from collections.abc import Generator
from functools import partial

import pyarrow as pa
import pytest

from ray_runtime.exchange.prefetch import Fetch, Prefetch


def batch(number: int) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array([number] * 1000, pa.int64())})


def numbers(first: int, count: int) -> Generator[pa.RecordBatch, None, None]:
    for number in range(first, first + count):
        yield batch(number)


def fetches(sources: int, count: int = 5) -> list[Fetch]:
    return [partial(numbers, source * 100, count) for source in range(sources)]


def taken(prefetch: Prefetch, ordered: bool) -> list[int]:
    return [batch.column(0)[0].as_py() for batch in prefetch.take(ordered, lambda: None)]


EXPECTED = [source * 100 + number for source in range(6) for number in range(5)]


@pytest.mark.parametrize("parallel", [1, 2, 8])
@pytest.mark.parametrize("ahead", [1, 20_000, None])
def test_all_batches_come_whatever_the_bounds(parallel: int, ahead: int | None) -> None:
    assert taken(Prefetch(fetches(6), parallel, ahead), ordered=True) == EXPECTED
    assert sorted(taken(Prefetch(fetches(6), parallel, ahead, [5, 3, 1, 0, 2, 4]), ordered=False)) == EXPECTED


def test_without_a_bound_the_order_of_starting_does_not_matter() -> None:
    assert taken(Prefetch(fetches(6), 2, None, [5, 4, 3, 2, 1, 0]), ordered=True) == EXPECTED


def test_nothing_to_fetch_is_the_end() -> None:
    assert taken(Prefetch([], 4), ordered=False) == []


def test_an_error_anywhere_ends_all_at_once() -> None:
    def broken() -> Generator[pa.RecordBatch, None, None]:
        yield batch(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        taken(Prefetch([*fetches(1, 1000), broken], 2, 1), ordered=True)


def test_what_is_not_taken_is_bounded() -> None:
    begun: list[int] = []
    reached = threading.Event()

    def counting() -> Generator[pa.RecordBatch, None, None]:
        for number in range(100):
            begun.append(number)
            if number == 3:
                reached.set()
            yield batch(number)

    prefetch = Prefetch([counting], 1, ahead=2 * batch(0).nbytes)
    assert not reached.wait(0.2)
    assert len(begun) <= 3
    assert taken(prefetch, ordered=False) == list(range(100))


def test_closing_wakes_a_taker_and_ends_the_threads() -> None:
    released = threading.Event()

    def slow() -> Generator[pa.RecordBatch, None, None]:
        yield batch(0)
        assert released.wait(10)
        yield batch(1)

    prefetch = Prefetch([slow], 1)
    batches = prefetch.take(False, lambda: None)
    next(batches)
    threading.Timer(0.1, prefetch.close, (KeyError("enough"),)).start()
    with pytest.raises(KeyError, match="enough"):
        next(batches)
    released.set()


def test_a_fetch_that_hangs_is_known() -> None:
    released = threading.Event()

    def hanging() -> Generator[pa.RecordBatch, None, None]:
        assert released.wait(10)
        yield batch(0)

    prefetch = Prefetch([*fetches(1), hanging], 2)
    seen: list[list[int]] = []

    def check() -> None:
        seen.append(prefetch.stalled_fetches(0.05))
        if seen[-1]:
            released.set()

    found = [b.num_rows for b in prefetch.take(False, check, interval=0.02)]
    assert len(found) == 6
    assert [1] in seen
