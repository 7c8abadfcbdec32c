from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given

from engine.errors import ExecutionError, UnsupportedError
from ray_runtime.exchange import group_rows, payload_schema, whole
from tests.ray_runtime.exchange.tables import IDS, SCHEMA, batches_of, partitioned_tables, rows_by_partition


@given(partitioned_tables())
def test_every_row_comes_out_in_its_partition_and_in_order(case: tuple[int, list[pa.RecordBatch]]) -> None:
    partitions, batches = case
    found: dict[int, list[object]] = {}
    for piece in group_rows(batches_of(batches), partitions):
        partitions_found = [partition for partition, _ in piece.slices]
        assert partitions_found == sorted(set(partitions_found))
        assert piece.bytes > 0
        for partition, batch in piece.slices:
            assert batch.schema.equals(SCHEMA)
            assert batch.num_rows
            batch.validate(full=True)
            found.setdefault(partition, []).extend(batch.to_pylist())
    assert found == rows_by_partition(batches)


def test_rows_without_ids_pass_without_a_copy() -> None:
    batch = pa.record_batch({"x": [1, 2, 3]})
    [piece] = whole(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    [(partition, passed)] = piece.slices
    assert partition == 0
    assert passed.column(0).buffers()[1].address == batch.column(0).buffers()[1].address


def test_rows_of_one_partition_are_not_copied() -> None:
    batch = pa.record_batch({"x": [1, 2, 3], IDS: pa.array([4, 4, 4], pa.uint8())})
    [piece] = group_rows(pa.RecordBatchReader.from_batches(batch.schema, [batch]), 5)
    [(partition, passed)] = piece.slices
    assert partition == 4
    assert passed.column(0).buffers()[1].address == batch.column(0).buffers()[1].address


def test_pieces_grow_with_the_partitions_so_that_slices_stay_large() -> None:
    rows, partitions = 10_000, 300
    ids = pa.array([i % partitions for i in range(rows)], pa.uint16())
    batch = pa.record_batch({"x": pa.array(["x" * 100] * rows), IDS: ids})
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch] * 64)
    pieces = list(group_rows(reader, partitions))
    sizes = [slice.nbytes for piece in pieces for _, slice in piece.slices]
    assert sum(len(slice) for piece in pieces for _, slice in piece.slices) == 64 * rows
    assert sum(sizes) / len(sizes) > 50_000


@pytest.mark.parametrize("ids", [[0, None], [0, 3], [0, 200]])
def test_an_id_out_of_range_is_an_error(ids: list[int | None]) -> None:
    batch = pa.record_batch({"x": [1, 2], IDS: pa.array(ids, pa.uint8())})
    with pytest.raises(ExecutionError, match="not below 3"):
        list(group_rows(pa.RecordBatchReader.from_batches(batch.schema, [batch]), 3))


def test_other_columns_may_have_the_name_of_the_ids() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([7, None]), pa.array([1, 0], pa.uint8())], names=[IDS, IDS])
    [piece] = group_rows(pa.RecordBatchReader.from_batches(batch.schema, [batch]), 2)
    assert [(partition, rows.to_pylist()) for partition, rows in piece.slices] == [(0, [{IDS: None}]), (1, [{IDS: 7}])]


def test_dictionaries_that_do_not_fit_together_stay_apart() -> None:
    def batch(first: int) -> pa.RecordBatch:
        values = pa.array([f"v{first + i}" for i in range(100)])
        column = pa.DictionaryArray.from_arrays(pa.array(range(100), pa.int8()), values)
        return pa.record_batch({"x": column, IDS: pa.array([i % 2 for i in range(100)], pa.uint8())})

    batches = [batch(0), batch(100)]
    found = [row["x"] for piece in group_rows(batches_of(batches), 2) for _, b in piece.slices for row in b.to_pylist()]
    assert sorted(found) == sorted(f"v{i}" for i in range(200))


def test_a_type_that_cannot_be_reordered_is_refused() -> None:
    batch = pa.record_batch({"x": pa.array(["a", "b"], pa.string_view()), IDS: pa.array([0, 1], pa.uint8())})
    with pytest.raises(UnsupportedError, match="string_view"):
        list(group_rows(pa.RecordBatchReader.from_batches(batch.schema, [batch]), 2))


def test_the_payload_has_no_ids() -> None:
    assert payload_schema(pa.schema([("a", pa.int64()), ("a", pa.uint8())])) == pa.schema([("a", pa.int64())])
