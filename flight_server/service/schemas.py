"""The schemas of Flight SQL's metadata results. Names, types, order and nullability are the protocol's."""

from __future__ import annotations

import pyarrow as pa

__all__ = [
    "CATALOGS",
    "FOREIGN_KEYS",
    "PRIMARY_KEYS",
    "SCHEMAS",
    "SQL_INFO",
    "TABLES",
    "TABLES_WITH_SCHEMA",
    "TABLE_TYPES",
    "XDBC_TYPE_INFO",
]


def _required(name: str, data_type: pa.DataType) -> pa.Field:
    return pa.field(name, data_type, nullable=False)


_TEXT, _INT = pa.string(), pa.int32()

CATALOGS = pa.schema([_required("catalog_name", _TEXT)])

TABLE_TYPES = pa.schema([_required("table_type", _TEXT)])

SCHEMAS = pa.schema([pa.field("catalog_name", _TEXT), _required("db_schema_name", _TEXT)])

TABLES = pa.schema(
    [
        pa.field("catalog_name", _TEXT),
        pa.field("db_schema_name", _TEXT),
        _required("table_name", _TEXT),
        _required("table_type", _TEXT),
    ]
)

TABLES_WITH_SCHEMA = TABLES.append(_required("table_schema", pa.binary()))

PRIMARY_KEYS = pa.schema(
    [
        pa.field("catalog_name", _TEXT),
        pa.field("db_schema_name", _TEXT),
        _required("table_name", _TEXT),
        _required("column_name", _TEXT),
        _required("key_sequence", _INT),
        pa.field("key_name", _TEXT),
    ]
)

FOREIGN_KEYS = pa.schema(
    [
        pa.field("pk_catalog_name", _TEXT),
        pa.field("pk_db_schema_name", _TEXT),
        _required("pk_table_name", _TEXT),
        _required("pk_column_name", _TEXT),
        pa.field("fk_catalog_name", _TEXT),
        pa.field("fk_db_schema_name", _TEXT),
        _required("fk_table_name", _TEXT),
        _required("fk_column_name", _TEXT),
        _required("key_sequence", _INT),
        pa.field("fk_key_name", _TEXT),
        pa.field("pk_key_name", _TEXT),
        _required("update_rule", pa.uint8()),
        _required("delete_rule", pa.uint8()),
    ]
)
"""Imported keys, exported keys and the cross reference alike."""

SQL_INFO = pa.schema(
    [
        _required("info_name", pa.uint32()),
        _required(
            "value",
            pa.dense_union(
                [
                    _required("string_value", _TEXT),
                    _required("bool_value", pa.bool_()),
                    _required("bigint_value", pa.int64()),
                    _required("int32_bitmask", _INT),
                    _required("string_list", pa.list_(_TEXT)),
                    _required("int32_to_int32_list_map", pa.map_(_INT, pa.list_(_INT))),
                ]
            ),
        ),
    ]
)

XDBC_TYPE_INFO = pa.schema(
    [
        _required("type_name", _TEXT),
        _required("data_type", _INT),
        pa.field("column_size", _INT),
        pa.field("literal_prefix", _TEXT),
        pa.field("literal_suffix", _TEXT),
        pa.field("create_params", pa.list_(_required("item", _TEXT))),
        _required("nullable", _INT),
        _required("case_sensitive", pa.bool_()),
        _required("searchable", _INT),
        pa.field("unsigned_attribute", pa.bool_()),
        _required("fixed_prec_scale", pa.bool_()),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", _TEXT),
        pa.field("minimum_scale", _INT),
        pa.field("maximum_scale", _INT),
        _required("sql_data_type", _INT),
        pa.field("datetime_subcode", _INT),
        pa.field("num_prec_radix", _INT),
        pa.field("interval_precision", _INT),
    ]
)
