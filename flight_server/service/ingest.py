"""CommandStatementIngest: an upload into a table that is created, appended to or replaced, whole or not at all."""

from __future__ import annotations

from engine.errors import UnsupportedError
from engine.statements.catalog import Catalog, Target
from engine.storage.protocol import CATALOG, WriteMode
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.proto import sql
from flight_server.service.request import Request
from flight_server.service.uploads import Took, Uploads
from flight_server.service.wire import BadRequestError

__all__ = ["Ingest"]

_Options = sql.CommandStatementIngest.TableDefinitionOptions


class Ingest:
    """Writes what clients send in bulk."""

    def __init__(self, catalog: Catalog, uploads: Uploads) -> None:
        self._catalog = catalog
        self._uploads = uploads

    def put(
        self,
        request: Request,
        command: sql.CommandStatementIngest,
        reader: IncomingData,
        took: Took,
    ) -> sql.DoPutUpdateResult:
        """Take an upload, of which `took` is told while it comes in; answers with its number of rows.

        Raises TableExistsError and UnknownTableError by what the command says of tables that are there or not,
        ForbiddenError, UnsupportedError for options that are not known, and the errors of `Uploads.store`.
        """
        if command.options:
            named = ", ".join(f'"{name[:200]}"' for name in sorted(command.options))
            raise UnsupportedError(f"No option of an upload is known here by the name {named}; leave it out.")
        mode = _mode(command)
        target, written = self._target(request, command, mode or WriteMode.REPLACE)
        self._catalog.require_no_view(target)
        if mode is None:  # a table that has to be there
            target.storage.snapshot().table(target.name)
        return sql.DoPutUpdateResult(record_count=self._uploads.store(request, reader, target, written, took))

    def _target(
        self, request: Request, command: sql.CommandStatementIngest, mode: WriteMode
    ) -> tuple[Target, WriteMode]:
        if not command.table:
            raise BadRequestError("The upload names no table.")
        path = [command.table]
        if command.HasField("schema") and command.schema:
            path.insert(0, command.schema)
        if command.HasField("catalog") and command.catalog and command.catalog.lower() != CATALOG:
            raise BadRequestError(f'There is no catalog "{command.catalog}"; the catalog is "{CATALOG}".')
        if command.temporary:
            return self._catalog.new(request.session, path, True), mode
        return self._catalog.upload_target(request.session, path, mode)


def _mode(command: sql.CommandStatementIngest) -> WriteMode | None:
    """How to write; None where an existing table is to be replaced."""
    options = command.table_definition_options
    create = options.if_not_exist == _Options.TABLE_NOT_EXIST_OPTION_CREATE
    known = {
        (True, _Options.TABLE_EXISTS_OPTION_FAIL): WriteMode.CREATE,
        (True, _Options.TABLE_EXISTS_OPTION_APPEND): WriteMode.CREATE_APPEND,
        (True, _Options.TABLE_EXISTS_OPTION_REPLACE): WriteMode.REPLACE,
        (False, _Options.TABLE_EXISTS_OPTION_APPEND): WriteMode.APPEND,
        (False, _Options.TABLE_EXISTS_OPTION_REPLACE): None,
    }
    if options.if_not_exist == _Options.TABLE_NOT_EXIST_OPTION_UNSPECIFIED or (
        (create, options.if_exists) not in known
    ):
        raise BadRequestError("The upload does not say what to do with a table that is there, or that is not.")
    return known[create, options.if_exists]
