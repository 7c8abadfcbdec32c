"""Stored data is looked at without Python: at the values that the kernel would take for what they are not."""

from __future__ import annotations

import random
import re

import pyarrow as pa
import pytest

from engine.arrow_input import StreamGuard, all_good, check_stored, look_of, stored_value_error
from engine.errors import GrismError, InvalidDataError, UnsupportedError
from tests.engine.arrow_input.data import json, nested, opaque
from tests.engine.arrow_input.test_values import RIGHT, WRONG, raw
from tests.harness.oracle import Oracle

UNREAD = {
    "a large decimal without an absolute value",
    "a date out of range",
    "a duration out of range",
    "a key twice",
}  # what the kernel itself finds, or cannot hurt
LOOKED_AT = {name: array for name, array in WRONG.items() if name not in UNREAD and not name.startswith("nanoseconds")}


def through(array: pa.Array, metadata: dict[str, str] | None = None) -> pa.Table:
    schema = pa.schema([pa.field("good", pa.int64()), pa.field('an "odd" one', array.type, metadata=metadata)])
    table = pa.table([pa.array(range(len(array))), array], schema=schema)
    return StreamGuard(schema).reader(table.to_reader(max_chunksize=1)).read_all()


@pytest.mark.parametrize("array", LOOKED_AT.values(), ids=LOOKED_AT.keys())
def test_a_stream_ends_at_a_value_that_is_none(array: pa.Array) -> None:
    if array.type == pa.timestamp("s", "UTC"):
        array = raw(array.type, 2**62)
    for kind, place in nested(array).items():
        if kind not in ("dictionary", "run", "list view"):
            with pytest.raises(pa.ArrowInvalid) as caught:
                through(place)
            found = stored_value_error(f"Error: {caught.value}\nmore")
            assert isinstance(found, InvalidDataError)
            assert str(found) == f'A stored value of column "an "odd" one" is not of its type, {place.type}.'


@pytest.mark.parametrize("array", RIGHT.values(), ids=RIGHT.keys())
def test_good_values_pass(array: pa.Array) -> None:
    for part in (array, array.slice(1), array.slice(0, 0)):
        assert through(part)[1].combine_chunks().equals(pa.concat_arrays([part, part.slice(0, 0)]))
    lists = pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array)
    assert through(lists)[1].combine_chunks().equals(lists)


def test_only_values_that_are_there_are_looked_at() -> None:
    """Behind NULLs, and between the items of lists, anything may lie."""
    wrong = json("[1,]", "2", "NaN")
    hidden = pa.array([True, False, True])
    for array in (
        pa.StructArray.from_arrays([wrong], ["a"], mask=hidden),
        pa.ListArray.from_arrays(pa.array([1, 2], pa.int32()), wrong),
        pa.FixedSizeListArray.from_arrays(wrong, 1, mask=hidden),
        pa.StructArray.from_arrays([wrong], ["a"]).slice(1, 1),
        pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), wrong, mask=hidden),
    ):
        assert through(array).num_rows == len(array)


def test_json_of_the_kernel_is_what_the_kernel_takes_for_it() -> None:
    """Which is more than Arrow's type has."""
    chance = random.Random(5)
    parts = [
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        '"a"',
        "1",
        "-",
        "-0.5e+3",
        "01",
        "NaN",
        "nAN",
        "-inf",
        "Infinity",
        "Infinit",
    ]
    parts += ["null", "nul", "true", " ", "\n", "\v", '"\\ud83d\\ude42"', '"\\ud83d"', "é"]

    def value(depth: int = 0) -> str:
        if depth > 3 or chance.random() < 0.5:
            return chance.choice(parts)
        items, end = [value(depth + 1) for _ in range(chance.randrange(3))], chance.choice(["", "", ",", " , "])
        if chance.random() < 0.5:
            return f"[{','.join(items)}{end}]"
        return f"{{{','.join(f'{chance.choice(parts)}:{item}' for item in items)}{end}}}"

    texts = sorted({value() for _ in range(20_000)})
    with Oracle.over({"rows": pa.table({"text": texts})}) as oracle:
        taken = oracle.run("SELECT TRY_CAST(text AS JSON) IS NOT NULL AS good FROM rows")["good"].to_pylist()
    look = look_of(pa.field("x", pa.opaque(pa.string(), "json", "DuckDB")))
    assert [all_good(pa.array([text]), look) for text in texts] == taken
    assert 200 < sum(taken) < len(texts) - 1_000


def test_infinite_instants_and_midnight_are_values() -> None:
    for unit in ("s", "ms"):
        assert through(raw(pa.timestamp(unit), 2**63 - 1, 1 - 2**63)).num_rows == 2
    assert through(raw(pa.time64("us"), 86_400_000_000)).num_rows == 1
    with pytest.raises(pa.ArrowInvalid, match="not of its type, time64"):
        through(raw(pa.time64("us"), 86_400_000_001))


def test_columns_that_cannot_hurt_are_not_looked_at() -> None:
    table = pa.table({"a": [1], "b": ["x"], "c": [[1.5]], "d": [{"e": b"x"}]})
    reader = table.to_reader()
    assert StreamGuard(table.schema).reader(reader) is reader


def test_types_that_stored_tables_may_not_have() -> None:
    good = pa.field("good", pa.int8())
    for kind, reason in (
        (pa.opaque(pa.binary(32), "hugeint", "DuckDB"), "lies in fixed_size_binary[16]"),
        (pa.list_(pa.opaque(pa.int64(), "time_tz", "DuckDB")), "lies in fixed_size_binary[8]"),
        (pa.decimal128(5, -2), "cast it to decimal128(7, 0)"),
    ):
        with pytest.raises(GrismError, match=re.escape(reason)) as caught:
            check_stored(pa.schema([good, pa.field("odd one", kind)]))
        assert 'Column "odd one" ' in str(caught.value)
    with pytest.raises(UnsupportedError, match='Column "x" has dictionaries of extension<arrow'):
        through_dictionary(json("1"))


def through_dictionary(values: pa.Array) -> None:
    schema = pa.schema([("x", pa.dictionary(pa.int8(), values.type))])
    StreamGuard(schema).reader(pa.RecordBatchReader.from_batches(schema, []))


@pytest.mark.parametrize(
    "field",
    [
        pa.field(
            "x", pa.struct([("metadata", pa.binary())]), metadata={"ARROW:extension:name": "arrow.parquet.variant"}
        ),
        pa.field("x", pa.struct([("x", pa.float64())]), metadata={"ARROW:extension:name": "geoarrow.point"}),
        pa.field(
            "x",
            pa.binary(),
            metadata={"ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": '{"crs": "EPSG:4326"}'},
        ),
        pa.field("x", opaque("something", pa.array(["x"])).type),
    ],
)
def test_what_only_loses_by_being_read_is_read(field: pa.Field) -> None:
    check_stored(pa.schema([field]))
