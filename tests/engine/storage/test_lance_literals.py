"""Constants in Lance's SQL: of exactly the type of a column, or none."""

from __future__ import annotations

import pyarrow as pa
import pytest
from sqlglot import parse_one

from engine.storage.lance_literals import blob_text, float_text, literal, time_text, timestamp_text, uuid_text


def constant(text: str):
    return parse_one(text, dialect="duckdb")


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("TIMESTAMP_S '1970-01-01 00:01:01'", pa.timestamp("s"), "arrow_cast(61, 'Timestamp(Second, None)')"),
        (
            "TIMESTAMP_MS '1969-12-31 23:59:59.5'",
            pa.timestamp("ms"),
            "arrow_cast(-500, 'Timestamp(Millisecond, None)')",
        ),
        (
            "TIMESTAMP_NS '2262-04-11 23:47:16.854775807'",
            pa.timestamp("ns"),
            f"arrow_cast({2**63 - 1}, 'Timestamp(Nanosecond, None)')",
        ),
        (
            "CAST('1970-01-01 02:00:00.000000001+02' AS TIMESTAMPTZ_NS)",
            pa.timestamp("ns", "UTC"),
            "arrow_cast(1, 'Timestamp(Nanosecond, Some(\"UTC\"))')",
        ),
        ("TIMESTAMP_NS '2263-01-01 00:00:00'", pa.timestamp("ns"), None),
        ("TIMESTAMP '1970-01-01 00:00:00'", pa.timestamp("ns"), None),
        ("TIMESTAMP_S '1970-01-01 00:00:00.5'", pa.timestamp("s"), None),
        ("TIMESTAMPTZ '1970-01-01 00:00:00+00'", pa.timestamp("s"), None),
        ("TIMESTAMP_S 'infinity'", pa.timestamp("s"), None),
        ("TIMESTAMP_S '1970-02-30 00:00:00'", pa.timestamp("s"), None),
    ],
)
def test_timestamps(text, kind, told):
    assert timestamp_text(constant(text), kind) == told


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("TIME '00:01:01'", pa.time32("s"), "arrow_cast(61, 'Time32(Second)')"),
        ("TIME '23:59:59.999'", pa.time32("ms"), "arrow_cast(86399999, 'Time32(Millisecond)')"),
        ("TIME '00:00:00.000001'", pa.time64("us"), "arrow_cast(1, 'Time64(Microsecond)')"),
        ("CAST('00:00:00.000000001' AS TIME_NS)", pa.time64("ns"), "arrow_cast(1, 'Time64(Nanosecond)')"),
        ("TIME '00:00:00.5'", pa.time32("s"), None),
        ("TIME '24:00:00'", pa.time64("us"), None),
        ("TIME '00:00:00'", pa.time64("ns"), None),
        ("TRY_CAST('00:00:00' AS TIME)", pa.time64("us"), None),
    ],
)
def test_times(text, kind, told):
    assert time_text(constant(text), kind) == told


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (r"CAST('a\x00\xFF\x5C\x27' AS BLOB)", pa.binary(), "X'6100ff5c27'"),
        ("CAST('' AS BLOB)", pa.large_binary(), "X''"),
        ("CAST('ab' AS BLOB)", pa.binary(2), "X'6162'"),
        ("CAST('ab' AS BLOB)", pa.binary(3), None),
        (r"CAST('\' AS BLOB)", pa.binary(), None),
        ("CAST('é' AS BLOB)", pa.binary(), None),
        ("'ab'", pa.binary(), None),
    ],
)
def test_bytes(text, kind, told):
    assert blob_text(constant(text), kind) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CAST('-0.0500' AS DECIMAL(38, 4))", "CAST('-0.05' AS DECIMAL(38, 4))"),
        (f"CAST('{'9' * 34}.5' AS DECIMAL(38, 4))", f"CAST('{'9' * 34}.5' AS DECIMAL(38, 4))"),
        ("CAST('0.00005' AS DECIMAL(38, 4))", None),
        ("CAST('0.00005' AS DECIMAL(38, 5))", None),
        ("CAST('5' AS DOUBLE)", None),
        ("TRY_CAST('5' AS DECIMAL(38, 4))", None),
    ],
)
def test_wide_decimals(text, told):
    assert literal(constant(text), pa.decimal128(38, 4)) == told


def test_uuids_and_floats():
    assert uuid_text(constant("CAST('00000000-0000-0000-0000-00000000000a' AS UUID)")) == (
        "'00000000-0000-0000-0000-00000000000a'"
    )
    assert uuid_text(constant("CAST('00000000-0000-0000-0000-00000000000A' AS UUID)")) is None
    assert uuid_text(constant("'00000000-0000-0000-0000-00000000000a'")) is None
    assert float_text(constant("CAST('1.5' AS FLOAT)"), pa.float32()) == "CAST('1.5' AS FLOAT)"
    assert float_text(constant("CAST('1.5' AS DOUBLE)"), pa.float32()) is None
