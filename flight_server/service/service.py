"""The service: Flight's methods, and which part of the service answers which message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from google.protobuf.message import Message
from pyarrow import flight

from engine.errors import UnsupportedError
from engine.kernel import quote
from engine.rights import ALL, Grants, Rights
from engine.runtime import Runtime
from engine.statements.database import Database
from engine.statements.descriptions import Kill
from engine.statements.session import Session
from engine.statements.settings import IGNORE
from flight_server.auth import IDENTITY_KEY
from flight_server.auth.certificates import identity_of
from flight_server.endpoint.calls import Call
from flight_server.endpoint.connections import ConnectionWatch
from flight_server.endpoint.handler import BaseHandler
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.status import UnauthenticatedError
from flight_server.endpoint.streams import ResultStream
from flight_server.endpoint.tickets import TicketSigner
from flight_server.gate import Gate
from flight_server.monitoring import progress_action
from flight_server.monitoring.registry import OpenHandles, QueryRegistry
from flight_server.monitoring.statement import StatementInfo
from flight_server.monitoring.tables import offer_server_tables
from flight_server.options import ServiceOptions
from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.ingest import Ingest
from flight_server.service.listed_schemas import ListedSchemas
from flight_server.service.metadata import Metadata
from flight_server.service.prepared_statements import PreparedStatements
from flight_server.service.request import Offer, Request
from flight_server.service.sessions import Sessions
from flight_server.service.settings import SessionOptions
from flight_server.service.sqlinfo import sql_info
from flight_server.service.statements import Statements
from flight_server.service.store import EvictedError, Holder
from flight_server.service.tables import Tables
from flight_server.service.tickets import Tickets
from flight_server.service.uploads import Uploads
from flight_server.service.wire import BadRequestError, parse, schema_bytes, unwrap, unwrap_or_text, wrap

__all__ = ["FlightSqlService"]

_HEADERS = ("schema", "timeout", "runtime", "endpoints")  # settings that may stand in them
_FLIGHT_SQL = "arrow.flight.protocol.sql"
_MAX_ECHO = 64 << 10  # bytes of a command


@dataclass(frozen=True)
class _Command:
    """How a command that stands in a descriptor is answered."""

    info: Callable[[Request, Any], Offer]
    schema: Callable[[Request, Any], pa.Schema]


@dataclass(frozen=True)
class _Action:
    """How an action is answered. Where its `message` is Flight SQL's, that comes in an Any, and so go the results."""

    message: type[Message]
    run: Callable[[Request, Any], Iterable[Message]]
    text: str


class FlightSqlService(BaseHandler):
    """Flight SQL and plain Flight over a runtime. Sessions may choose one of the `others`, over the same tables.

    Its `system` tables tell of what runs.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: ServiceOptions,
        version: str,
        signer: TicketSigner | None = None,
        rights: Rights | None = None,
        others: Sequence[Runtime] = (),
    ) -> None:
        self._rights = rights or Rights()
        database = Database(runtime, others, ignores_transactions=options.transactions == IGNORE, has_endpoints=True)
        self._upkeep = None
        if options.optimize == "auto" or options.retain is not None:
            self._upkeep = database.look_after(optimizes=options.optimize == "auto", retain=options.retain)
        catalog = database.catalog
        statements = Statements(database, options)
        self._statements, self._queries = statements, statements.queries
        listed = ListedSchemas(database.relations)
        metadata = Metadata(
            catalog,
            listed,
            statements.queries,
            sql_info(options.reported_version or version, options.max_statement_size),
        )
        prepared = PreparedStatements(statements, options)
        uploads = Uploads(database.loads, options.max_upload_size)
        self._ingest = Ingest(catalog, uploads)
        self._sessions = Sessions(database.folder, options, self._release)
        self._prepared, self._offers = prepared, statements.offers
        self.system = catalog.system
        offer_server_tables(self.system, self._queries.registry, self._sessions.rows, database.runtimes.values())
        self.system.kill = self._kill
        self._watch = ConnectionWatch(self._holders, self._disconnect)
        self._settings = database.settings
        settings = SessionOptions(self._sessions, database.settings)
        self._tables = Tables(statements, uploads)
        self._tickets = Tickets(signer or TicketSigner.generate(), statements.offers, options.statement_ttl)

        self._commands: Mapping[type[Message], _Command] = {
            sql.CommandStatementQuery: _Command(statements.info, statements.schema),
            sql.CommandStatementSubstraitPlan: _Command(statements.info, statements.schema),
            sql.CommandPreparedStatementQuery: _Command(prepared.info, prepared.schema),
            **{command: _Command(metadata.info, metadata.schema) for command in metadata.commands},
        }
        self._fetches: Mapping[type[Message], Callable[[Request, Any], ResultStream]] = {
            sql.TicketStatementQuery: statements.fetch,
            messages.FlightDescriptor: self._tables.fetch,
            **dict.fromkeys(metadata.commands, metadata.fetch),
        }
        self._uploads: Mapping[type[Message], Callable[[Request, Any, IncomingData], Message]] = {
            sql.CommandPreparedStatementQuery: prepared.bind,
            sql.CommandPreparedStatementUpdate: prepared.update,
            sql.CommandStatementUpdate: statements.update,
            sql.CommandStatementSubstraitPlan: statements.update,
            sql.CommandStatementIngest: self._take_ingest,
        }
        self._actions = self._offered_actions(settings)

    @property
    def database(self) -> Database:
        """What runs statements."""
        return self._statements.database

    @property
    def gate(self) -> Gate:
        """Through which queries go to run."""
        return self._queries.gate

    @property
    def registry(self) -> QueryRegistry:
        """The queries that run, and those that have ended."""
        return self._queries.registry

    def open_handles(self) -> OpenHandles:
        """How much is kept for clients now."""
        return OpenHandles(len(self._sessions), len(self._prepared.open), len(self._offers.kept))

    def close(self) -> None:
        """End every session, and with them the temporary tables. Call it once nobody is served any more."""
        if self._upkeep is not None:
            self._upkeep.close()
        self._watch.stop()
        self._sessions.close_all()

    def stop_upkeep(self) -> None:
        """Begin no more to look after tables."""
        if self._upkeep is not None:
            self._upkeep.stop()

    def _offered_actions(self, settings: SessionOptions) -> Mapping[str, _Action]:
        """What DoAction takes, by name."""
        return {
            "CreatePreparedStatement": _Action(
                sql.ActionCreatePreparedStatementRequest, self._prepared.create, "Prepare a statement; gives a handle."
            ),
            "CreatePreparedSubstraitPlan": _Action(
                sql.ActionCreatePreparedSubstraitPlanRequest,
                self._prepared.create,
                "Prepare a Substrait plan; gives a handle.",
            ),
            "ClosePreparedStatement": _Action(
                sql.ActionClosePreparedStatementRequest, self._prepared.close, "Forget a prepared statement."
            ),
            "CancelFlightInfo": _Action(
                messages.CancelFlightInfoRequest, self._tickets.cancel, "Stop a query by its FlightInfo."
            ),
            "CancelQuery": _Action(
                sql.ActionCancelQueryRequest,
                self._tickets.cancel_query,
                "Stop a query; CancelFlightInfo has replaced it.",
            ),
            "RenewFlightEndpoint": _Action(
                messages.RenewFlightEndpointRequest,
                self._tickets.renew,
                "A ticket that is good for longer, for the same rows.",
            ),
            progress_action.ACTION: _Action(
                progress_action.StringValue, self._progress, "How far a query is that was tagged."
            ),
            "SetSessionOptions": _Action(
                messages.SetSessionOptionsRequest, settings.set, "Set options of the session."
            ),
            "GetSessionOptions": _Action(
                messages.GetSessionOptionsRequest, settings.get, "The options of the session."
            ),
            "CloseSession": _Action(
                messages.CloseSessionRequest, settings.close, "End the session: its options, temporary tables."
            ),
        }

    # ---- what ends with sessions and connections

    def _release(self, origin: str) -> None:
        self._prepared.open.end(origin)
        self._offers.end(origin)

    def _holders(self) -> set[str]:
        return self._sessions.peers() | self._prepared.open.origins() | self._offers.kept.origins()

    def _disconnect(self, peers: frozenset[str]) -> None:
        self._sessions.disconnect(peers)
        self._prepared.open.disconnect(peers)
        self._offers.kept.disconnect(peers)

    def _kill(self, grants: Grants, statement: Kill) -> None:
        if statement.kind == "QUERY":
            self._queries.registry.kill(statement.id, grants)
            return
        self._sessions.kill(statement.id, grants)
        self._queries.registry.kill_session(statement.id, grants.identity.name)

    def _progress(self, request: Request, tag: progress_action.StringValue) -> Iterable[Message]:
        return progress_action.query_progress(self._queries.registry, request.session.grants, tag)

    # ---- Flight's methods

    def list_flights(self, call: Call, criteria: bytes) -> Iterable[flight.FlightInfo]:
        del criteria
        request = self._request(call)
        for name, offer in self._tables.list(request):
            yield self._info(request, flight.FlightDescriptor.for_path(name.schema, name.table), offer)

    def get_flight_info(self, call: Call, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        request = self._request(call)
        if descriptor.descriptor_type == flight.DescriptorType.PATH:
            return self._info(request, descriptor, self._tables.info(request, descriptor.path))
        command = unwrap_or_text(_command(descriptor))
        return self._info(request, descriptor, _choose(self._commands, command).info(request, command))

    def get_schema(self, call: Call, descriptor: flight.FlightDescriptor) -> pa.Schema:
        request = self._request(call)
        if descriptor.descriptor_type == flight.DescriptorType.PATH:
            return self._tables.schema(request, descriptor.path)
        command = unwrap_or_text(_command(descriptor))
        return _choose(self._commands, command).schema(request, command)

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        request = self._request(call)
        part = self._offers.fetch_part(request, ticket)
        if part is not None:
            return part
        message = self._tickets.open(ticket, request.identity)
        fetch: Callable[[Request, Message], ResultStream] = _choose(self._fetches, message)
        return fetch(request, message)

    def do_put(
        self,
        call: Call,
        descriptor: flight.FlightDescriptor,
        reader: IncomingData,
    ) -> bytes:
        request = self._request(call)
        answer: Message
        if descriptor.descriptor_type == flight.DescriptorType.PATH:
            with self._queries.change(request, _upload(self._tables.path(descriptor.path)), gated=False) as change:
                change.rows = self._tables.put(request, descriptor.path, reader, change.take)
            answer = sql.DoPutUpdateResult(record_count=change.rows)
        else:
            command = unwrap(_command(descriptor))
            answer = _choose(self._uploads, command)(request, command, reader)
        return answer.SerializeToString()

    def _take_ingest(
        self, request: Request, command: sql.CommandStatementIngest, reader: IncomingData
    ) -> sql.DoPutUpdateResult:
        path = [name for name in (command.schema, command.table) if name]
        with self._queries.change(request, _upload(path), gated=False) as change:
            answer = self._ingest.put(request, command, reader, change.take)
            change.rows = answer.record_count
            return answer

    def do_action(self, call: Call, name: str, body: bytes) -> Iterable[bytes]:
        try:
            request = self._request(call, closing=name in ("CloseSession", "ClosePreparedStatement"))
        except EvictedError:
            if name != "ClosePreparedStatement":
                raise
            return ()  # it went with its session, of which the next statement is told
        action = self._actions.get(name)
        if action is None:
            raise UnsupportedError(f"There is no action {name[:200]!r}; there are {', '.join(sorted(self._actions))}.")
        if action.message.DESCRIPTOR.file.package != _FLIGHT_SQL:
            return [result.SerializeToString() for result in action.run(request, parse(action.message, body))]
        message = unwrap(body)
        if not isinstance(message, action.message):
            expected = action.message.DESCRIPTOR.name
            raise BadRequestError(f"{name} takes a message {expected}, not a {message.DESCRIPTOR.name}.")
        return [wrap(result) for result in action.run(request, message)]

    def list_actions(self, call: Call) -> Iterable[tuple[str, str]]:
        del call
        return [(name, action.text) for name, action in sorted(self._actions.items())]

    # ----

    def _request(self, call: Call, *, closing: bool = False) -> Request:
        """The call with its caller and session. UnauthenticatedError where the session was begun in other roles.

        Such a session has then ended, since what is in its temporary tables might not be for these roles: the next call
        goes on without it, and one that is `closing` it has what it came for.
        """
        identity = identity_of(call, call.middleware[IDENTITY_KEY].identity)
        session, origin = self._sessions.of(call, identity, closing)
        grants = Grants(self._rights, identity)
        if session.grants is ALL:
            session.grants = grants
            self._begin(session, call)
        elif session.grants != grants:  # another token of the same name, or its roles have changed
            self._sessions.close(session, origin)
            if not closing:
                raise UnauthenticatedError("The session was begun in other roles and has ended; begin another.")
        return Request(call, identity, session, Holder(identity, origin))

    def _begin(self, session: Session, call: Call) -> None:
        """Give a new session the first values that stand in the headers of its call, where JDBC puts what its URL has.

        They do not begin it: who keeps no session sends them with each call. Raises InvalidValueError.
        """
        for name in _HEADERS:
            for value in call.headers.get(name, ()):
                text = value.decode(errors="replace") if isinstance(value, bytes) else value
                self._settings.apply(session, name, text)

    def _info(self, request: Request, descriptor: flight.FlightDescriptor, offer: Offer) -> flight.FlightInfo:
        identity = request.identity
        info = messages.FlightInfo(
            schema=schema_bytes(offer.schema),
            flight_descriptor=_echo(descriptor),
            endpoint=self._tickets.parts(offer, identity) or [self._tickets.endpoint(offer.ticket, identity)],
            total_records=offer.rows,
            total_bytes=-1,
        )
        # Its constructor writes the schema anew for each call, and casts the time at which the ticket expires.
        return flight.FlightInfo.deserialize(info.SerializeToString())


def _upload(path: Sequence[str]) -> StatementInfo:
    return StatementInfo("UPLOAD", ".".join(map(quote, path)))


def _command(descriptor: flight.FlightDescriptor) -> bytes:
    if descriptor.descriptor_type != flight.DescriptorType.CMD:
        raise BadRequestError("The descriptor has neither a path nor a command.")
    return bytes(descriptor.command)


def _echo(descriptor: flight.FlightDescriptor) -> messages.FlightDescriptor:
    """The descriptor as its FlightInfo has it. A long text is not sent back: most clients take messages of 4 MB."""
    if descriptor.descriptor_type == flight.DescriptorType.PATH:
        return messages.FlightDescriptor(type=messages.FlightDescriptor.PATH, path=descriptor.path)
    command = descriptor.command
    return messages.FlightDescriptor(
        type=messages.FlightDescriptor.CMD, cmd=command if len(command) <= _MAX_ECHO else b""
    )


def _choose(answers: Mapping[type[Message], Any], message: Message) -> Any:
    answer = answers.get(type(message))
    if answer is None:
        raise UnsupportedError(f"{message.DESCRIPTOR.name} is not offered here.")
    return answer
