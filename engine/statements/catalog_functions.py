"""The kernel's table functions about its catalog, `duckdb_tables()` and the like, over the tables of a session.

They have the kernel's columns; what there is none of here is NULL, or a relation without rows. The identifiers in them
(`table_oid` and the like) are made of the names, so they are the same in every function and on every server.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from engine.kernel import quote
from engine.sql.shown_columns import ShownColumn
from engine.sql.views import View
from engine.statements.catalog_rows import (
    Content,
    Facts,
    Row,
    column_versions,
    told_columns,
    type_row,
    view_text,
)
from engine.storage.indexes import StoredIndex
from engine.storage.protocol import CATALOG, DEFAULT_SCHEMA, TableName

__all__ = ["CONTENTS", "LAYOUTS"]

_SCHEMA = "database_name database_oid:BIGINT schema_name schema_oid:BIGINT"
_TABLE = f"{_SCHEMA} table_name table_oid:BIGINT"
_TEMPORARY = "temp"

LAYOUTS = {
    "duckdb_databases()": """database_name database_oid:BIGINT path comment tags:MAP internal:BOOLEAN type
        readonly:BOOLEAN encrypted:BOOLEAN cipher options:MAP""",
    "duckdb_schemas()": """oid:BIGINT database_name database_oid:BIGINT schema_name comment tags:MAP internal:BOOLEAN
        sql parent_schema parent_schema_oid:BIGINT""",
    "duckdb_tables()": f"""{_TABLE} comment tags:MAP internal:BOOLEAN temporary:BOOLEAN has_primary_key:BOOLEAN
        estimated_size:BIGINT column_count:BIGINT index_count:BIGINT check_constraint_count:BIGINT sql""",
    "duckdb_views()": f"""{_SCHEMA} view_name view_oid:BIGINT comment tags:MAP internal:BOOLEAN temporary:BOOLEAN
        column_count:BIGINT sql is_bound:BOOLEAN""",
    "duckdb_columns()": f"""{_TABLE} column_name column_index:INTEGER comment internal:BOOLEAN column_default
        is_nullable:BOOLEAN data_type data_type_id:BIGINT character_maximum_length:INTEGER numeric_precision:INTEGER
        numeric_precision_radix:INTEGER numeric_scale:INTEGER tags:MAP is_generated:BOOLEAN generation_expression""",
    "duckdb_constraints()": f"""{_TABLE} constraint_index:BIGINT constraint_type constraint_text expression
        constraint_column_indexes:BIGINTS constraint_column_names:TEXTS constraint_name referenced_table
        referenced_column_names:TEXTS""",
    "duckdb_indexes()": f"""{_SCHEMA} index_name index_oid:BIGINT table_name table_oid:BIGINT comment tags:MAP
        is_unique:BOOLEAN is_primary:BOOLEAN expressions sql""",
    "duckdb_settings()": "name value description input_type scope aliases:TEXTS",
}


def _oid(*names: str) -> int:
    """A number for what has these names, without regard to case."""
    text = json.dumps([name.lower() for name in names])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


def _place(name: TableName) -> tuple[str, str]:
    """The catalog and the schema in which the dialect has a table: temporary ones are in a catalog of their own."""
    return (_TEMPORARY, DEFAULT_SCHEMA) if name.schema.lower() == _TEMPORARY else (CATALOG, name.schema)


def _schema_row(catalog: str, schema: str) -> Row:
    return {
        "database_name": catalog,
        "database_oid": _oid(catalog),
        "schema_name": schema,
        "schema_oid": _oid(catalog, schema),
    }


def _table_names(name: TableName) -> Row:
    place = _place(name)
    return {**_schema_row(*place), "table_name": name.table, "table_oid": _oid(*place, name.table)}


# ---- what each function tells of, and its rows


def _database_row(name: str) -> Row:
    return {
        "database_name": name,
        "database_oid": _oid(name),
        "tags": {},
        "internal": name == _TEMPORARY,
        "type": "duckdb",
        "readonly": False,
        "encrypted": False,
        "options": {},
    }


def _schemas(facts: Facts) -> Iterator[tuple[str, str]]:
    for schema in facts.schemas():
        yield _place(TableName(schema, ""))


def _told_schema(place: tuple[str, str]) -> Row:
    own = _schema_row(*place)
    made = None if place[1] == DEFAULT_SCHEMA else f"CREATE SCHEMA {quote(place[1])};"
    return {**own, "oid": own["schema_oid"], "tags": {}, "internal": False, "sql": made}


Told = tuple[TableName, int | None, tuple[ShownColumn, ...]]


def _tables(facts: Facts) -> Iterator[Told]:
    for name, kind in facts.relations():
        if kind != "VIEW":
            yield name, facts.rows(name), facts.columns(name, kind)


def _table_row(told: Told) -> Row:
    name, rows, columns = told
    temporary = name.schema.lower() == _TEMPORARY
    return {
        **_table_names(name),
        "tags": {},
        "internal": False,
        "temporary": temporary,
        "has_primary_key": False,
        "estimated_size": rows,
        "column_count": len(columns),
        "check_constraint_count": 0,
        "sql": _table_text(name, columns, temporary),
    }


def _table_text(name: TableName, columns: tuple[ShownColumn, ...], temporary: bool) -> str:
    """The statement that would make a table."""
    shown = quote(name.table) if temporary else f"{quote(name.schema)}.{quote(name.table)}"
    defined = (
        f"{quote(column.name)} {column.type}"
        + ("" if column.default is None else f" DEFAULT({column.default})")
        + ("" if column.nullable else " NOT NULL")
        for column in columns
    )
    return f"CREATE {'TEMP ' if temporary else ''}TABLE {shown}({', '.join(defined)});"


def _views(facts: Facts) -> Iterator[tuple[View, int]]:
    for view in facts.views():
        yield view, len(facts.columns(view.name, "VIEW"))


def _view_row(told: tuple[View, int]) -> Row:
    view, columns = told
    place = _place(view.name)
    return {
        **_schema_row(*place),
        "view_name": view.name.table,
        "view_oid": _oid(*place, view.name.table),
        "tags": {},
        "internal": False,
        "temporary": view.name.schema.lower() == _TEMPORARY,
        "column_count": columns,
        "sql": view_text(view),
        "is_bound": columns > 0,
    }


def _view_versions(facts: Facts) -> Iterator[object]:
    yield from facts.views()
    yield from column_versions(facts)


def _column_row(told: tuple[TableName, int, ShownColumn]) -> Row:
    name, position, column = told
    return {
        **_table_names(name),
        "column_name": column.name,
        "column_index": position,
        "internal": False,
        "column_default": column.default,
        "is_nullable": column.nullable,
        **type_row(column.type),
        "tags": {},
        "is_generated": False,
    }


def _constraints(facts: Facts) -> Iterator[tuple[TableName, int, int, ShownColumn]]:
    """NOT NULL: the table, the constraint's number in it, the column's, both from 0, and the column."""
    for name, kind in facts.relations():
        if kind != "VIEW":
            fixed = [each for each in enumerate(facts.columns(name, kind)) if not each[1].nullable]
            for number, (position, column) in enumerate(fixed):
                yield name, number, position, column


def _constraint_row(told: tuple[TableName, int, int, ShownColumn]) -> Row:
    name, number, position, column = told
    return {
        **_table_names(name),
        "constraint_index": number,
        "constraint_type": "NOT NULL",
        "constraint_text": "NOT NULL",
        "constraint_column_indexes": [position],
        "constraint_column_names": [column.name],
        "constraint_name": f"{name.table}_{column.name}_not_null",
        "referenced_column_names": [],
    }


def _indexes(facts: Facts) -> Iterator[tuple[TableName, StoredIndex]]:
    for name, kind in facts.relations():
        if kind != "VIEW":
            for index in facts.indexes(name):
                yield name, index


def _index_row(told: tuple[TableName, StoredIndex]) -> Row:
    name, index = told
    columns = ", ".join(map(quote, index.columns))
    table = quote(name.table) if name.schema == _TEMPORARY else f"{quote(name.schema)}.{quote(name.table)}"
    return {
        **_table_names(name),
        "index_name": index.name,
        "index_oid": _oid(*_place(name), name.table, index.name),
        "tags": {},
        "is_unique": False,
        "is_primary": False,
        "expressions": f"[{columns}]",
        "sql": f"CREATE INDEX {quote(index.name)} ON {table} USING {index.kind} ({columns});",
    }


def _settings(facts: Facts) -> list[tuple[str, str]]:
    """Those of the session, and the one of the kernel's that programs read."""
    told = {name: str(value) for name, value in facts.settings().items()}
    return sorted({**told, "TimeZone": "UTC"}.items())


def _setting_row(told: tuple[str, str]) -> Row:
    return {"name": told[0], "value": told[1], "input_type": "VARCHAR", "scope": "LOCAL", "aliases": []}


CONTENTS = {
    "duckdb_databases()": Content(
        lambda facts: dict.fromkeys([CATALOG, *(catalog for catalog, _ in _schemas(facts))]), _database_row
    ),
    "duckdb_schemas()": Content(_schemas, lambda place: _told_schema(place)),
    "duckdb_tables()": Content(_tables, _table_row, column_versions),
    "duckdb_views()": Content(_views, _view_row, _view_versions),
    "duckdb_columns()": Content(told_columns, _column_row, column_versions),
    "duckdb_constraints()": Content(_constraints, _constraint_row, column_versions),
    "duckdb_indexes()": Content(_indexes, _index_row, column_versions),
    "duckdb_settings()": Content(_settings, _setting_row),
}
