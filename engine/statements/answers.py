"""What a statement answers with: rows that a query is still to give, or a table that is there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import pyarrow as pa

from engine.cancellation import Cancellation, follow
from engine.errors import GrismError, TypeMismatchError
from engine.physical import PhysicalPlan
from engine.runtime import QueryOptions, QueryResult, ResultParts
from engine.statements.context import StatementContext
from engine.statements.explaining import EXPLAIN_SCHEMA, Before, Format, profile_table
from engine.statements.parsed_statement import ParsedStatement
from engine.statements.pins import Pin
from engine.statements.places import places_of
from engine.statements.planning import Parameters, Planning
from engine.statements.system_tables import scans_only_system
from engine.storage.protocol import Origins, Snapshot
from engine.streams import slice_stream

__all__ = ["Answer", "ProfileAnswer", "QueryAnswer", "RepeatedAnswer", "TableAnswer"]


class Answer(Protocol):
    """A result that is ready to be fetched, as often as one likes."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of its rows."""

    @property
    def origins(self) -> Origins:
        """The tables that its columns come from; empty where none does."""

    def open(self, context: StatementContext) -> QueryResult:
        """Start it anew. Raises the execution errors."""


@dataclass(frozen=True)
class TableAnswer:
    """Rows that are there: what SHOW, DESCRIBE and EXPLAIN tell, or how many rows a statement has changed."""

    table: pa.Table
    origins: Origins = ()

    @property
    def schema(self) -> pa.Schema:
        """The schema of the table."""
        return self.table.schema

    def open(self, context: StatementContext) -> QueryResult:
        """The rows."""
        stream = slice_stream(self.table.to_reader())
        context.watch(stream.counters)
        return QueryResult(stream.reader, stream.counters, Cancellation(), stream.stop)


@dataclass(frozen=True)
class QueryAnswer:
    """The rows of one plan."""

    planning: Planning
    plan: PhysicalPlan
    pin: Pin

    @classmethod
    def of(cls, planning: Planning, plan: PhysicalPlan) -> QueryAnswer:
        """The answer that a plan gives. The versions that it reads stay while the answer is there."""
        return cls(planning, plan, planning.pins.pin(plan))

    @property
    def schema(self) -> pa.Schema:
        """The schema in which the rows leave."""
        return self.plan.schema

    @property
    def tells_of_server(self) -> bool:
        """Whether all that is read are tables of the schema `system`."""
        return scans_only_system(self.plan)

    @property
    def origins(self) -> Origins:
        """The tables that the columns come from."""
        return self.plan.origins

    @property
    def has_parts(self) -> bool:
        """Whether the rows can stay where they are made, and be fetched there."""
        return self.planning.runtime_of(self.plan).has_parts(self.plan)

    def open(self, context: StatementContext) -> QueryResult:
        """Start the plan."""
        return self.planning.execute(context, self.plan)

    def run_to_parts(self, context: StatementContext, seconds: float) -> ResultParts:
        """Run the plan to its end, and leave the rows where they were made for so many seconds."""
        runtime = self.planning.runtime_of(self.plan)
        context.tell_plan(partial(self.planning.explain, self.plan))
        return runtime.run_to_parts(self.plan, seconds, QueryOptions(context.cancellation, trace=context.trace))


@dataclass(frozen=True)
class ProfileAnswer:
    """What a query does when it runs to its end: EXPLAIN ANALYZE. `lines` show its plan."""

    planning: Planning
    plan: PhysicalPlan
    lines: tuple[str, ...]
    format: Format
    planning_seconds: float
    origins: Origins = ()

    @property
    def schema(self) -> pa.Schema:
        """The schema of EXPLAIN."""
        return EXPLAIN_SCHEMA

    def open(self, context: StatementContext) -> QueryResult:
        """Run the query; its rows go to nobody."""
        context.tell_plan(lambda: "\n".join(self.lines))
        cancellation = Cancellation()
        forget = follow(context.cancellation, cancellation)
        try:
            options = QueryOptions(cancellation, context.follow, context.trace)
            profile = self.planning.runtime_of(self.plan).profile(self.plan, options)
        finally:
            forget()
        before = Before(self.planning_seconds, context.waited)
        return TableAnswer(profile_table(self.lines, profile, before, self.format)).open(context)


@dataclass(frozen=True)
class RepeatedAnswer:
    """A query with several rows of parameters: one execution after the other, each started when the last one ends.

    Only here do batches pass through Python: an execution costs so much more than a batch does that it does not show.
    """

    planning: Planning
    parsed: ParsedStatement
    rows: Parameters
    snapshot: Snapshot
    schema: pa.Schema
    pin: Pin
    origins: Origins = ()

    def open(self, context: StatementContext) -> QueryResult:
        """Start the first; what follows is started by the reader."""
        cancellation = Cancellation()
        forget = follow(context.cancellation, cancellation)
        stoppable = replace(context, cancellation=cancellation)
        running: list[QueryResult] = []
        failures: list[GrismError] = []

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for row in self.rows:
                    yield from self._of_row(stoppable, row, running)
            except GrismError as error:
                failures.append(error)
                raise

        def stop() -> None:
            forget()
            for result in running:
                result.close()

        stream = slice_stream(pa.RecordBatchReader.from_batches(self.schema, batches()))
        return QueryResult(
            stream.reader, stream.counters, cancellation, stop, lambda: failures[0] if failures else None
        )

    def _of_row(
        self, context: StatementContext, row: Sequence[pa.Scalar], running: list[QueryResult]
    ) -> Iterator[pa.RecordBatch]:
        with context.cancellation.scope(), places_of(self.parsed, self.planning.frontend.kernel.parse):
            plan = self.planning.plan(context.session, self.parsed.text, row, self.snapshot)
        if not plan.schema.equals(self.schema):
            raise TypeMismatchError("The rows of parameters give results of different types; cast them.")
        running.append(self.planning.execute(context, plan))
        yield from running[-1]
        running.pop().close()
