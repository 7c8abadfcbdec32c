from __future__ import annotations

import pytest

from engine.kernel_types import parse_type
from engine.storage.parquet.common_types import common_type


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("INTEGER", "INTEGER", "INTEGER"),
        ("INTEGER", "BIGINT", "BIGINT"),
        ("UINTEGER", "INTEGER", "BIGINT"),
        ("UTINYINT", "USMALLINT", "USMALLINT"),
        ("UBIGINT", "TINYINT", "HUGEINT"),
        ("INTEGER", "DOUBLE", "DOUBLE"),
        ("FLOAT", "UINTEGER", "DOUBLE"),
        ("FLOAT", "DOUBLE", "DOUBLE"),
        ("BIGINT", "DOUBLE", None),
        ("DECIMAL(5,2)", "DECIMAL(6,1)", "DECIMAL(7,2)"),
        ("DECIMAL(5,2)", "INTEGER", "DECIMAL(12,2)"),
        ("DECIMAL(38,0)", "DECIMAL(38,1)", None),
        ("DECIMAL(5,2)", "DOUBLE", None),
        ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_NS"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", None),
        ("DATE", "TIMESTAMP WITH TIME ZONE", None),
        ("INTEGER", "VARCHAR", None),
        ("BOOLEAN", "INTEGER", None),
        ("BLOB", "VARCHAR", None),
        ('"NULL"', "DATE", "DATE"),
        ('"NULL"[]', "DATE[]", "DATE[]"),
        ("INTEGER[]", "BIGINT[]", "BIGINT[]"),
        ("INTEGER[]", "INTEGER", None),
        ("MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, BIGINT)", "MAP(VARCHAR, BIGINT)"),
        ("STRUCT(a INTEGER, b DATE)", "STRUCT(B DATE, c BOOLEAN)", "STRUCT(a INTEGER, b DATE, c BOOLEAN)"),
        ("STRUCT(a INTEGER)", "STRUCT(b INTEGER)", None),
        ("STRUCT(a INTEGER)", "STRUCT(a VARCHAR)", None),
    ],
)
def test_the_type_that_holds_the_values_of_both(one, other, both):
    for pair in ((one, other), (other, one)):
        found = common_type(*map(parse_type, pair))
        if both is None or pair == (one, other) or "STRUCT" not in both:
            assert (None if found is None else str(found)) == both
