"""Statements: planned when a client asks for their FlightInfo, run when it fetches the rows.

A statement is planned on a snapshot, and the plan is kept under a handle that is the ticket. So the rows are those of
the moment of planning, a ticket that is fetched twice gives the same rows twice, and the text is not parsed again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import pyarrow as pa

from engine.errors import ResourceExhaustedError
from engine.statements.answers import QueryAnswer, TableAnswer
from engine.statements.database import Database, changed_rows, count_table
from engine.statements.descriptions import Kill, SetSetting
from engine.statements.parsed_statement import ParsedStatement
from engine.statements.planning import Parameters, ParameterStream
from flight_server.column_metadata import annotate
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.streams import ResultStream
from flight_server.monitoring.statement import StatementInfo
from flight_server.options import ServiceOptions
from flight_server.proto import sql
from flight_server.service.offers import Offers
from flight_server.service.queries import Queries
from flight_server.service.request import Offer, PlannedAnswer, Request

__all__ = ["Statement", "Statements", "text_of"]

_NO_UPDATE = -1

Statement = (
    sql.CommandStatementQuery
    | sql.CommandStatementUpdate
    | sql.CommandStatementSubstraitPlan
    | sql.ActionCreatePreparedStatementRequest
    | sql.ActionCreatePreparedSubstraitPlanRequest
)
"""A message that brings a statement."""


def text_of(message: Statement) -> str | bytes:
    """The statement that a message brings: SQL, or a serialised Substrait plan."""
    if isinstance(message, sql.CommandStatementSubstraitPlan | sql.ActionCreatePreparedSubstraitPlanRequest):
        plan: bytes = message.plan.plan
        return plan
    text: str = message.query
    return text


def _waits(parsed: ParsedStatement) -> bool:
    """Whether a statement waits for its turn, and has the time of a query.

    KILL does not, with which others are got out of the way, nor do SET and RESET: a session whose timeout is too short
    for anything can still get another.
    """
    return not isinstance(parsed.statement, Kill | SetSetting)


class Statements:
    """Plans and runs what clients ask of a database, and keeps what was planned."""

    def __init__(self, database: Database, options: ServiceOptions) -> None:
        self.database = database
        self.queries = Queries(database.runtime.name, options)
        self.offers = Offers(options)
        self._options = options

    def parse(self, request: Request, text: str | bytes) -> ParsedStatement:
        """What a text or a Substrait plan is; ResourceExhaustedError where it is longer than the server takes."""
        told = StatementInfo("SUBSTRAIT", "") if isinstance(text, bytes) else StatementInfo("SELECT", text)
        with self.queries.reading(request, told):
            size = len(text if isinstance(text, bytes) else text.encode())
            if size > self._options.max_statement_size:
                raise ResourceExhaustedError(
                    f"The statement has {size} bytes; the server takes {self._options.max_statement_size}."
                )
            return self.database.parse(text)

    def turn_to_prepare(self, request: Request, parsed: ParsedStatement) -> AbstractContextManager[None]:
        """Around finding out what a statement takes and gives, in its turn to be planned, where it waits for one."""
        return self.queries.plan_in_turn(request) if _waits(parsed) else nullcontext()

    def start(self, request: Request, parsed: ParsedStatement, parameters: Parameters | None = None) -> PlannedAnswer:
        """A statement planned on a snapshot of now, to be run for each row of `parameters`. Raises PlanningError.

        A statement with effects is run here and now; what is fetched later is its count. For no rows nothing is done.
        """
        self._run_before(request, parsed)
        if parsed.has_effects:
            return PlannedAnswer(TableAnswer(self._change(request, parsed, parameters)))
        began = time.monotonic()
        with self.queries.planning(request, StatementInfo(parsed.kind, parsed.written.source)):
            answer = self.database.ask(request.session, parsed, parameters)
        if parameters is not None and not parameters:
            return PlannedAnswer(answer)
        return PlannedAnswer(answer, StatementInfo(parsed.kind, parsed.written.source, time.monotonic() - began))

    def start_table(self, request: Request, path: Sequence[str]) -> PlannedAnswer:
        """All of a table, as it is now."""
        began = time.monotonic()
        with self.queries.plan_in_turn(request):
            text, answer = self.database.table(request.session, path)
        return PlannedAnswer(answer, StatementInfo("TABLE", text, time.monotonic() - began))

    def offer(self, request: Request, planned: PlannedAnswer, weight: int) -> Offer:
        """Keep `planned` until it is fetched; `weight` is the bytes of its text.

        Where the session asks for endpoints at the workers, and the plan has such, it runs now.
        """
        handle = self.offers.put(planned, request.holder, weight)
        ticket = sql.TicketStatementQuery(statement_handle=handle)
        answer, statement = planned.answer, planned.statement
        if statement is None or not request.session.in_parts:
            return Offer(planned.schema, ticket)
        if not isinstance(answer, QueryAnswer) or not answer.has_parts:
            return Offer(planned.schema, ticket)
        query = self.queries.begin(request, statement)
        with query.guard():
            result = answer.run_to_parts(query.in_context(request.context), self._options.statement_ttl)
        self.offers.keep_parts(handle, request.holder, result)
        query.rows = sum(part.rows for part in result.parts)
        return Offer(planned.schema, ticket, query.rows, result.parts)

    def fetch(self, request: Request, ticket: sql.TicketStatementQuery) -> ResultStream:
        """Run what was offered under this ticket."""
        return self.offers.fetch(request, ticket.statement_handle, self.open)

    def open(self, request: Request, planned: PlannedAnswer) -> ResultStream:
        """Run `planned` when it is its turn, and log it when the call ends. Raises the execution errors."""
        if planned.statement is None:
            result = planned.answer.open(request.context)
            return ResultStream(result.reader, result.close, explain=result.explain, schema=planned.schema)
        # Who looks after the server is not kept from looking at what keeps it busy.
        looks = request.session.grants.is_administrator and planned.tells_of_server
        query = self.queries.begin(request, planned.statement, gated=planned.is_query and not looks)
        with query.guard():
            result = planned.answer.open(query.in_context(request.context))
        # Nobody works any more for a call that was stopped, even while its client leaves unread what was sent.
        query.at_end(request.call.cancellation.on_cancel(query.leave))
        return ResultStream(
            result.reader,
            result.close,
            ended=query.leave,
            explain=lambda text: query.note_failure(result.explain(text)),
            schema=planned.schema,
        )

    # CommandStatementQuery, CommandStatementSubstraitPlan

    def info(self, request: Request, command: Statement) -> Offer:
        """Plan a query and keep the plan."""
        parsed = self.parse(request, text_of(command))
        return self.offer(request, self.start(request, parsed), len(parsed.text))

    def schema(self, request: Request, command: Statement) -> pa.Schema:
        """The schema of a query's result."""
        return self.schema_of(request, self.parse(request, text_of(command)))

    def schema_of(self, request: Request, parsed: ParsedStatement, parameters: Parameters | None = None) -> pa.Schema:
        """The schema of what `start` gives, without running anything."""
        if parsed.has_effects or parsed.before:
            return self.unbound_schema(request, parsed)
        return self.start(request, parsed, parameters).schema

    def unbound_schema(self, request: Request, parsed: ParsedStatement) -> pa.Schema:
        """`schema_of` what has parameters, as far as it can be told before they are bound."""
        return annotate(*self.database.unbound(request.session, parsed))

    # CommandStatementUpdate, CommandStatementSubstraitPlan

    def update(self, request: Request, command: Statement, reader: IncomingData) -> sql.DoPutUpdateResult:
        """Run a statement and answer with how many rows it changed. Clients may send no data, and no schema."""
        del reader
        parsed = self.parse(request, text_of(command))
        return sql.DoPutUpdateResult(record_count=self.run_update(request, parsed, None))

    def run_stream(self, request: Request, parsed: ParsedStatement, stream: ParameterStream) -> int:
        """Run an INSERT for rows of parameters; how many rows it appended.

        While they are still coming in it waits for its client, as an upload does, and so for no turn; but its time is
        that of a query.
        """
        info = StatementInfo(parsed.kind, parsed.written.source)
        with self.queries.change(request, info, gated=stream.is_kept, limited=True) as query:
            query.rows = self.database.run(request.context, parsed, stream)
            return query.rows

    def run_update(self, request: Request, parsed: ParsedStatement, parameters: Parameters | None) -> int:
        """Run a statement with effects; how many rows it changed.

        A query runs too, for what fails in it: some drivers send every statement so. Its count is -1, as the protocol
        has it for what is not known, and as DBAPI and JDBC have it for what is no update.
        """
        if parsed.has_effects:
            self._run_before(request, parsed)
            return changed_rows(self._change(request, parsed, parameters))
        if parameters is not None and not parameters:
            return _NO_UPDATE
        stream = self.open(request, self.start(request, parsed, parameters))
        try:
            for _ in stream.reader:
                pass
            return _NO_UPDATE
        except Exception as error:
            request.call.cancellation.check()
            raise stream.explain(str(error)) from None
        finally:
            stream.close()
            stream.ended()

    def _run_before(self, request: Request, parsed: ParsedStatement) -> None:
        """Run what stands before the last statement of a text of several."""
        for each in parsed.before:
            self.run_update(request, each, None)

    def _change(self, request: Request, parsed: ParsedStatement, parameters: Parameters | None) -> pa.Table:
        """Run a statement with effects; its answer to those who fetch. For no rows of parameters it does not run."""
        if parameters is not None and not parameters:
            return count_table(0)
        info = StatementInfo(parsed.kind, parsed.written.source)
        with self.queries.change(request, info, gated=_waits(parsed)) as query:
            answer = self.database.run_and_tell(query.in_context(request.context), parsed, parameters)
            query.rows = changed_rows(answer)
            return answer
