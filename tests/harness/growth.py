"""How the time of work over a client's text grows with the length of the text."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["assert_linear", "exponent"]

_SEEN, _ENOUGH = 0.001, 0.01  # seconds of the processor: what is no noise, and where the growth is told
_SMALLEST, _STEP = 10, 1.4
_LONG, _LONG_STEP = 100, 3  # from where on what takes exponential time has been seen, and lengths may grow faster
_BOUND = 1.6  # what is quadratic has 2


def exponent(run: Callable[[str], object], make: Callable[[int], str], longest: int = 100_000) -> float:
    """With which power of the length the time of `run` on the texts of `make` grows; 0 where it is too short to tell.

    `make(n)` has some multiple of n characters. Lengths grow until the time can be told: what takes exponential time
    is found at a few dozens of characters, and what takes quadratic time has long been seen at `longest`.
    """
    times: list[tuple[int, float]] = []
    size = float(_SMALLEST)
    _seconds(run, make(1))  # what is made once
    while size <= longest and (not times or times[-1][1] < _ENOUGH):
        times.append((int(size), _seconds(run, make(int(size)))))
        size *= _STEP if size < _LONG else _LONG_STEP
    if times[-1][1] < _ENOUGH:
        return 0.0
    seen = [pair for pair in times if pair[1] > _SEEN]
    (short, little), (long, much) = seen[0] if len(seen) > 2 else times[-3:][0], times[-1]
    return math.log(much / max(little, _SEEN / 10)) / math.log(long / short)


def assert_linear(run: Callable[[str], object], make: Callable[[int], str], longest: int = 100_000) -> None:
    """Fail where the time of `run` grows faster than the texts that `make` gives."""
    # A neighbour's work on the machine may lie over one measurement, hardly over each of three.
    found = [exponent(run, make, longest)]
    while found[-1] >= _BOUND and len(found) < 3:
        found.append(exponent(run, make, longest))
    assert min(found) < _BOUND, f"time grows with the length to the powers {found}, for texts like {make(8)!r}"


def _seconds(run: Callable[[str], object], text: str) -> float:
    """The processor's time in this thread: the least of some runs, where it is long enough to be told."""
    least = _once(run, text)
    return min(least, _once(run, text), _once(run, text)) if least > _SEEN else least


def _once(run: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    run(text)
    return time.thread_time() - began
