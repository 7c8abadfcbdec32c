"""Types that Arrow has not, in whatever they stand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.kernel import Kernel
from engine.schema import Column
from engine.travel_types import Boundary, is_retyped, leaving_items, leaving_type, travels

TIMETZ = "TIME WITH TIME ZONE"


@pytest.mark.parametrize(
    ("kind", "to_kernel", "to_client"),
    [
        ("INTEGER", "INTEGER", "INTEGER"),
        ("HUGEINT", "HUGEINT", "DECIMAL(38,0)"),
        ("UHUGEINT", "VARCHAR", "DECIMAL(38,0)"),
        ("BIT", "VARCHAR", "VARCHAR"),
        (TIMETZ, "VARCHAR", "VARCHAR"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
        ("ENUM('a', 'it''s', 'x)', '(')", "VARCHAR", "VARCHAR"),
        ("DECIMAL(38,10)[]", "DECIMAL(38,10)[]", "DECIMAL(38,10)[]"),
        ("BIGNUM[3][]", "BIGNUM[3][]", "VARCHAR[3][]"),
        ("INTERVAL[]", "VARCHAR[]", "INTERVAL[]"),
        ("MAP(ENUM('a', 'b')[], BIT)", "MAP(VARCHAR[], VARCHAR)", "MAP(VARCHAR[], VARCHAR)"),
        ("TUPLE(INTEGER, BIT)", "TUPLE(INTEGER, VARCHAR)", "TUPLE(INTEGER, VARCHAR)"),
        (f"UNION(a {TIMETZ}, b HUGEINT)", "UNION(a VARCHAR, b HUGEINT)", "UNION(a VARCHAR, b DECIMAL(38,0))"),
        (
            'STRUCT("bit" BIT, "a ""(b" STRUCT(HUGEINT INTEGER)[], "ü" UUID)',
            'STRUCT("bit" VARCHAR, "a ""(b" STRUCT(HUGEINT INTEGER)[], "ü" UUID)',
            'STRUCT("bit" VARCHAR, "a ""(b" STRUCT(HUGEINT INTEGER)[], "ü" UUID)',
        ),
        ("STRUCT", "STRUCT", "STRUCT"),
        ('"NULL"[]', '"NULL"[]', '"NULL"[]'),
    ],
)
def test_types_leave_as_others(kind: str, to_kernel: str, to_client: str, kernel: Kernel) -> None:
    for found in (kind, to_kernel, to_client):
        assert kernel.describe(f"SELECT NULL::{found} AS x") == (Column("x", found),)
    assert leaving_type(kind, Boundary.KERNEL) == to_kernel
    assert leaving_type(kind, Boundary.CLIENT) == to_client


@pytest.mark.parametrize("kind", ["ENUM('a', 'it''s')", "MAP(ENUM('a')[], INTEGER)", "INTERVAL", "UUID"])
def test_a_client_that_takes_dictionaries_gets_them(kind: str, kernel: Kernel) -> None:
    assert leaving_type(kind, Boundary.DICTIONARY_CLIENT) == kind
    schema = kernel.arrow_schema((Column("x", kind), Column("h", "HUGEINT[]")), Boundary.DICTIONARY_CLIENT)
    stream = kernel.stream(f"SELECT NULL::{kind} AS x, [1]::HUGEINT[] AS h", boundary=Boundary.DICTIONARY_CLIENT)
    assert stream.reader.read_all().schema.equals(schema)
    assert schema.field("h").type.value_type == pa.decimal128(38, 0)


def test_a_dictionary_that_would_be_too_large_for_a_message_is_text() -> None:
    values = ", ".join(f"'{i:010}'" for i in range(50_000))
    assert leaving_type(f"ENUM({values})[]", Boundary.DICTIONARY_CLIENT) == "VARCHAR[]"


def test_nothing_is_selected_where_all_columns_leave_as_they_are() -> None:
    assert leaving_items([("a", "INTEGER"), ("a", "HUGEINT")], Boundary.KERNEL) is None
    assert leaving_items([("a", "INTEGER"), ('a"', "BIT")], Boundary.CLIENT) == [
        '#1 AS "a"',
        'CAST(#2 AS VARCHAR) AS "a"""',
    ]


VALUES = [
    "'10101'::BIT",
    "'12:34:56.000001-15:59:59'::TIMETZ",
    "340282366920938463463374607431768211455::UHUGEINT",
    "-170141183460469231731687303715884105728",
    "to_microseconds(-9223372036854775807) - INTERVAL 1 MICROSECOND",
    "INTERVAL '-14 months 3 days -00:00:00.000001'",
    "'b'::ENUM('b', 'a')",
    "['b']::ENUM('b', 'a')[1]",
    "MAP {'1'::BIT: 'b'::ENUM('b', 'a')}",
    "row(1, '1'::BIT)",
    "'00000000-0000-0000-0000-000000000001'::UUID",
    "'{}'::JSON",
    "12345678901234567890123456789012345678901234567890::BIGNUM",
    "'POINT(1 2)'::GEOMETRY",
    "struct_pack()",
    "'12:00:00.123456789'::TIME_NS",
    "'infinity'::TIMESTAMP_S",
    "1.5::DECIMAL(4,1)",
]


@pytest.mark.parametrize("value", VALUES)
def test_another_kernel_makes_of_a_column_what_it_was(value: str, kernel: Kernel) -> None:
    (column,) = kernel.describe(f"SELECT {value} AS x")
    sql = f"SELECT x FROM (VALUES ({value}), (NULL)) AS t(x)"
    moved = kernel.stream(sql, boundary=Boundary.KERNEL).reader.read_all()
    back = f"CAST(x AS {column.type})" if is_retyped(column.type) else "x"
    found = kernel.stream(
        f"SELECT typeof(x), x::VARCHAR, x IS NOT DISTINCT FROM ({value}) FROM (SELECT {back} AS x FROM moved)",
        {"moved": moved},
    )
    text = kernel.stream(f"SELECT ({value})::VARCHAR AS t").reader.read_all().column(0)[0].as_py()
    (first, second) = [tuple(row.values()) for row in found.reader.read_all().to_pylist()]
    assert first == (column.type, text, True)
    assert second == (column.type, None, False)


@pytest.mark.parametrize("kind", ["TYPE", "VARIANT", "UNION(a INTEGER, b VARCHAR)", "MAP(VARCHAR, INTEGER)"])
@pytest.mark.parametrize("around", ["{}", "{}[]", "{}[2][]", "STRUCT(a INTEGER, b {})[]", "TUPLE(INTEGER, {})"])
def test_what_another_kernel_would_not_have_again_does_not_travel(kind: str, around: str) -> None:
    assert not travels(around.format(kind))


@pytest.mark.parametrize(
    "kind",
    [
        "INTEGER",
        'STRUCT("TYPE" INTEGER, "MAP" INTEGER[], VARIANT INTEGER, "UNION" DECIMAL(4,1))',
        "ENUM('TYPE', 'MAP(', 'UNION')",
        "TIME WITH TIME ZONE",
        "GEOMETRY('OGC:CRS84')",
    ],
)
def test_all_else_travels(kind: str) -> None:
    assert travels(kind)
