"""Column metadata for BI tools."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.storage.protocol import TableName
from flight_server.column_metadata import annotate, type_name


@pytest.mark.parametrize(
    ("data_type", "name"),
    [
        (pa.int32(), "INTEGER"),
        (pa.uint64(), "UBIGINT"),
        (pa.string(), "VARCHAR"),
        (pa.decimal128(15, 2), "DECIMAL"),
        (pa.timestamp("us"), "TIMESTAMP"),
        (pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
        (pa.time64("ns"), "TIME_NS"),
        (pa.timestamp("ns", "UTC"), "TIMESTAMPTZ_NS"),
        (pa.dictionary(pa.uint8(), pa.string()), "VARCHAR"),
        (pa.list_(pa.list_(pa.int64())), "BIGINT[][]"),
        (pa.map_(pa.string(), pa.decimal128(15, 2)), "MAP(VARCHAR, DECIMAL(15,2))"),
        (pa.struct([('a"b', pa.time64("ns"))]), 'STRUCT("a""b" TIME_NS)'),
        (pa.sparse_union([pa.field("a", pa.int32()), pa.field("b", pa.string())]), 'UNION("a" INTEGER, "b" VARCHAR)'),
        (pa.list_(pa.float32(), 3), "FLOAT[3]"),
        (pa.map_(pa.string(), pa.date32()), "MAP(VARCHAR, DATE)"),
        (pa.struct([("a", pa.bool_()), ("b", pa.list_(pa.binary()))]), 'STRUCT("a" BOOLEAN, "b" BLOB[])'),
    ],
)
def test_type_names(data_type: pa.DataType, name: str) -> None:
    assert type_name(data_type) == name


def test_a_table_s_columns() -> None:
    schema = pa.schema([pa.field("price", pa.decimal128(15, 2), nullable=False), ("name", pa.string())])
    annotated = annotate(schema, (TableName("main", "t"), None), read_only=False)
    assert annotated.equals(schema)
    said = {
        key.decode().removeprefix("ARROW:FLIGHT:SQL:"): value.decode() for key, value in annotated[0].metadata.items()
    }
    assert said == {
        "TYPE_NAME": "DECIMAL",
        "PRECISION": "15",
        "SCALE": "2",
        "IS_CASE_SENSITIVE": "0",
        "IS_READ_ONLY": "0",
        "IS_SEARCHABLE": "1",
        "CATALOG_NAME": "grism",
        "DB_SCHEMA_NAME": "main",
        "SCHEMA_NAME": "main",
        "TABLE_NAME": "t",
    }
    assert annotated[1].metadata[b"ARROW:FLIGHT:SQL:IS_CASE_SENSITIVE"] == b"1"
    assert b"ARROW:FLIGHT:SQL:TABLE_NAME" not in annotated[1].metadata


def test_a_result_s_columns_keep_what_is_noted_of_them() -> None:
    noted = pa.field("u", pa.binary(16), metadata={"ARROW:extension:name": "arrow.uuid"})
    (field,) = annotate(pa.schema([noted]))
    assert field.metadata[b"ARROW:extension:name"] == b"arrow.uuid"
    assert field.metadata[b"ARROW:FLIGHT:SQL:IS_READ_ONLY"] == b"1"
    assert b"ARROW:FLIGHT:SQL:TABLE_NAME" not in field.metadata
