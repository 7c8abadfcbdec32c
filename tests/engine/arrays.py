"""Record batches of every Arrow layout, nested in each other, with nulls, offsets and slack, for property tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["Build", "batches", "builds", "dense_union_of", "text"]

Build = Callable[[random.Random, int], pa.Array]
"""Makes an array of so many rows."""


def _word(rng: random.Random) -> str:
    return rng.choice("abcdefgh") * rng.choice([0, 1, 5, 12, 13, 40, 300])


def _nullable(rng: random.Random, values: list[Any]) -> list[Any]:
    share = rng.choice([0.0, 0.0, 0.3, 1.0])
    return [None if rng.random() < share else value for value in values]


def _mask(rng: random.Random, n: int) -> pa.Array | None:
    return pa.array([rng.random() < 0.3 for _ in range(n)], pa.bool_()) if rng.random() < 0.5 else None


def _plain(kind: pa.DataType, value: Callable[[random.Random], Any]) -> Build:
    return lambda rng, n: pa.array(_nullable(rng, [value(rng) for _ in range(n)]), kind)


def _uuid(rng: random.Random, n: int) -> pa.Array:
    storage = _plain(pa.binary(16), lambda rng: bytes([rng.randint(0, 9)] * 16))
    return pa.ExtensionArray.from_storage(pa.uuid(), storage(rng, n))


text = _plain(pa.string(), _word)
_flag = _plain(pa.bool_(), lambda rng: rng.random() < 0.5)
_int64 = _plain(pa.int64(), lambda rng: rng.randint(-9, 9))

_LEAVES: list[Build] = [
    text,
    _flag,
    _int64,
    _uuid,
    lambda rng, n: pa.nulls(n),
    lambda rng, n: text(rng, n).dictionary_encode(),
    _plain(pa.int8(), lambda rng: rng.randint(-9, 9)),
    _plain(pa.float16(), lambda rng: rng.randint(-9, 9)),
    _plain(pa.float64(), lambda rng: rng.random()),
    _plain(pa.date32(), lambda rng: rng.randint(0, 9)),
    _plain(pa.date64(), lambda rng: rng.randint(0, 9) * 86_400_000),
    _plain(pa.time32("ms"), lambda rng: rng.randint(0, 9)),
    _plain(pa.time64("us"), lambda rng: rng.randint(0, 9)),
    _plain(pa.timestamp("us", "UTC"), lambda rng: rng.randint(0, 9)),
    _plain(pa.duration("s"), lambda rng: rng.randint(0, 9)),
    _plain(pa.month_day_nano_interval(), lambda rng: (rng.randint(0, 9), 1, 2)),
    _plain(pa.decimal32(5, 2), lambda rng: Decimal(rng.randint(-99, 99))),
    _plain(pa.decimal64(15, 2), lambda rng: Decimal(rng.randint(-99, 99))),
    _plain(pa.decimal128(30, 2), lambda rng: Decimal(rng.randint(-99, 99))),
    _plain(pa.decimal256(70, 2), lambda rng: Decimal(rng.randint(-99, 99))),
    _plain(pa.binary(5), lambda rng: b"12345"),
    _plain(pa.large_binary(), lambda rng: _word(rng).encode()),
    _plain(pa.string_view(), _word),
    _plain(pa.binary_view(), lambda rng: _word(rng).encode()),
]


def _offsets(rng: random.Random, n: int) -> list[int]:
    """n + 1 offsets of lists, which need not begin with 0."""
    ends = [rng.randint(0, 1)]
    for _ in range(n):
        ends.append(ends[-1] + rng.choice([0, 0, 1, 2, 5]))
    return ends


def _list_of(item: Build, large: bool) -> Build:
    cls, kind = (pa.LargeListArray, pa.int64()) if large else (pa.ListArray, pa.int32())

    def build(rng: random.Random, n: int) -> pa.Array:
        ends = _offsets(rng, n)
        return cls.from_arrays(pa.array(ends, kind), item(rng, ends[-1] + 2), mask=_mask(rng, n))

    return build


def _list_view_of(item: Build, large: bool) -> Build:
    cls, kind = (pa.LargeListViewArray, pa.int64()) if large else (pa.ListViewArray, pa.int32())

    def build(rng: random.Random, n: int) -> pa.Array:
        ends = _offsets(rng, n)
        lists = [(a, b - a) if rng.random() < 0.8 else (0, 0) for a, b in pairwise(ends)]
        rng.shuffle(lists)
        starts, sizes = (pa.array([one[i] for one in lists], kind) for i in (0, 1))
        return cls.from_arrays(starts, sizes, item(rng, ends[-1] + 2), mask=_mask(rng, n))

    return build


def _fixed_list_of(item: Build) -> Build:
    return lambda rng, n: pa.FixedSizeListArray.from_arrays(item(rng, n * 3), 3, mask=_mask(rng, n))


def _map_of(item: Build) -> Build:
    def build(rng: random.Random, n: int) -> pa.Array:
        ends = _offsets(rng, n)
        return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), pa.array(range(ends[-1])), item(rng, ends[-1]))

    return build


def _struct_of(item: Build) -> Build:
    return lambda rng, n: pa.StructArray.from_arrays([item(rng, n), _flag(rng, n)], ["a", "b"], mask=_mask(rng, n))


def _sparse_union_of(item: Build) -> Build:
    def build(rng: random.Random, n: int) -> pa.Array:
        codes = pa.array([rng.choice([5, 7]) for _ in range(n)], pa.int8())
        return pa.UnionArray.from_sparse(codes, [item(rng, n), text(rng, n)], ["a", "b"], [5, 7])

    return build


def dense_union_of(item: Build) -> Build:
    """A dense union of `item`, text and a child that no row uses."""

    def build(rng: random.Random, n: int) -> pa.Array:
        codes = [rng.choice([5, 7]) for _ in range(n)]
        seen = {5: 0, 7: 0}
        places = []
        for code in codes:
            places.append(seen[code])
            seen[code] += 1
        children = [item(rng, seen[5] + 1), text(rng, seen[7]), _int64(rng, 1)]
        return pa.UnionArray.from_dense(
            pa.array(codes, pa.int8()), pa.array(places, pa.int32()), children, ["a", "b", "c"], [5, 7, 9]
        )

    return build


def _runs_of(item: Build, kind: pa.DataType) -> Build:
    """Runs of `item`, which Arrow C++ does not take where they are runs again."""

    def build(rng: random.Random, n: int) -> pa.Array:
        ends = sorted({*(rng.randint(1, n) for _ in range(n // 3)), n}) if n else []
        values = item(rng, len(ends))
        if pa.types.is_run_end_encoded(values.type):
            return item(rng, n)
        return pa.RunEndEncodedArray.from_arrays(pa.array(ends, kind), values)

    return build


def _nested(item: st.SearchStrategy[Build]) -> st.SearchStrategy[Build]:
    plain = (_fixed_list_of, _map_of, _struct_of, _sparse_union_of, dense_union_of)
    return st.one_of(
        st.builds(_list_of, item, st.booleans()),
        st.builds(_list_view_of, item, st.booleans()),
        st.builds(_runs_of, item, st.sampled_from([pa.int16(), pa.int32(), pa.int64()])),
        *(st.builds(of, item) for of in plain),
    )


builds = st.recursive(st.sampled_from(_LEAVES), _nested, max_leaves=3)
"""Ways to build an array, up to three levels deep or so."""


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Batches of one to four columns that are slices of longer arrays."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    rows, skipped = draw(st.integers(0, 400)), draw(st.sampled_from([0, 0, 1, 8, 13]))
    chosen = draw(st.lists(builds, min_size=1, max_size=4))
    arrays = [build(rng, skipped + rows + 3).slice(skipped, rows) for build in chosen]
    return pa.record_batch(arrays, names=[f"c{i}" for i in range(len(arrays))])
