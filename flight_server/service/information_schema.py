"""`information_schema`: its tables as views over constants, made of the catalog each time that one is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set

import pyarrow as pa

from engine.kernel import quote
from engine.sql.literals import literal
from engine.sql.views import View
from engine.storage.protocol import CATALOG, TableName
from flight_server.service.columns import ShownColumn

__all__ = ["INFORMATION_SCHEMA", "information_view"]

INFORMATION_SCHEMA = "information_schema"

Value = str | int | None
Row = dict[str, Value]

# The columns as the dialect has them, VARCHAR where nothing else is said. What rows do not tell of is NULL.
_TABLE = "table_catalog table_schema table_name"
_CONSTRAINT = "constraint_catalog constraint_schema constraint_name"
_LAYOUTS = {
    "schemata": """catalog_name schema_name schema_owner default_character_set_catalog default_character_set_schema
        default_character_set_name sql_path""",
    "tables": f"""{_TABLE} table_type self_referencing_column_name reference_generation user_defined_type_catalog
        user_defined_type_schema user_defined_type_name is_insertable_into is_typed commit_action TABLE_COMMENT""",
    "columns": f"""{_TABLE} column_name ordinal_position:INTEGER column_default is_nullable data_type
        character_maximum_length:INTEGER character_octet_length:INTEGER numeric_precision:INTEGER
        numeric_precision_radix:INTEGER numeric_scale:INTEGER datetime_precision:INTEGER interval_type
        interval_precision:INTEGER character_set_catalog character_set_schema character_set_name collation_catalog
        collation_schema collation_name domain_catalog domain_schema domain_name udt_catalog udt_schema udt_name
        scope_catalog scope_schema scope_name maximum_cardinality:BIGINT dtd_identifier is_self_referencing:BOOLEAN
        is_identity:BOOLEAN identity_generation identity_start identity_increment identity_maximum identity_minimum
        identity_cycle:BOOLEAN is_generated generation_expression is_updatable:BOOLEAN COLUMN_COMMENT""",
    "views": f"""{_TABLE} view_definition check_option is_updatable is_insertable_into is_trigger_updatable
        is_trigger_deletable is_trigger_insertable_into""",
    "table_constraints": f"""{_CONSTRAINT} {_TABLE} constraint_type is_deferrable initially_deferred enforced
        nulls_distinct""",
    "key_column_usage": f"""{_CONSTRAINT} {_TABLE} column_name ordinal_position:BIGINT
        position_in_unique_constraint:BIGINT""",
    "referential_constraints": f"""{_CONSTRAINT} unique_constraint_catalog unique_constraint_schema
        unique_constraint_name match_option update_rule delete_rule""",
    "constraint_column_usage": f"{_TABLE} column_name {_CONSTRAINT} constraint_type constraint_text",
}

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_EXACT = _BITS | {f"U{name}": bits for name, bits in _BITS.items()}
_APPROXIMATE = {"FLOAT": 24, "DOUBLE": 53}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_FRACTIONS = {
    "DATE": 0,
    "TIME": 6,
    "TIME WITH TIME ZONE": 6,
    "TIMESTAMP_S": 0,
    "TIMESTAMP_MS": 3,
    "TIMESTAMP": 6,
    "TIMESTAMP WITH TIME ZONE": 6,
    "TIMESTAMP_NS": 9,
}
"""How many digits the seconds have behind the point."""


def information_view(
    name: TableName,
    schemas: Callable[[], Iterable[str]],
    tables: Callable[[], Iterable[tuple[TableName, str]]],
    read_only: Callable[[], Set[TableName]],
    columns: Callable[[TableName], Iterable[ShownColumn]],
    views: Callable[[], Iterable[View]],
) -> View | None:
    """A table of `information_schema`, or None where there is none of that name.

    Only what the table needs is asked for: `schemas`, `tables` with their types and the `read_only` ones of
    them, the `columns` of each, or the `views`.
    """
    table = name.table.lower()
    if table not in _LAYOUTS:
        return None
    rows: list[Row] = []  # there are no constraints but NOT NULL, which belongs to its column
    match table:
        case "schemata":
            rows = [{"catalog_name": CATALOG, "schema_name": schema} for schema in schemas()]
        case "tables":
            fixed = read_only()
            rows = [_table_row(known, kind, known not in fixed) for known, kind in tables()]
        case "columns":
            rows = [
                _named(known) | {"ordinal_position": position} | _column_row(column)
                for known, _ in tables()
                for position, column in enumerate(columns(known), start=1)
            ]
        case "views":
            rows = [_view_row(view) for view in views()]
    return _view(name, _LAYOUTS[table].split(), rows)


def _named(table: TableName) -> Row:
    return {"table_catalog": CATALOG, "table_schema": table.schema, "table_name": table.table}


def _table_row(table: TableName, kind: str, writable: bool) -> Row:
    return _named(table) | {
        "table_type": "BASE TABLE" if kind == "TABLE" else kind,
        "is_insertable_into": "YES" if writable and kind != "VIEW" else "NO",
        "is_typed": "NO",
    }


def _column_row(column: ShownColumn) -> Row:
    decimal = _DECIMAL.fullmatch(column.type)
    precision: Value = _EXACT.get(column.type) or _APPROXIMATE.get(column.type)
    radix: Value = None if precision is None else 2
    scale: Value = 0 if column.type in _EXACT else None
    if decimal is not None:
        precision, radix, scale = int(decimal[1]), 10, int(decimal[2])
    return {
        "column_name": column.name,
        "column_default": column.default,
        "is_nullable": "YES" if column.nullable else "NO",
        "data_type": column.type,
        "numeric_precision": precision,
        "numeric_precision_radix": radix,
        "numeric_scale": scale,
        "datetime_precision": _FRACTIONS.get(column.type),
    }


def _view_row(view: View) -> Row:
    columns = f" ({', '.join(map(quote, view.columns))})" if view.columns else ""
    name = f"{quote(view.name.schema)}.{quote(view.name.table)}"
    changes = ("is_updatable", "is_insertable_into", "is_trigger_updatable", "is_trigger_deletable")
    return _named(view.name) | {
        "view_definition": f"CREATE VIEW {name}{columns} AS {view.query};",
        "check_option": "NONE",
        **dict.fromkeys((*changes, "is_trigger_insertable_into"), "NO"),
    }


def _view(name: TableName, layout: Sequence[str], rows: Sequence[Row]) -> View:
    given = list(rows[0]) if rows else []
    items = []
    for entry in layout:
        column, _, kind = entry.partition(":")
        value = quote(column) if column in given else "NULL"
        items.append(f"CAST({value} AS {kind or 'VARCHAR'}) AS {quote(column)}")
    if not rows:
        return View(name, f"SELECT {', '.join(items)} LIMIT 0")
    values = ", ".join("(" + ", ".join(_text(value) for value in row.values()) + ")" for row in rows)
    return View(name, f"SELECT {', '.join(items)} FROM (VALUES {values}) AS known({', '.join(map(quote, given))})")


def _text(value: Value) -> str:
    return "NULL" if value is None else literal(pa.scalar(value))
