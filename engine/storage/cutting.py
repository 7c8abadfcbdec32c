"""Cutting a table into parts of about equal size.

A table is a row of units (files, fragments), each with its number of rows. A cut prefers the places where the storage
reads cheaply, the ends of units and of the row groups inside them, to perfect equality.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

__all__ = ["Piece", "cut"]

SLACK = 0.25  # how far a cut may move to a cheap place, as a share of one part


@dataclass(frozen=True)
class Piece:
    """Rows `start` up to `stop` of the unit at position `unit`."""

    unit: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        return self.stop - self.start


def cut(rows: Sequence[int], target: int, ends: Sequence[Sequence[int]] | None = None) -> list[list[Piece]]:
    """About `target` parts that together hold every row of every unit once, in order; none where there are no rows.

    `rows` gives each unit's rows; `ends`, for each unit, where its row groups end, counted in its own rows.

    >>> cut([10, 2], 2)
    [[Piece(unit=0, start=0, stop=6)], [Piece(unit=0, start=6, stop=10), Piece(unit=1, start=0, stop=2)]]
    """
    offsets = [0, *accumulate(rows)]
    total = offsets[-1]
    if total == 0:
        return []
    count = max(1, min(target, total))
    cheap = set(offsets)
    for offset, unit_ends in zip(offsets, ends or (), strict=False):
        cheap.update(offset + end for end in unit_ends)
    cuts = _cuts(total, count, sorted(cheap))
    return [_pieces(offsets, start, stop) for start, stop in pairwise(cuts)]


def _cuts(total: int, count: int, cheap: Sequence[int]) -> list[int]:
    """Where the parts begin and end: as equal as may be, each moved to the nearest cheap place within the slack."""
    slack = total / count * SLACK
    cuts = {0, total}
    for i in range(1, count):
        exact = i * total // count
        at = bisect_left(cheap, exact)
        near = min(cheap[max(0, at - 1) : at + 1], key=lambda place: abs(place - exact))
        cuts.add(near if abs(near - exact) <= slack else exact)
    return sorted(cuts)


def _pieces(offsets: Sequence[int], start: int, stop: int) -> list[Piece]:
    """The pieces of the units that lie between two positions in the whole table."""
    pieces = []
    for unit, (begin, end) in enumerate(pairwise(offsets)):
        low, high = max(start, begin), min(stop, end)
        if low < high:
            pieces.append(Piece(unit, low - begin, high - begin))
    return pieces
