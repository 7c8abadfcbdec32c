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


def _required_field(name: str, data_type: pa.DataType) -> pa.Field:
    return pa.field(name, data_type, nullable=False)


_TEXT, _INT = pa.string(), pa.int32()

CATALOGS = pa.schema([_required_field("catalog_name", _TEXT)])

TABLE_TYPES = pa.schema([_required_field("table_type", _TEXT)])

SCHEMAS = pa.schema([pa.field("catalog_name", _TEXT), _required_field("db_schema_name", _TEXT)])

TABLES = pa.schema(
    [
        pa.field("catalog_name", _TEXT),
        pa.field("db_schema_name", _TEXT),
        _required_field("table_name", _TEXT),
        _required_field("table_type", _TEXT),
    ]
)

TABLES_WITH_SCHEMA = TABLES.append(_required_field("table_schema", pa.binary()))

PRIMARY_KEYS = pa.schema(
    [
        pa.field("catalog_name", _TEXT),
        pa.field("db_schema_name", _TEXT),
        _required_field("table_name", _TEXT),
        _required_field("column_name", _TEXT),
        _required_field("key_sequence", _INT),
        pa.field("key_name", _TEXT),
    ]
)

FOREIGN_KEYS = pa.schema(
    [
        pa.field("pk_catalog_name", _TEXT),
        pa.field("pk_db_schema_name", _TEXT),
        _required_field("pk_table_name", _TEXT),
        _required_field("pk_column_name", _TEXT),
        pa.field("fk_catalog_name", _TEXT),
        pa.field("fk_db_schema_name", _TEXT),
        _required_field("fk_table_name", _TEXT),
        _required_field("fk_column_name", _TEXT),
        _required_field("key_sequence", _INT),
        pa.field("fk_key_name", _TEXT),
        pa.field("pk_key_name", _TEXT),
        _required_field("update_rule", pa.uint8()),
        _required_field("delete_rule", pa.uint8()),
    ]
)
"""Imported keys, exported keys and the cross reference alike."""

SQL_INFO = pa.schema(
    [
        _required_field("info_name", pa.uint32()),
        _required_field(
            "value",
            pa.dense_union(
                [
                    _required_field("string_value", _TEXT),
                    _required_field("bool_value", pa.bool_()),
                    _required_field("bigint_value", pa.int64()),
                    _required_field("int32_bitmask", _INT),
                    _required_field("string_list", pa.list_(_TEXT)),
                    _required_field("int32_to_int32_list_map", pa.map_(_INT, pa.list_(_INT))),
                ]
            ),
        ),
    ]
)

XDBC_TYPE_INFO = pa.schema(
    [
        _required_field("type_name", _TEXT),
        _required_field("data_type", _INT),
        pa.field("column_size", _INT),
        pa.field("literal_prefix", _TEXT),
        pa.field("literal_suffix", _TEXT),
        pa.field("create_params", pa.list_(_required_field("item", _TEXT))),
        _required_field("nullable", _INT),
        _required_field("case_sensitive", pa.bool_()),
        _required_field("searchable", _INT),
        pa.field("unsigned_attribute", pa.bool_()),
        _required_field("fixed_prec_scale", pa.bool_()),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", _TEXT),
        pa.field("minimum_scale", _INT),
        pa.field("maximum_scale", _INT),
        _required_field("sql_data_type", _INT),
        pa.field("datetime_subcode", _INT),
        pa.field("num_prec_radix", _INT),
        pa.field("interval_precision", _INT),
    ]
)
