"""Which types may enter, and as what."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest

from engine.arrow_input import entering_field, entering_schema
from engine.errors import GrismError, InvalidDataError, UnsupportedError

POINT = {"ARROW:extension:name": "geoarrow.wkb"}


def geometry(kind: pa.DataType, metadata: object = None) -> pa.Field:
    text = {} if metadata is None else {"ARROW:extension:metadata": json.dumps(metadata)}
    return pa.field("x", kind, metadata={**POINT, **text})


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.null(), pa.bool_(), pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.string(), pa.large_string()),
        *(pa.binary(), pa.large_binary(), pa.binary(5), pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns")),
        *(pa.timestamp("s"), pa.timestamp("ns", "Europe/Paris"), pa.duration("us"), pa.month_day_nano_interval()),
        *(pa.decimal128(38, 38), pa.uuid(), pa.list_(pa.uuid()), pa.map_(pa.string(), pa.list_(pa.int8()))),
        pa.struct([pa.field("a", pa.int8(), nullable=False), pa.field("b", pa.list_(pa.binary(), 3))]),
        *(pa.opaque(pa.binary(16), "hugeint", "DuckDB"), pa.opaque(pa.binary(8), "time_tz", "DuckDB")),
        *(pa.opaque(pa.binary(), "bit", "DuckDB"), pa.opaque(pa.binary(), "bignum", "DuckDB")),
    ],
    ids=str,
)
def test_types_that_enter_as_they_are(kind: pa.DataType) -> None:
    field = pa.field("x", kind, metadata={"mine": "1"})
    assert entering_field(field).equals(field, check_metadata=True)


@pytest.mark.parametrize(
    ("kind", "entering"),
    [
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
        (pa.dictionary(pa.int32(), pa.string_view()), pa.string()),
        (pa.dictionary(pa.int32(), pa.uuid()), pa.uuid()),
        (pa.string_view(), pa.string()),
        (pa.list_(pa.binary_view()), pa.list_(pa.binary())),
        (pa.struct([("a", pa.dictionary(pa.int8(), pa.string()))]), pa.struct([("a", pa.string())])),
        (pa.run_end_encoded(pa.int16(), pa.list_(pa.string_view())), pa.list_(pa.string())),
        (pa.list_view(pa.int8()), pa.list_(pa.int8())),
        (pa.large_list_view(pa.string_view()), pa.large_list(pa.string())),
        (pa.float16(), pa.float32()),
        (pa.decimal32(5, 2), pa.decimal128(5, 2)),
        (pa.decimal256(38, 2), pa.decimal128(38, 2)),
        (pa.json_(pa.large_string()), pa.json_(pa.string())),
        (pa.json_(pa.string_view()), pa.json_(pa.string())),
        (pa.bool8(), pa.bool_()),
        (pa.fixed_shape_tensor(pa.int32(), [2, 3]), pa.list_(pa.int32(), 6)),
        (pa.opaque(pa.string_view(), "ltree", "PostgreSQL"), pa.string()),
        (pa.opaque(pa.large_binary(), "bit", "DuckDB"), pa.opaque(pa.binary(), "bit", "DuckDB")),
    ],
    ids=str,
)
def test_encodings_are_no_types(kind: pa.DataType, entering: pa.DataType) -> None:
    for given, wanted in (
        (kind, entering),
        (pa.list_(kind), pa.list_(entering)),
        (pa.map_(pa.string(), kind), pa.map_(pa.string(), entering)),
    ):
        assert entering_field(pa.field("x", given)).type.equals(wanted)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (pa.opaque(pa.binary(32), "hugeint", "DuckDB"), "lies in fixed_size_binary[16] and not in"),
        (pa.opaque(pa.int64(), "time_tz", "DuckDB"), "lies in fixed_size_binary[8] and not in int64"),
        (pa.opaque(pa.string(), "bit", "DuckDB"), "lies in binary and not in string"),
        (pa.opaque(pa.binary(), "something", "DuckDB"), 'the opaque type "something" of DuckDB'),
        (pa.list_(pa.int8(), 100_001), "an array has 1 to 100000 items"),
        (pa.struct([]), "a struct without fields"),
        (pa.struct([("a", pa.int8()), ("A", pa.int8())]), 'a struct with two fields "A"'),
        (pa.struct([("", pa.int8())]), "a field that has no name"),
        (pa.decimal256(39, 0), "at most 38 digits"),
        (pa.decimal128(5, -2), "cast it to decimal128(7, 0)"),
        (pa.decimal128(3, 5), "cast it to decimal128(5, 5)"),
        (pa.decimal32(5, -2), "cast it to decimal128(7, 0)"),
    ],
    ids=str,
)
def test_types_that_are_refused_by_name(kind: pa.DataType, reason: str) -> None:
    for given in (kind, pa.list_(kind), pa.struct([("a", kind)]), pa.dictionary(pa.int8(), kind)):
        with pytest.raises((InvalidDataError, UnsupportedError), match=re.escape(reason)) as caught:
            entering_schema(pa.schema([("good", pa.int8()), ("odd one", given)]))
        assert 'Column "odd one" ' in str(caught.value)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, {}),
        ({"crs": None, "edges": "planar"}, {}),
        ({"crs": "OGC:CRS84"}, {"crs": "OGC:CRS84"}),
        ({"crs": {"type": "GeographicCRS", "id": {"authority": "OGC", "code": "CRS83"}}}, {"crs": "OGC:CRS83"}),
    ],
)
def test_geometries_keep_their_coordinate_system(kind: pa.DataType, given: object, kept: object) -> None:
    entered = entering_field(geometry(kind, given))
    assert entered.type == pa.binary()
    assert json.loads(entered.metadata[b"ARROW:extension:metadata"]) == kept
    assert entered.metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"
    inside = entering_field(pa.field("l", pa.list_(geometry(kind, given)))).type.value_field
    assert inside.equals(entered, check_metadata=True)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (geometry(pa.binary(), {"crs": "EPSG:4326"}), "OGC:CRS83 and OGC:CRS84 are"),
        (geometry(pa.binary(), {"crs": {"id": {"authority": "EPSG", "code": 4326}}}), "OGC:CRS83 and OGC:CRS84 are"),
        (geometry(pa.binary(), {"edges": "spherical"}), 'only "planar" ones'),
        (geometry(pa.binary(), []), "no JSON object"),
        (geometry(pa.string()), "lies in binary and not in string"),
        (pa.field("x", pa.string(), metadata={"ARROW:extension:name": "geoarrow.wkt"}), "send it as geoarrow.wkb"),
        (pa.field("x", pa.binary(), metadata={"ARROW:extension:name": "arrow.uuid"}), "which its storage type"),
        (pa.field("x", pa.binary(), metadata={"ARROW:extension:name": "arrow.parquet.variant"}), "send it as JSON"),
    ],
)
def test_extensions_without_a_class_are_looked_at_too(field: pa.Field, reason: str) -> None:
    for given in (field, pa.field("x", pa.list_(field)), pa.field("x", pa.struct([field]))):
        with pytest.raises((InvalidDataError, UnsupportedError), match=re.escape(reason)):
            entering_field(given)


def test_an_extension_that_nobody_interprets_is_its_storage() -> None:
    field = pa.field("x", pa.string_view(), metadata={"ARROW:extension:name": "acme.color", "mine": "1"})
    assert entering_field(field).equals(pa.field("x", pa.string(), metadata={"mine": "1"}), check_metadata=True)


@pytest.mark.parametrize("field", [pa.field("a\0b", pa.int8()), pa.field("x", pa.struct([("a\0b", pa.int8())]))])
def test_names_are_not_cut(field: pa.Field) -> None:
    with pytest.raises(GrismError, match="NUL character"):
        entering_field(field)
