"""Queries of a session: planned on a snapshot, by the runtime and for the types that the session has chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from engine.cancellation import Cancellation, follow
from engine.kernel import quote
from engine.logical.nodes import LogicalPlan
from engine.made_of_plans import MadeOfPlans
from engine.other_tables import written_out
from engine.physical import ExecutionMode, PhysicalPlan, walk
from engine.rights import Action
from engine.runtime import QueryOptions, QueryResult, Runtime
from engine.schema import RowType
from engine.sql.frontend import SqlFrontend
from engine.statements.catalog import Catalog
from engine.statements.context import StatementContext
from engine.statements.session import Session
from engine.statements.system_tables import reads_only_system
from engine.storage.indexes import IndexBuilder
from engine.storage.protocol import FragmentSink, Origins, Snapshot, TableName
from engine.travel_types import Boundary, leaving_items

__all__ = ["ParameterStream", "Parameters", "Planning"]

LOCAL = "local"
"""The name of the runtime of this process."""

Parameters = Sequence[Sequence[pa.Scalar]]
"""Rows of parameters; a statement runs once for each, and the results follow each other."""


@dataclass(frozen=True)
class ParameterStream:
    """Rows of parameters in batches, with a column for each parameter, in the order of values.

    They are a sequence where they are there, and else are still coming in, to be read once.
    """

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch] | Iterator[pa.RecordBatch]

    @property
    def is_kept(self) -> bool:
        """Whether the rows are there."""
        return isinstance(self.batches, Sequence)


class Planning:
    """Plans and starts queries, on the first of `runtimes` where a session has chosen none. Thread-safe.

    Planning raises PlanningError, and the cause where the current cancellation is thrown.
    """

    def __init__(self, runtimes: Mapping[str, Runtime], frontend: SqlFrontend, catalog: Catalog) -> None:
        self.runtimes = runtimes
        self.frontend = frontend
        self.catalog = catalog
        self.pins = catalog.pins
        self._told: MadeOfPlans[str] = MadeOfPlans()
        self._first = next(iter(runtimes))

    def plan(
        self,
        session: Session,
        text: str,
        row: Sequence[pa.Scalar] = (),
        snapshot: Snapshot | None = None,
        *,
        by_template: bool = False,
    ) -> PhysicalPlan:
        """A SELECT with one row of parameters in place, on a snapshot of now where none is given. To run it, plan it
        `by_template`, which may spare it to be read; what it shows then may be written otherwise.
        """
        return self._physical(session, self._logical(session, text, row, snapshot, by_template))

    def logical(
        self, session: Session, text: str, row: Sequence[pa.Scalar] = (), snapshot: Snapshot | None = None
    ) -> LogicalPlan:
        """The nodes of what `plan` gives."""
        return written_out(self._logical(session, text, row, snapshot))

    def _logical(
        self,
        session: Session,
        text: str,
        row: Sequence[pa.Scalar],
        snapshot: Snapshot | None,
        by_template: bool = False,
    ) -> LogicalPlan:
        """What `plan` hands to the runtime."""
        return self.frontend.plan(
            text,
            snapshot=snapshot or self.catalog.snapshot(session),
            parameters=row or None,
            names=self.catalog.names(session),
            by_template=by_template,
        )

    def remembers(self, session: Session, text: str) -> bool:
        """Whether a SELECT without parameters that was planned means the same at any time, and for anybody."""
        return self.frontend.remembers(text, self.catalog.names(session))

    def require_names(self, session: Session, text: str, row: Sequence[pa.Scalar]) -> None:
        """Raise what planning a SELECT raises. It is planned once, for values of the same types."""
        snapshot, names = self.catalog.snapshot(session), self.catalog.names(session)
        self.frontend.name_checks.require(text, row, snapshot, names)

    def table(self, session: Session, path: Sequence[str]) -> tuple[str, PhysicalPlan]:
        """All of a table or view as it is now, and the text that says so."""
        name = self.catalog.existing_target(session, path, Action.READ).shown
        snapshot, names = self.catalog.snapshot(session), self.catalog.names(session)
        text = f"SELECT * FROM {quote(name.schema)}.{quote(name.table)}"
        if names.views is not None and names.views.find(name) is not None:
            return text, self.plan(session, text, snapshot=snapshot)
        return text, self._physical(session, self.frontend.table_plan(name, snapshot))

    def columns(self, session: Session, text: str) -> RowType:
        """The columns of a SELECT, in the kernel's types."""
        return self.frontend.columns(text, snapshot=self.catalog.snapshot(session), names=self.catalog.names(session))

    def parameters(self, session: Session, text: str, columns: RowType = ()) -> pa.Schema:
        """The parameters of a SELECT, by name, where `columns` are what its rows are to be."""
        return self.frontend.parameters(
            text, snapshot=self.catalog.snapshot(session), names=self.catalog.names(session), columns=columns
        )

    def unbound_schema(self, session: Session, text: str) -> pa.Schema:
        """The schema of a SELECT's result while its parameters are NULLs; TypeMismatchError where that cannot be."""
        return self.frontend.result_schema(
            text, snapshot=self.catalog.snapshot(session), names=self.catalog.names(session)
        )

    def unbound(self, session: Session, text: str) -> tuple[pa.Schema, Origins]:
        """`unbound_schema` in the types that the session has chosen, and the tables that the columns come from."""
        return self.frontend.result(
            text,
            snapshot=self.catalog.snapshot(session),
            names=self.catalog.names(session),
            boundary=session.boundary,
        )

    def storage_plan(
        self, session: Session, text: str, row: Sequence[pa.Scalar] = (), snapshot: Snapshot | None = None
    ) -> PhysicalPlan:
        """As `plan` of what is to run, with the rows in their stored forms."""
        plan = self.plan(session, text, row, snapshot, by_template=True)
        if leaving_items([(c.name, c.type) for c in plan.columns], Boundary.STORAGE) is None:
            return plan  # whose rows may be given on as they lie in another table
        schema = self.frontend.kernel.arrow_schema(plan.columns, Boundary.STORAGE)
        return replace(plan, schema=schema, boundary=Boundary.STORAGE)

    def told_types(self, session: Session, text: str) -> dict[str, str | None]:
        """The kernel's type of each parameter of a SELECT, by name, None where the text does not tell it."""
        return self.frontend.told_types(
            text, snapshot=self.catalog.snapshot(session), names=self.catalog.names(session)
        )

    def explain(self, plan: PhysicalPlan) -> str:
        """The plan as EXPLAIN has it. It is made once for a text that runs again, which does so by the very same plan.

        Where rows are chosen it is made each time: which index is asked for them depends on what others have found.
        """
        told = self._told.get(plan)
        if told is None:
            told = self.runtime_of(plan).explain(plan)
            if all(getattr(operator, "filter", None) is None for operator in walk(plan.root)):
                self._told.put(plan, told)
        return told

    def execute(self, context: StatementContext, plan: PhysicalPlan) -> QueryResult:
        """Start `plan`; it stops when the context does. Closing the result ends this execution and nothing else."""
        cancellation = Cancellation()
        forget = follow(context.cancellation, cancellation)
        pin = self.pins.pin(plan)
        try:
            runtime = self.runtime_of(plan)
            context.tell_plan(partial(self.explain, plan))
            result = runtime.execute(plan, QueryOptions(cancellation, context.follow, context.trace))
        except BaseException:
            forget()
            raise
        context.watch(result.counters)

        def stop() -> None:
            pin.release()
            forget()
            result.stop()

        return replace(result, stop=stop)

    def write_plan(self, plan: PhysicalPlan, table: TableName, sink: FragmentSink | None = None) -> PhysicalPlan | None:
        """The plan that stores the rows of `plan` where they are made; None where they have to come here for that."""
        runtime = self.runtime_of(plan)
        return runtime.write_plan(plan, table, sink) if runtime.writes(plan) else None

    def index_plan(self, session: Session, builder: IndexBuilder) -> PhysicalPlan | None:
        """The plan of the session's runtime for parts of an index; None where it is better built as one, here."""
        return self.runtimes[session.runtime or self._first].index_plan(builder)

    def runtime_of(self, plan: PhysicalPlan) -> Runtime:
        """The runtime that made a plan; the session may have chosen another since."""
        made_by = "ray" if plan.mode is ExecutionMode.DISTRIBUTED else LOCAL
        return self.runtimes[made_by]

    def _runtime_for(self, session: Session, logical: LogicalPlan) -> Runtime:
        """What the session has chosen; what tells of the server needs no cluster, which may be what it is asked for."""
        chosen = session.runtime or self._first
        if chosen != LOCAL and LOCAL in self.runtimes and reads_only_system(logical):
            return self.runtimes[LOCAL]
        return self.runtimes[chosen]

    def _physical(self, session: Session, logical: LogicalPlan) -> PhysicalPlan:
        """The plan of the runtime that the session has chosen, whose rows leave in the types that it has chosen."""
        plan = self._runtime_for(session, logical).plan(logical, session.partitions)
        if session.boundary is not plan.boundary:
            schema = self.frontend.kernel.arrow_schema(plan.columns, session.boundary)
            plan = plan if schema == plan.schema else replace(plan, schema=schema, boundary=session.boundary)
        return plan
