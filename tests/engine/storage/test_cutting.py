from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.storage.cutting import Piece, cut

UNITS = st.lists(st.integers(0, 50), max_size=8)


@given(UNITS, st.integers(1, 20), st.randoms())
def test_the_parts_hold_every_row_once_and_in_order(rows, target, random):
    ends = [sorted({random.randint(0, n) for _ in range(3)}) for n in rows]
    parts = cut(rows, target, ends)
    found = [(p.unit, row) for part in parts for p in part for row in range(p.start, p.stop)]
    assert found == [(unit, row) for unit, n in enumerate(rows) for row in range(n)]
    assert all(part and all(p.rows > 0 for p in part) for part in parts)
    assert len(parts) <= target


def test_parts_are_equal_where_no_cheap_place_is_near():
    assert [sum(p.rows for p in part) for part in cut([100], 4)] == [25, 25, 25, 25]


def test_a_cut_moves_to_the_end_of_a_unit_or_row_group_that_is_near():
    assert cut([48, 52], 2) == [[Piece(0, 0, 48)], [Piece(1, 0, 52)]]
    assert cut([100], 2, [[55, 100]]) == [[Piece(0, 0, 55)], [Piece(0, 55, 100)]]
    assert cut([100], 2, [[90, 100]]) == [[Piece(0, 0, 50)], [Piece(0, 50, 100)]]


def test_never_more_parts_than_rows_and_none_without_rows():
    assert len(cut([3], 10)) == 3
    assert cut([0, 0], 4) == []
