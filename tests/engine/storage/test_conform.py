from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa
import pytest

from engine.errors import InvalidDataError, InvalidValueError, SchemaMismatchError
from engine.storage.conform import Incoming, check_fits, stored_schema
from engine.storage.stored_types import STORED_TYPE
from tests.engine.storage.reading import MAIN_T, reader

TABLE = pa.schema([("a", pa.int64()), ("b", pa.string())])


def through(data: pa.Table, schema: pa.Schema) -> pa.Table:
    check_fits(MAIN_T, data.schema, schema)
    return Incoming(MAIN_T, reader(data), schema).reader().read_all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([("a", pa.int64()), ("b", pa.string()), ("c", pa.string())], 'Column "c" of the data is not in the table'),
        ([("a", pa.int64()), ("bb", pa.string())], 'did you mean "b"?'),
        ([("a", pa.int64()), ("A", pa.int64())], 'two columns "A"'),
        ([("a", pa.float64()), ("b", pa.string())], 'Column "a" of the data has the type double'),
        ([("a", pa.uint64()), ("b", pa.string())], "uint64"),
        ([pa.field("b", pa.string(), metadata={STORED_TYPE: "UUID"})], "is stored as string, as other tools do"),
    ],
)
def test_the_first_difference_is_named(given, message):
    with pytest.raises(SchemaMismatchError, match=re.escape(message)):
        check_fits(MAIN_T, pa.schema(given), TABLE)


def test_a_column_that_names_its_type_takes_no_other_data():
    table = pa.schema([pa.field("b", pa.string(), metadata={STORED_TYPE: "UUID"})])
    check_fits(MAIN_T, table, table)
    with pytest.raises(SchemaMismatchError, match=r'has the type string, table "main\.t" has UUID'):
        check_fits(MAIN_T, pa.schema([("b", pa.string())]), table)


def test_columns_are_matched_by_name_and_missing_ones_are_null():
    data = pa.table({"B": ["x", None]})
    assert through(data, TABLE).equals(pa.table({"a": pa.nulls(2, pa.int64()), "b": ["x", None]}))
    data = pa.table({"b": ["x"], "a": [1]})
    assert through(data, TABLE).equals(data.select(["a", "b"]))
    with pytest.raises(SchemaMismatchError, match=r'"a" .* takes no NULLs'):
        check_fits(
            MAIN_T, pa.schema([("b", pa.string())]), pa.schema([pa.field("a", pa.int8(), False), TABLE.field("b")])
        )


@pytest.mark.parametrize(
    ("values", "table_type"),
    [
        (pa.array([1, None], pa.int8()), pa.int64()),
        (pa.array([1, None], pa.uint32()), pa.int64()),
        (pa.array(["a", None], pa.large_string()), pa.string()),
        (pa.array(["a", None], pa.string_view()), pa.string()),
        (pa.array(["a", None]).dictionary_encode(), pa.string()),
        (pa.array(["a", None]), pa.dictionary(pa.int32(), pa.string())),
        (pa.array([1.5, None], pa.float32()), pa.float64()),
        (pa.array([Decimal("1.25"), None], pa.decimal128(5, 2)), pa.decimal128(9, 4)),
        (pa.array([1, None], pa.timestamp("ms")), pa.timestamp("us")),
        (pa.array([{"x": 1}, None], pa.struct([("x", pa.int32())])), pa.struct([("x", pa.int64())])),
        (pa.array([[1, 2], None], pa.list_(pa.int16())), pa.large_list(pa.int64())),
        (pa.array([None, None], pa.null()), pa.list_(pa.int64())),
        (pa.array([1_000, None], pa.timestamp("us", "UTC")), pa.timestamp("ms", "Europe/Berlin")),
        (pa.array([1, None], pa.date32()), pa.date64()),
        (pa.array([5_000_000, None], pa.time64("us")), pa.time32("s")),
        (pa.array([b"ab", None]), pa.binary(2)),
        (pa.array([None, None], pa.month_day_nano_interval()), pa.null()),
    ],
)
def test_what_loses_nothing_goes_in(values, table_type):
    schema = pa.schema([("v", table_type)])
    stored = through(pa.table({"v": values}), schema)
    assert stored.schema == schema
    assert stored["v"].to_pylist() == values.to_pylist()


@pytest.mark.parametrize(
    ("given", "table_type"),
    [
        (pa.int64(), pa.int32()),
        (pa.int32(), pa.uint64()),
        (pa.float64(), pa.float32()),
        (pa.decimal128(9, 4), pa.decimal128(9, 2)),
        (pa.decimal128(9, 2), pa.decimal128(9, 4)),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.string(), pa.binary()),
        (pa.struct([("x", pa.int64())]), pa.struct([("y", pa.int64())])),
        (pa.list_(pa.int64()), pa.list_(pa.int64(), 2)),
    ],
)
def test_what_could_lose_something_does_not(given, table_type):
    with pytest.raises(SchemaMismatchError):
        check_fits(MAIN_T, pa.schema([("v", given)]), pa.schema([("v", table_type)]))


def test_a_new_table_has_nullable_columns_of_plain_types():
    given = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False),
            ("b", pa.dictionary(pa.int8(), pa.string_view())),
            ("c", pa.list_(pa.field("x", pa.decimal64(5, 2), nullable=False))),
        ],
        metadata={"a": "b"},
    )
    stored = stored_schema(MAIN_T, given)
    assert stored.equals(
        pa.schema([("a", pa.int32()), ("b", pa.string()), ("c", pa.list_(pa.decimal128(5, 2)))]), check_metadata=True
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "at least one column"),
        ([("a", pa.int64()), ("A", pa.int64())], 'two columns "A"'),
        ([("", pa.int64())], "needs a name"),
        ([("a", pa.dense_union([pa.field("x", pa.int64())]))], "cannot be stored"),
        ([("a", pa.struct([]))], "cannot be stored"),
        ([("a", pa.list_(pa.run_end_encoded(pa.int32(), pa.int64())))], "cannot be stored"),
    ],
)
def test_a_schema_that_no_table_can_have_is_refused(fields, message):
    with pytest.raises(SchemaMismatchError, match=message):
        stored_schema(MAIN_T, pa.schema(fields))


def broken_text() -> pa.RecordBatch:
    buffers = [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
    return pa.record_batch([pa.Array.from_buffers(pa.string(), 1, buffers)], names=["s"])


def wild_offsets() -> pa.RecordBatch:
    buffers = [None, pa.array([0, 1 << 30, 3], pa.int32()).buffers()[1], pa.py_buffer(b"abc")]
    return pa.record_batch([pa.Array.from_buffers(pa.string(), 2, buffers)], names=["s"])


@pytest.mark.parametrize("batch", [broken_text(), wild_offsets()], ids=["utf8", "offsets"])
def test_data_that_is_not_arrow_is_refused(batch):
    good = pa.record_batch({"s": ["fine"]})
    incoming = Incoming(MAIN_T, pa.RecordBatchReader.from_batches(good.schema, [good, batch]), good.schema)
    with pytest.raises(InvalidDataError, match="not valid Arrow data"):
        list(incoming)
    assert isinstance(incoming.error, InvalidDataError)


def test_nulls_where_the_data_says_there_are_none_are_refused():
    kind = pa.struct([pa.field("x", pa.int64(), nullable=False)])
    column = pa.StructArray.from_arrays([pa.array([1, None])], fields=list(kind))
    data = pa.table({"v": column})
    with pytest.raises(InvalidDataError, match="NULLs"):
        through(data, stored_schema(MAIN_T, data.schema))


def test_nulls_for_a_column_that_takes_none_are_refused():
    schema = pa.schema([pa.field("v", pa.int64(), nullable=False)])
    with pytest.raises(InvalidValueError, match="takes no NULLs"):
        through(pa.table({"v": [1, None]}), schema)


@pytest.mark.parametrize(
    ("value", "table_type"),
    [
        (pa.array([2**62], pa.timestamp("s")), pa.timestamp("ns")),
        (pa.array([1], pa.timestamp("us")), pa.timestamp("ms")),
        (pa.array([1], pa.time64("us")), pa.time32("s")),
        (pa.array([b"abc"]), pa.binary(2)),
        (pa.array([1]), pa.null()),
    ],
)
def test_a_value_that_does_not_fit_is_refused(value, table_type):
    with pytest.raises(InvalidValueError, match='"v"'):
        through(pa.table({"v": value}), pa.schema([("v", table_type)]))
