from __future__ import annotations

import pytest

from engine.storage.parquet.trust import Guard, Leaf, leaf_guard, writer_trust

DOUBLE, TEXT, BYTES = Leaf("DOUBLE", "", 0), Leaf("BYTE_ARRAY", "StringType() UTF8", 0), Leaf("BYTE_ARRAY", "", 0)
UNSIGNED = Leaf("INT32", "IntType(bitWidth=\x20, isSigned=0) UINT_32", 0)
DECIMAL, GREAT = Leaf("FIXED_LEN_BYTE_ARRAY", "DECIMAL", 38), Leaf("FIXED_LEN_BYTE_ARRAY", "DECIMAL", 39)
HALF, INT96 = Leaf("FIXED_LEN_BYTE_ARRAY", "Float16Type()", 0), Leaf("INT96", "", 0)
INT = Leaf("INT64", "TIMESTAMP_MICROS", 0)


@pytest.mark.parametrize(
    ("writer", "ordered", "counted", "floats", "bytes_"),
    [
        ("DuckDB", False, False, Guard.NONE, Guard.NONE),
        ("DuckDB version v2.0.1 (build 8d78114e90)", True, True, Guard.NONE, Guard.NONE),
        ("parquet-cpp-arrow version 26.0.1", True, False, Guard.FLOATS, Guard.NONE),
        ("parquet-rs version 60.1.0", True, True, Guard.NONE, Guard.NONE),
        ("parquet-mr version 1.9.0 (build 38262e2)", False, False, Guard.FLOATS, Guard.OPAQUE),
        ("parquet-mr version 1.9.0", True, False, Guard.FLOATS, Guard.OPAQUE),
        ("parquet-mr version 1.10.0", True, False, Guard.NONE, Guard.NONE),
        ("parquet-mr version 1.17.0 (build x)", True, False, Guard.NONE, Guard.NONE),
        ("parquet-mr", True, False, Guard.FLOATS, Guard.OPAQUE),
        ("@dsnp/parquetjs", False, False, Guard.FLOATS, Guard.OPAQUE),
        ("", False, False, Guard.FLOATS, Guard.OPAQUE),
        ("somebody's writer\nversion 9", True, False, Guard.FLOATS, Guard.NONE),
    ],
)
def test_writers_are_trusted_in_what_they_are_known_to_do(writer, ordered, counted, floats, bytes_):
    trust = writer_trust(writer, ordered, lambda: counted)
    assert leaf_guard(DOUBLE, trust, False) is floats
    assert {leaf_guard(leaf, trust, False) for leaf in (TEXT, BYTES, UNSIGNED, DECIMAL)} == {bytes_}
    assert {leaf_guard(leaf, trust, False) for leaf in (HALF, INT96, GREAT)} == {Guard.OPAQUE}
    assert leaf_guard(INT, trust, False) is Guard.NONE


def test_dictionaries_of_arrow_go_are_not_trusted():
    trust = writer_trust("parquet-go version 18.8.0", True, lambda: False)
    assert [leaf_guard(TEXT, trust, dictionary) for dictionary in (False, True)] == [Guard.NONE, Guard.OPAQUE]
