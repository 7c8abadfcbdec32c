"""Metadata commands: catalogs, schemas, tables, keys, type and server information."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa
from google.protobuf.message import Message

from engine.statements.catalog import TABLE_TYPE, TEMPORARY_TYPE, VIEW_TYPE, Catalog
from engine.storage.protocol import CATALOG
from engine.wildcards import like
from flight_server.endpoint.streams import ResultStream
from flight_server.proto import sql
from flight_server.service import schemas
from flight_server.service.listed_schemas import ListedSchemas
from flight_server.service.queries import Queries
from flight_server.service.request import Offer, Request
from flight_server.service.sqlinfo import SqlInfo, info_table
from flight_server.service.xdbc import type_info_table

__all__ = ["Metadata"]

_log = logging.getLogger(__name__)
_TYPE_NAMES = {"BASE TABLE": TABLE_TYPE, "TEMPORARY TABLE": TEMPORARY_TYPE}  # as other servers have them


class Metadata:
    """Answers each command with a small table. The command itself is the ticket, so nothing is kept between calls."""

    def __init__(self, catalog: Catalog, listed: ListedSchemas, queries: Queries, info: SqlInfo) -> None:
        self._catalog = catalog
        self._listed = listed
        self._queries = queries
        self._info = info
        self._answers: Mapping[type[Message], Callable[..., pa.Table]] = {
            sql.CommandGetSqlInfo: self._sql_info,
            sql.CommandGetXdbcTypeInfo: self._xdbc_type_info,
            sql.CommandGetCatalogs: self._catalogs,
            sql.CommandGetDbSchemas: self._db_schemas,
            sql.CommandGetTables: self._tables,
            sql.CommandGetTableTypes: self._table_types,
            sql.CommandGetPrimaryKeys: self._no_primary_keys,
            sql.CommandGetExportedKeys: self._no_foreign_keys,
            sql.CommandGetImportedKeys: self._no_foreign_keys,
            sql.CommandGetCrossReference: self._no_foreign_keys,
        }

    @property
    def commands(self) -> Iterable[type[Message]]:
        """The commands that are answered here."""
        return self._answers

    def info(self, request: Request, command: Message) -> Offer:
        """The schema, and the command as the ticket."""
        return Offer(self.schema(request, command), command)

    def schema(self, request: Request, command: Message) -> pa.Schema:
        """The schema that the protocol has for the command's answer."""
        del request
        match command:
            case sql.CommandGetSqlInfo():
                return schemas.SQL_INFO
            case sql.CommandGetXdbcTypeInfo():
                return schemas.XDBC_TYPE_INFO
            case sql.CommandGetCatalogs():
                return schemas.CATALOGS
            case sql.CommandGetDbSchemas():
                return schemas.SCHEMAS
            case sql.CommandGetTables(include_schema=True):
                return schemas.TABLES_WITH_SCHEMA
            case sql.CommandGetTables():
                return schemas.TABLES
            case sql.CommandGetTableTypes():
                return schemas.TABLE_TYPES
            case sql.CommandGetPrimaryKeys():
                return schemas.PRIMARY_KEYS
        return schemas.FOREIGN_KEYS

    def fetch(self, request: Request, command: Message) -> ResultStream:
        """The rows, as they are now."""
        with self._queries.plan_in_turn(request):
            return ResultStream(self._answers[type(command)](request, command).to_reader())

    # ---- the answers

    def _sql_info(self, request: Request, command: sql.CommandGetSqlInfo) -> pa.Table:
        del request
        return info_table(self._info, command.info)

    def _xdbc_type_info(self, request: Request, command: sql.CommandGetXdbcTypeInfo) -> pa.Table:
        del request
        return type_info_table(command.data_type if command.HasField("data_type") else None)

    def _catalogs(self, request: Request, command: sql.CommandGetCatalogs) -> pa.Table:
        del request, command
        return _table([{"catalog_name": CATALOG}], schemas.CATALOGS)

    def _db_schemas(self, request: Request, command: sql.CommandGetDbSchemas) -> pa.Table:
        in_schema = _filter(command, "db_schema_filter_pattern")
        rows: list[dict[str, object]] = [
            {"catalog_name": CATALOG, "db_schema_name": name}
            for name in self._catalog.schemas(request.session)
            if _in_catalog(command) and in_schema(name)
        ]
        return _table(rows, schemas.SCHEMAS)

    def _tables(self, request: Request, command: sql.CommandGetTables) -> pa.Table:
        kinds = {_TYPE_NAMES.get(kind.upper(), kind.upper()) for kind in command.table_types}
        in_schema = _filter(command, "db_schema_filter_pattern")
        is_named = _filter(command, "table_name_filter_pattern")
        found = [
            (name, kind)
            for name, kind in self._catalog.relations(request.session)
            if _in_catalog(command)
            and in_schema(name.schema)
            and is_named(name.table)
            and (kind in kinds or not command.table_types)
        ]
        if command.HasField("table_name_filter_pattern") and not command.HasField("db_schema_filter_pattern"):
            # `adbc_get_table_schema` takes the first of a name: let it be the one that a statement would read
            meant = self._catalog.readable_name(request.session, (command.table_name_filter_pattern,))
            found.sort(key=lambda each: each[0].key != meant.key)
        rows: list[dict[str, object]] = [
            {"catalog_name": CATALOG, "db_schema_name": name.schema, "table_name": name.table, "table_type": kind}
            for name, kind in found
        ]
        if not command.include_schema:
            return _table(rows, schemas.TABLES)
        snapshot = self._catalog.snapshot(request.session)
        for row, (name, kind) in zip(rows, found, strict=True):
            row["table_schema"] = self._listed.encode(request.session, snapshot, name, kind)
        return _table(rows, schemas.TABLES_WITH_SCHEMA)

    def _table_types(self, request: Request, command: sql.CommandGetTableTypes) -> pa.Table:
        del request, command
        return _table([{"table_type": kind} for kind in (TEMPORARY_TYPE, TABLE_TYPE, VIEW_TYPE)], schemas.TABLE_TYPES)

    def _no_primary_keys(self, request: Request, command: Message) -> pa.Table:
        del request, command
        return schemas.PRIMARY_KEYS.empty_table()

    def _no_foreign_keys(self, request: Request, command: Message) -> pa.Table:
        del request, command
        return schemas.FOREIGN_KEYS.empty_table()


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def _in_catalog(command: sql.CommandGetDbSchemas | sql.CommandGetTables) -> bool:
    return not command.HasField("catalog") or command.catalog.lower() == CATALOG


def _filter(command: Message, field: str) -> Callable[[str], bool]:
    """Whether a name is like the pattern in a field of the command; any name is where there is none."""
    return like(getattr(command, field)).matches if command.HasField(field) else lambda _name: True
