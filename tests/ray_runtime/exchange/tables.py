"""Random tables of the types that move through an exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["IDS", "SCHEMA", "batches_of", "partitioned_tables", "rows_by_partition"]

IDS = "id"
_TEXT = st.one_of(st.none(), st.text(max_size=12))
_NUMBER = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))

SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "s": pa.string(),
        "b": pa.bool_(),
        "d": pa.dictionary(pa.int8(), pa.string()),
        "l": pa.list_(pa.string()),
        "r": pa.struct({"x": pa.int64(), "y": pa.list_(pa.bool_())}),
        "m": pa.map_(pa.string(), pa.int64()),
        "f": pa.list_(pa.int64(), 2),
        "u": pa.null(),
    }
)

_ROW = st.fixed_dictionaries(
    {
        "n": _NUMBER,
        "s": _TEXT,
        "b": st.one_of(st.none(), st.booleans()),
        "d": st.one_of(st.none(), st.sampled_from(["red", "green", "blue", "weiß"])),
        "l": st.one_of(st.none(), st.lists(_TEXT, max_size=3)),
        "r": st.one_of(
            st.none(),
            st.fixed_dictionaries({"x": _NUMBER, "y": st.lists(st.one_of(st.none(), st.booleans()), max_size=3)}),
        ),
        "m": st.one_of(
            st.none(), st.dictionaries(st.text(max_size=4), _NUMBER, max_size=2).map(lambda d: list(d.items()))
        ),
        "f": st.one_of(st.none(), st.lists(_NUMBER, min_size=2, max_size=2)),
        "u": st.none(),
    }
)


@st.composite
def partitioned_tables(draw: st.DrawFn) -> tuple[int, list[pa.RecordBatch]]:
    """(partitions, batches with partition ids): some partitions and some batches are empty."""
    partitions = draw(st.sampled_from([1, 2, 3, 7, 200]))
    id_type = draw(st.sampled_from([pa.uint8(), pa.uint16(), pa.int32()]))
    schema = SCHEMA.append(pa.field(IDS, id_type))
    batches = []
    for rows in draw(st.lists(st.lists(_ROW, max_size=20), max_size=4)):
        ids = draw(st.lists(st.integers(0, partitions - 1), min_size=len(rows), max_size=len(rows)))
        batches.append(
            pa.RecordBatch.from_pylist(
                [{**row, IDS: partition} for row, partition in zip(rows, ids, strict=True)], schema=schema
            )
        )
    return partitions, batches


def batches_of(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatchReader:
    """A reader over batches, which may be none."""
    schema = batches[0].schema if batches else SCHEMA.append(pa.field(IDS, pa.uint8()))
    return pa.RecordBatchReader.from_batches(schema, batches)


def rows_by_partition(batches: Sequence[pa.RecordBatch]) -> dict[int, list[dict[str, Any]]]:
    """What each partition has to hold, in order."""
    expected: dict[int, list[dict[str, Any]]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            expected.setdefault(row.pop(IDS), []).append(row)
    return expected
