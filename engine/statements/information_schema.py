"""`information_schema`: its tables as Arrow rows in memory, made of what the catalog is when one is named."""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Iterator
from functools import lru_cache

import pyarrow as pa

from engine.cache import LruCache
from engine.sql.catalog_functions import INFORMATION_SCHEMA
from engine.sql.shown_columns import ShownColumn
from engine.sql.views import View
from engine.statements import catalog_functions
from engine.statements.catalog_rows import (
    Content,
    Facts,
    Row,
    column_versions,
    table_of,
    told_columns,
    type_row,
    view_text,
)
from engine.storage.memory_tables import MEMORY
from engine.storage.names import unknown_table
from engine.storage.protocol import CATALOG, TableHandle, TableName

__all__ = ["INFORMATION_SCHEMA", "InformationSchema"]

_KEPT = 64  # tables: one for each set of rights and temporary tables that is in use

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
    **catalog_functions.LAYOUTS,
}

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


class InformationSchema:
    """Gives the tables of `information_schema`: the same ones for as long as nothing has changed. Thread-safe."""

    def __init__(self) -> None:
        self._known: LruCache[Hashable, TableHandle] = LruCache(_KEPT)
        self._empty = {table: _hold(table, table_of(layout.split(), ())) for table, layout in _LAYOUTS.items()}

    def empty(self, name: TableName) -> TableHandle:
        """The table of that name, in any case, without rows; UnknownTableError where there is none."""
        table = name.table.lower()
        if table not in _LAYOUTS:
            raise unknown_table(
                name,
                [TableName(INFORMATION_SCHEMA, known) for known in _LAYOUTS.keys() - catalog_functions.LAYOUTS.keys()],
            )
        return self._empty[table]

    def table(self, name: TableName, facts: Facts) -> TableHandle:
        """The table of that name; raises as `empty`. Only what the table needs is asked of `facts`."""
        table = self.empty(name).name.table
        content = _CONTENTS.get(table, _NOTHING)
        key = table, tuple(content.versions(facts))
        found = self._known.get(key)
        if found is None:
            found = _hold(table, table_of(_LAYOUTS[table].split(), list(map(content.row, content.ask(facts)))))
            self._known.put(key, found)
        return found


def _hold(table: str, data: pa.Table) -> TableHandle:
    return MEMORY.handle(TableName(INFORMATION_SCHEMA, table), MEMORY.hold((uuid.uuid4().hex,), "1", data))


def _told_tables(facts: Facts) -> Iterator[tuple[TableName, str, bool]]:
    fixed = facts.read_only()
    for name, kind in facts.relations():
        yield name, kind, name not in fixed


def _schema_row(schema: str) -> Row:
    return {"catalog_name": CATALOG, "schema_name": schema}


def _name_columns(table: TableName) -> Row:
    return {"table_catalog": CATALOG, "table_schema": table.schema, "table_name": table.table}


def _table_row(told: tuple[TableName, str, bool]) -> Row:
    table, kind, writable = told
    return _name_columns(table) | {
        "table_type": "BASE TABLE" if kind == "TABLE" else kind,
        "is_insertable_into": "YES" if writable and kind != "VIEW" else "NO",
        "is_typed": "NO",
    }


def _column_row(told: tuple[TableName, int, ShownColumn]) -> Row:
    table, position, column = told
    return {
        **_name_columns(table),
        "ordinal_position": position,
        "column_name": column.name,
        "column_default": column.default,
        "is_nullable": "YES" if column.nullable else "NO",
        **_type_row(column.type),
    }


@lru_cache(maxsize=1024)
def _type_row(kind: str) -> Row:
    return {**type_row(kind), "datetime_precision": _FRACTIONS.get(kind)}


def _view_row(view: View) -> Row:
    changes = ("is_updatable", "is_insertable_into", "is_trigger_updatable", "is_trigger_deletable")
    return _name_columns(view.name) | {
        "view_definition": view_text(view),
        "check_option": "NONE",
        **dict.fromkeys((*changes, "is_trigger_insertable_into"), "NO"),
    }


# There are no constraints but NOT NULL, which belongs to its column.
_NOTHING = Content(lambda _: (), lambda _: {})
_CONTENTS = {
    "schemata": Content(lambda facts: facts.schemas(), _schema_row),
    "tables": Content(_told_tables, _table_row),
    "columns": Content(told_columns, _column_row, column_versions),
    "views": Content(lambda facts: facts.views(), _view_row),
    **catalog_functions.CONTENTS,
}
