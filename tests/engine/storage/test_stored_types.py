"""The types that stored fields name, and which of them are believed."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.errors import SchemaMismatchError
from engine.kernel import Kernel
from engine.schema import Column
from engine.storage.stored_types import STORED_TYPE, declared_type, kernel_columns, storable_type, stored_fields


def field(kind: pa.DataType, declared: str) -> pa.Field:
    return pa.field("x", kind, metadata={STORED_TYPE: declared.encode()})


def test_fields_name_the_types_that_they_do_not_have(kernel: Kernel) -> None:
    columns = (Column("a", "INTEGER"), Column("b", "UUID"), Column("c", "INTEGER[2]"), Column("d", "VARCHAR[2]"))
    fields = stored_fields(kernel, columns)
    assert [declared_type(f) for f in fields] == [None, "UUID", None, "VARCHAR[2]"]
    assert [f.type for f in fields][:3] == [pa.int32(), pa.string(), pa.list_(pa.int32(), 2)]
    assert kernel_columns(kernel, fields) == columns


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        (pa.int32(), "UUID"),
        (pa.list_(pa.string()), "UUID"),
        (pa.string(), "uuid"),
        (pa.string(), "NO SUCH TYPE"),
        (pa.string(), "STRUCT("),
        (pa.string(), "UUID) AS x, (SELECT 1) AS y, CAST('' AS VARCHAR"),
        (pa.string(), "(SELECT 1)"),
        (pa.string(), "ENUM(SELECT 1)"),
        (pa.string(), 'UUID" --'),
        (pa.string(), "\udce4".encode(errors="surrogateescape").decode(errors="replace")),
    ],
)
def test_a_type_that_the_data_cannot_have_is_not_believed(kind: pa.DataType, declared: str, kernel: Kernel) -> None:
    natural = kernel.column_types(pa.schema([pa.field("x", kind)]).empty_table())
    assert kernel_columns(kernel, pa.schema([field(kind, declared)])) == natural


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ('"NULL"', "INTEGER"),
        ('"NULL"[]', "INTEGER[]"),
        ("STRUCT(a BIT)", "STRUCT(a BIT)"),
        ("DECIMAL(4,1)", "DECIMAL(4,1)"),
    ],
)
def test_types_that_can_be_stored(kind: str, stored: str) -> None:
    assert storable_type(Column("x", kind)) == stored


@pytest.mark.parametrize(
    "kind",
    [
        "TYPE",
        "STRUCT",
        "TUPLE",
        "TUPLE()",
        "STRUCT[]",
        "MAP(VARCHAR, TYPE)",
        "STRUCT(a INTEGER, A INTEGER)",
        'STRUCT("" BIT)',
        "TUPLE(UNION(a BIT))",
        "LAMBDA",
        "?",
    ],
)
def test_types_that_cannot(kind: str) -> None:
    with pytest.raises(SchemaMismatchError, match=r'Column "x" has the type .* cannot be stored; cast it'):
        storable_type(Column("x", kind))
