"""Statements: planned when a client asks for their FlightInfo, run when it fetches the rows.

A statement is planned on a snapshot, and the plan is kept under a handle that is the ticket. So the rows are those of
the moment of planning, a ticket that is fetched twice gives the same rows twice, and the text is not parsed again.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa
from pyarrow import flight

from engine.context import Cancellation
from engine.errors import GrismError, ResourceExhaustedError, TypeMismatchError
from engine.kernel import quote
from engine.kernel_errors import execution_error
from engine.logical.nodes import LogicalPlan
from engine.physical import ExecutionMode, PhysicalPlan
from engine.runtime import QueryOptions, QueryResult, ResultParts, Runtime
from engine.schema import RowType
from engine.sql.frontend import SqlFrontend
from engine.sql.statement_parser import parse_statement
from engine.sql.statement_reader import parameter_names
from engine.sql.statements import Describe, Drop, Show, Statement
from engine.sql.tokens import first_words, scan
from engine.storage.protocol import CATALOG, Snapshot
from flight_server.auth.rights import Action
from flight_server.config import ServiceOptions
from flight_server.endpoint.status import flight_errors
from flight_server.endpoint.streams import ResultStream
from flight_server.proto import sql
from flight_server.service.catalog import VIEW_TYPE, Catalog
from flight_server.service.columns import shown_columns
from flight_server.service.offers import Offers
from flight_server.service.queries import Asked, Queries, follow
from flight_server.service.relations import Relations
from flight_server.service.request import Offer, Planned, Request
from flight_server.service.sessions import Session
from flight_server.service.updates import Updates

__all__ = ["COUNT_SCHEMA", "Parameters", "Statements", "is_update"]

Parameters = Sequence[Sequence[pa.Scalar]]
"""Rows of parameters; a statement runs once for each, and the results follow each other."""

_log = logging.getLogger(__name__)
_LONGEST_LINE = 100_000  # characters of a line of EXPLAIN, which may hold the whole text
_EXPLAIN_SCHEMA = pa.schema([pa.field("plan", pa.string())])
COUNT_SCHEMA = pa.schema([pa.field("Count", pa.int64())])
"""What a statement with effects answers to those who fetch: how many rows it changed."""

_DESCRIBE_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("column_name", "column_type", "null", "key", "default", "extra")]
)
_UNTOLD_SCHEMA = pa.schema([pa.field("result", pa.null())])  # without columns, drivers would take it for an update


class Statements:
    """Plans SQL texts and keeps what was planned."""

    def __init__(
        self,
        runtime: Runtime,
        frontend: SqlFrontend,
        catalog: Catalog,
        options: ServiceOptions,
        others: Iterable[Runtime] = (),
    ) -> None:
        self.runtime = runtime
        self.runtimes = {each.name: each for each in (runtime, *others)}
        self.frontend = frontend
        self.catalog = catalog
        self.relations = Relations(frontend, catalog)
        catalog.columns = self.relations.columns
        self.updates = Updates(self)
        self.queries = Queries(runtime.name, options)
        self.offers = Offers(options)
        self._options = options

    def plan(self, request: Request, text: str, parameters: Parameters | None = None) -> Planned:
        """`text` planned on a snapshot of now, to be run for each row of `parameters`. Raises PlanningError.

        A statement with effects is run here and now; what is fetched later is its count. For no rows nothing is done.
        """
        began = time.monotonic()
        with self.queries.planning(request, Asked(_kind(text), text)):
            self.check_size(text)
            statement = parse_statement(text)
            if parameters is not None and not parameters:
                return _fixed(self._nothing(request, text, statement))
            if statement is None or isinstance(statement, Show | Describe):
                planned = self._plan(request, text, statement, parameters)
                return replace(planned, asked=Asked(_kind(text, statement), text, time.monotonic() - began))
        return _fixed(_count(self._change(request, text, statement, parameters)))

    def plan_table(self, request: Request, path: Sequence[str]) -> Planned:
        """All of a table, as it is now."""
        began = time.monotonic()
        name = self.catalog.existing(request.session, path, Action.READ).shown
        snapshot, names = self.catalog.snapshot(request.session), self.catalog.names(request.session)
        text = f"SELECT * FROM {quote(name.schema)}.{quote(name.table)}"
        is_view = names.views is not None and names.views.find(name) is not None
        with self.queries.timed(request):
            logical = self.frontend.plan(text, snapshot=snapshot, names=names) if is_view else None
            plan = self._physical(request.session, logical or self.frontend.table_plan(name, snapshot))
        return self._planned(plan, Asked("TABLE", text, time.monotonic() - began))

    def offer(self, request: Request, planned: Planned, weight: int) -> Offer:
        """Keep `planned` until it is fetched; `weight` is the bytes of its text.

        Where the session asks for endpoints at the workers, and the plan has such, it runs now.
        """
        handle = self.offers.put(planned, request.holder, weight)
        ticket = sql.TicketStatementQuery(statement_handle=handle)
        if planned.spread is None or planned.asked is None or not request.session.at_workers:
            return Offer(planned.schema, ticket)
        query = self.queries.begin(request, planned.asked)
        with query.guarded():
            result = planned.spread(request)
        self.offers.spread(handle, request.holder, result)
        query.rows = sum(part.rows for part in result.parts)
        return Offer(planned.schema, ticket, query.rows, result.parts)

    def fetch(self, request: Request, ticket: sql.TicketStatementQuery) -> ResultStream:
        """Run what was offered under this ticket."""
        return self.offers.fetch(request, ticket.statement_handle, self.open)

    def open(self, request: Request, planned: Planned) -> ResultStream:
        """Run `planned` when it is its turn, and log it when the call ends. Raises the execution errors."""
        if planned.asked is None:
            return planned.open(request)
        query = self.queries.begin(request, planned.asked, gated=planned.is_query)
        with query.guarded():
            stream = planned.open(replace(request, query=query))
        # Nobody works any more for a call that was stopped, even while its client leaves unread what was sent.
        request.call.cancellation.on_cancel(query.leave)
        return replace(stream, ended=query.leave, explain=lambda text: query.failed(stream.explain(text)))

    def parameters(self, request: Request, text: str) -> pa.Schema:
        """The parameters that a statement takes, by name."""
        session = request.session
        statement = parse_statement(text)
        if isinstance(statement, Show | Describe):
            return pa.schema([])
        if statement is not None:
            numbered = self.updates.parameters(request, statement)
            names = parameter_names(text)
            if len(names) != len(numbered):  # they are numbers in the text too
                return numbered
            return pa.schema([field.with_name(name) for field, name in zip(numbered, names, strict=True)])
        explained = _explained(text)
        if explained is None and not any(mark in text for mark in "?$"):
            return pa.schema([])  # the plan is about to be asked for, and raises what is wrong
        return self.frontend.parameters(
            explained or text,
            snapshot=self.catalog.snapshot(session),
            names=self.catalog.names(session),
        )

    def result_schema(self, request: Request, text: str, parameters: pa.Schema) -> pa.Schema:
        """The schema of a statement's result before its `parameters` are bound, as far as it can be told."""
        if _explained(text) is not None:
            return _EXPLAIN_SCHEMA
        if is_update(text):
            return pa.schema([])
        if not len(parameters):
            return self.plan(request, text).schema  # the plan is remembered, and about to be asked for
        return self._unbound_schema(request, text)

    # CommandStatementQuery

    def info(self, request: Request, command: sql.CommandStatementQuery) -> Offer:
        """Plan a query and keep the plan."""
        return self.offer(request, self.plan(request, command.query), len(command.query))

    def schema(self, request: Request, command: sql.CommandStatementQuery) -> pa.Schema:
        """The schema of a query's result."""
        return self.schema_of(request, command.query)

    def schema_of(self, request: Request, text: str, parameters: Parameters | None = None) -> pa.Schema:
        """The schema of what `plan` gives, without running anything."""
        return COUNT_SCHEMA if is_update(text) else self.plan(request, text, parameters).schema

    # CommandStatementUpdate

    def update(
        self, request: Request, command: sql.CommandStatementUpdate, reader: flight.MetadataRecordBatchReader
    ) -> sql.DoPutUpdateResult:
        """Run a statement and answer with how many rows it changed. Clients may send no data, and no schema."""
        del reader
        return sql.DoPutUpdateResult(record_count=self.run_update(request, command.query, None))

    def run_update(self, request: Request, text: str, parameters: Parameters | None) -> int:
        """Run a statement with effects; how many rows it changed. A query is run too, for its number of rows."""
        with self.queries.planning(request, Asked(_kind(text), text)):
            self.check_size(text)
            statement = parse_statement(text)
        if parameters is not None and not parameters:
            return 0
        if statement is not None and not isinstance(statement, Show | Describe):
            return self._change(request, text, statement, parameters)
        stream = self.open(request, self.plan(request, text, parameters))
        try:
            return sum(batch.num_rows for batch in stream.reader)
        except Exception as error:
            request.call.cancellation.check()
            raise stream.explain(str(error)) from None
        finally:
            stream.close()
            stream.ended()

    # ----

    def _unbound_schema(self, request: Request, text: str) -> pa.Schema:
        """The schema of a query's result, as far as it can be told without its parameters."""
        session = request.session
        try:
            return self.frontend.result_schema(
                text,
                snapshot=self.catalog.snapshot(session),
                names=self.catalog.names(session),
                boundary=session.boundary,
            )
        except TypeMismatchError:
            return _UNTOLD_SCHEMA

    def _nothing(self, request: Request, text: str, statement: Statement | None) -> pa.Table:
        """The answer to a statement that is run for no rows of parameters."""
        if statement is not None:
            return _count(0)
        schema = _EXPLAIN_SCHEMA if _explained(text) is not None else self._unbound_schema(request, text)
        return pa.Table.from_batches([], schema)

    def _plan(
        self, request: Request, text: str, statement: Show | Describe | None, parameters: Parameters | None
    ) -> Planned:
        if statement is not None:
            return _fixed(self._about(request, statement))
        explained = _explained(text)
        if explained is not None:
            return self._explain(request, explained, parameters)
        return self._query(request, text, parameters)

    def _change(self, request: Request, text: str, statement: Statement, parameters: Parameters | None) -> int:
        with self.queries.change(request, Asked(_kind(text, statement), text)) as query:
            query.rows = self.updates.run(replace(request, query=query), statement, parameters)
            return query.rows

    def _planned(self, plan: PhysicalPlan, asked: Asked) -> Planned:
        runtime = self._runtime_of(plan)

        def spread(request: Request) -> ResultParts:
            return runtime.run_to_parts(plan, self._options.statement_ttl, QueryOptions(request.call.cancellation))

        spreads = spread if runtime.has_parts(plan) else None
        return Planned(plan.schema, lambda request: self._run(request, plan), asked, spread=spreads)

    def _physical(self, session: Session, logical: LogicalPlan) -> PhysicalPlan:
        """The plan of the runtime that the session has chosen, whose rows leave in the types that it has chosen."""
        plan = self.runtimes[session.runtime or self.runtime.name].plan(logical, session.partitions)
        if session.boundary is plan.boundary:
            return plan
        schema = self.frontend.kernel.arrow_schema(plan.columns, session.boundary)
        return plan if schema == plan.schema else replace(plan, schema=schema, boundary=session.boundary)

    def _runtime_of(self, plan: PhysicalPlan) -> Runtime:
        """The runtime that made a plan; the session may have chosen another since."""
        made_by = "ray" if plan.properties.execution_mode is ExecutionMode.DISTRIBUTED else "local"
        return self.runtimes[made_by]

    def _about(self, request: Request, statement: Show | Describe) -> pa.Table:
        if isinstance(statement, Describe):
            stored = self.catalog.stored(request.session, statement.table) if statement.table else pa.schema([])
            return described(self.describe(request, statement.query), stored)
        if statement.what == "DATABASES":
            return pa.table({"database_name": [CATALOG]})
        if statement.what == "SCHEMAS":
            return pa.table({"name": self.catalog.schemas(request.session)})
        relations = self.catalog.relations(request.session)
        names = [name for name, kind in relations if kind == VIEW_TYPE or statement.what != "VIEWS"]
        if statement.what != "ALL TABLES":
            own = self.catalog.shown_schemas(request.session, statement.within)
            return pa.table({"name": pa.array(sorted(n.table for n in names if n.schema.lower() in own), pa.string())})
        rows = [{"schema": name.schema, "name": name.table} for name in names]
        return pa.Table.from_pylist(rows, pa.schema([("schema", pa.string()), ("name", pa.string())]))

    def describe(self, request: Request, text: str) -> RowType:
        """The columns of a query, in the kernel's types."""
        session = request.session
        return self.frontend.columns(text, snapshot=self.catalog.snapshot(session), names=self.catalog.names(session))

    def check_size(self, text: str) -> None:
        """Raise ResourceExhaustedError where a statement's text is longer than the server takes."""
        if len(text.encode()) > self._options.max_statement_size:
            raise ResourceExhaustedError(
                f"The statement has {len(text.encode())} bytes; the server takes {self._options.max_statement_size}."
            )

    def _query(self, request: Request, text: str, parameters: Parameters | None) -> Planned:
        snapshot = self.catalog.snapshot(request.session)
        rows = parameters if parameters is not None else [()]
        plan = self.plan_row(request, text, rows[0], snapshot)
        asked = Asked(_kind(text), text)
        if len(rows) == 1:
            return self._planned(plan, asked)
        return Planned(plan.schema, _ManyRows(self, text, rows, snapshot, plan.schema).open, asked)

    def plan_row(self, request: Request, text: str, row: Sequence[pa.Scalar], snapshot: Snapshot) -> PhysicalPlan:
        """`text` with one row of parameters in place."""
        logical = self.frontend.plan(
            text, snapshot=snapshot, parameters=row or None, names=self.catalog.names(request.session)
        )
        return self._physical(request.session, logical)

    def _explain(self, request: Request, text: str, parameters: Parameters | None) -> Planned:
        row = parameters[0] if parameters else ()
        snapshot = self.catalog.snapshot(request.session)
        plan = self.plan_row(request, text, row, snapshot)
        lines = self._runtime_of(plan).explain(plan).splitlines()
        shown = [line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " ..." for line in lines]
        table = pa.table([pa.array(shown, pa.string())], schema=_EXPLAIN_SCHEMA)
        return _fixed(table)

    def _run(self, request: Request, plan: PhysicalPlan) -> ResultStream:
        result = self.execute(request, plan)
        return ResultStream(result.reader, result.close)

    def execute(self, request: Request, plan: PhysicalPlan) -> QueryResult:
        """Start `plan`; it stops when the call does. Closing the result ends this execution and nothing else."""
        cancellation = Cancellation()
        forget = follow(request.call.cancellation, cancellation)
        try:
            result = self._runtime_of(plan).execute(plan, QueryOptions(cancellation))
        except BaseException:
            forget()
            raise
        if request.query is not None:
            request.query.watch(result.counters)

        def stop() -> None:
            forget()
            result.stop()

        return replace(result, stop=stop)


def _explained(text: str) -> str | None:
    """The statement behind EXPLAIN, at the place where it stands in `text`, so that errors tell the right one."""
    match list(islice(scan(text), 2)):
        case [first, second] if first.word == "EXPLAIN":
            return re.sub(r"[^\n]", " ", text[: second.start]) + text[second.start :]
    return None


def _kind(text: str, statement: Statement | None = None) -> str:
    """What a statement is, in the words that it begins with."""
    match statement:
        case None:
            return "EXPLAIN" if first_words(text, 1) == ["EXPLAIN"] else "SELECT"
        case Drop(kind=kind):
            return f"DROP {kind}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(statement).__name__).upper()


def is_update(text: str) -> bool:
    """Whether a statement has effects; raises where its frame is not SQL."""
    statement = parse_statement(text)
    return statement is not None and not isinstance(statement, Show | Describe)


def described(columns: RowType, stored: pa.Schema) -> pa.Table:
    """The answer to DESCRIBE, in the columns that the dialect has for it; of a table there are `stored` fields."""
    rows = [
        {"column_name": c.name, "column_type": c.type, "null": "YES" if c.nullable else "NO", "default": c.default}
        for c in shown_columns(columns, stored)
    ]
    return pa.Table.from_pylist(rows, _DESCRIBE_SCHEMA)


def _fixed(table: pa.Table) -> Planned:
    def open_table(request: Request) -> ResultStream:
        if request.query is not None:
            request.query.rows = table.num_rows
        return ResultStream(table.to_reader())

    return Planned(table.schema, open_table, None, is_query=False)


def _count(rows: int) -> pa.Table:
    return pa.table([pa.array([rows], pa.int64())], schema=COUNT_SCHEMA)


@dataclass
class _ManyRows:
    """A query with several rows of parameters: one execution after the other, each started when the last one ends.

    Only here do batches pass through Python: an execution costs so much more than a batch does that it does not show.
    """

    statements: Statements
    text: str
    rows: Parameters
    snapshot: Snapshot
    schema: pa.Schema

    def open(self, request: Request) -> ResultStream:
        running: list[QueryResult] = []
        failures: list[GrismError] = []

        def batches() -> Iterator[pa.RecordBatch]:
            with flight_errors():
                try:
                    for row in self.rows:
                        yield from self._of_row(request, row, running)
                except GrismError as error:
                    failures.append(error)
                    raise

        def explain(text: str) -> BaseException:
            return failures[0] if failures else execution_error(OSError(text))

        def close() -> None:
            for result in running:
                result.close()

        reader = pa.RecordBatchReader.from_batches(self.schema, batches())
        return ResultStream(reader, close, explain=explain)

    def _of_row(
        self, request: Request, row: Sequence[pa.Scalar], running: list[QueryResult]
    ) -> Iterator[pa.RecordBatch]:
        with request.call.cancellation.heeded():
            plan = self.statements.plan_row(request, self.text, row, self.snapshot)
        if not plan.schema.equals(self.schema):
            raise TypeMismatchError("The rows of parameters give results of different types; cast them.")
        running.append(self.statements.execute(request, plan))
        yield from running[-1]
        running.pop().close()
