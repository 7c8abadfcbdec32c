"""The one door for SQL: a text on the same tables has the same answer, whoever asks.

>>> database = Database(LocalRuntime(DirectoryStorage("data")))
>>> session = Session()
>>> database.run(StatementContext(session), database.parse("INSERT INTO t VALUES (1)"))
1
>>> with database.ask(session, database.parse("SELECT * FROM t")).open(StatementContext(session)) as result:
...     table = result.read_all()
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from engine.cache import LruCache
from engine.errors import TypeMismatchError, UnknownTableError
from engine.printable import on_one_line
from engine.runtime import QueryResult, Runtime
from engine.schema import RowType
from engine.sql.described_tables import DESCRIBED, description
from engine.sql.escapes import without_escapes
from engine.sql.shown_columns import Constraints, shown_columns
from engine.statements.answers import Answer, ProfileAnswer, QueryAnswer, RepeatedAnswer, TableAnswer
from engine.statements.bulk_load import BulkLoads
from engine.statements.care_descriptions import CareReport, ShowTags, ShowVersions
from engine.statements.catalog import VIEW_TYPE, Catalog
from engine.statements.changes import Changes
from engine.statements.context import StatementContext
from engine.statements.descriptions import Describe, Show, ShowSettings
from engine.statements.explaining import EXPLAIN_SCHEMA, Explain, plan_table
from engine.statements.held_views import HeldViews
from engine.statements.indexes import Indexes
from engine.statements.parsed_statement import ParsedStatement, parse, parse_plan
from engine.statements.places import no_places, places_in, places_of
from engine.statements.planning import Parameters, ParameterStream, Planning
from engine.statements.reader import parameter_names
from engine.statements.relations import Relations
from engine.statements.scripts import Part, part_told, split
from engine.statements.session import Session
from engine.statements.settings import Settings
from engine.statements.stored_views import StoredViews
from engine.statements.system_tables import SYSTEM
from engine.statements.transactions import Transactions
from engine.statements.upkeep import Thresholds, Upkeep
from engine.storage.protocol import CATALOG, Origins

__all__ = ["COUNT_SCHEMA", "Database", "changed_rows", "count_table"]

COUNT_SCHEMA = pa.schema([pa.field("Count", pa.int64())])
"""What a statement with effects answers to those who fetch: how many rows it changed."""

_REMEMBERED = 256  # queries, as they were read
_LONGEST_REMEMBERED = 4_000  # characters
_DESCRIBE_SCHEMA = pa.schema([(name, pa.string()) for name in DESCRIBED])
_UNTOLD_SCHEMA = pa.schema([pa.field("result", pa.null())])  # without columns, drivers would take it for an update


class Database:
    """Runs statements over the tables of a runtime's storage. Sessions may choose one of the `others`. Thread-safe.

    Statements of transactions are refused in sessions that have not chosen, but where it `ignores_transactions`.
    Results stay at workers for sessions that want that only where who asks fetches them from there: it `has_endpoints`.
    """

    def __init__(
        self,
        runtime: Runtime,
        others: Iterable[Runtime] = (),
        *,
        ignores_transactions: bool = False,
        has_endpoints: bool = False,
    ) -> None:
        self.runtime = runtime
        self.runtimes = {each.name: each for each in (runtime, *others)}
        self.frontend = runtime.frontend
        self.folder = next((Path(directory) for directory in runtime.storage.directories()), None)
        self.catalog = Catalog(runtime.storage, HeldViews() if self.folder is None else StoredViews(self.folder))
        self.relations = Relations(self.frontend, self.catalog)
        self.catalog.columns = self.relations.columns
        self.planning = Planning(self.runtimes, self.frontend, self.catalog)
        self.loads = BulkLoads(self.frontend)
        self.settings = Settings(self.catalog, self.runtimes, has_endpoints)
        self.catalog.settings = self.settings.session_values
        self._indexes = Indexes(self.planning)
        self._changes = Changes(self.planning, self.settings, Transactions(ignores_transactions))
        self._read_before: LruCache[str, ParsedStatement] = LruCache(_REMEMBERED)

    def sql(
        self, text: str | bytes, parameters: Parameters | None = None, context: StatementContext | None = None
    ) -> QueryResult:
        """Run a statement of any kind, for each row of `parameters`; of one with effects the count is the answer.

        Bytes are a serialised Substrait plan.

        Without a context it runs in a session of its own, with all rights. Raises PlanningError and the execution
        errors.
        """
        context = context or StatementContext(Session())
        parsed = self.parse(text)
        self.run_before(context, parsed)
        if parsed.has_effects:
            return TableAnswer(self.run_and_tell(context, parsed, parameters)).open(context)
        return self.ask(context.session, parsed, parameters).open(context)

    def parse(self, text: str | bytes) -> ParsedStatement:
        """What a text is, or a serialised Substrait plan; raises as these are read, and as `split`."""
        if isinstance(text, bytes):
            return parse_plan(text)
        known = self._read_before.get(text)
        if known is not None:
            return known
        parts = split(text)
        if not parts:
            parsed = self._parse(text)
            if parsed.is_query and len(text) <= _LONGEST_REMEMBERED:
                self._read_before.put(text, parsed)
            return parsed
        *before, last = [self._parse(part.text, part) for part in parts]
        return replace(last, before=tuple(before))

    def _parse(self, text: str, part: Part | None = None) -> ParsedStatement:
        with part_told(part, runs=False):
            written = without_escapes(text)
            with places_in(written, self.frontend.kernel.parse):
                parsed = replace(parse(written), part=part)
                if part is not None and (parsed.explained or parsed).statement is None:
                    self.frontend.parse((parsed.explained or parsed).text)
                return parsed

    def parameters(self, session: Session, parsed: ParsedStatement) -> pa.Schema:
        """The parameters that a statement takes, by name, in the types that the kernel gives them."""
        with self._places_in(parsed):
            return self._parameters(session, parsed)

    def _parameters(self, session: Session, parsed: ParsedStatement) -> pa.Schema:
        if parsed.explained is not None:
            return self._parameters(session, parsed.explained)
        statement, text = parsed.statement, parsed.text
        if parsed.before:  # they have none
            return pa.schema([])
        if statement is not None and not parsed.has_effects:
            return pa.schema([])
        if statement is None:
            # Without any the plan is about to be asked for, and raises what is wrong.
            return self.planning.parameters(session, text) if any(mark in text for mark in "?$") else pa.schema([])
        numbered = self._changes.parameters(session, statement)
        if not len(numbered):
            return numbered
        names = parameter_names(text)
        if len(names) != len(numbered):  # they are numbers in the text too
            return numbered
        return pa.schema([field.with_name(name) for field, name in zip(numbered, names, strict=True)])

    def schema(self, session: Session, parsed: ParsedStatement) -> pa.Schema:
        """The schema of a statement's answer before its parameters are bound, as far as it can be told."""
        return self.unbound(session, parsed)[0]

    def unbound(self, session: Session, parsed: ParsedStatement) -> tuple[pa.Schema, Origins]:
        """`schema`, and the tables that its columns come from."""
        if parsed.has_effects:
            told = parsed.statement
            return (self._changes.care.report_schema(told) if isinstance(told, CareReport) else COUNT_SCHEMA), ()
        if parsed.explained is not None:
            return EXPLAIN_SCHEMA, ()
        if parsed.before:  # what it reads may be made by them
            return _UNTOLD_SCHEMA, ()
        if parsed.statement is not None:
            return self.ask(session, parsed).schema, ()
        try:
            with self._places_in(parsed):
                return self.planning.unbound(session, parsed.text)
        except TypeMismatchError:
            return _UNTOLD_SCHEMA, ()

    def ask(self, session: Session, parsed: ParsedStatement, parameters: Parameters | None = None) -> Answer:
        """The answer to what has no effects, on a snapshot of now, for each row of `parameters`. Raises PlanningError.

        Nothing runs until it is opened.
        """
        if parameters is not None and not parameters:
            schema, origins = self.unbound(session, parsed)
            return TableAnswer(pa.Table.from_batches([], schema), origins)
        with self._places_in(parsed):
            return self._answer(session, parsed, parameters)

    def _answer(self, session: Session, parsed: ParsedStatement, parameters: Parameters | None) -> Answer:
        match parsed.statement:
            case Show() as statement:
                return TableAnswer(self._show(session, statement))
            case ShowSettings() as statement:
                return TableAnswer(self._show_settings(session, statement))
            case Describe() as statement:
                return TableAnswer(self._describe(session, statement))
            case ShowVersions() | ShowTags() as statement:
                return TableAnswer(self._changes.care.show(session, statement))
            case None if parsed.explained is not None:
                return self._explain(session, parsed.explained, parsed.explain, parameters[0] if parameters else ())
            case None:
                return self._query(session, parsed, parameters or [()])
        raise ValueError(f"{parsed.kind} has effects; run it")

    def table(self, session: Session, path: Sequence[str]) -> tuple[str, QueryAnswer]:
        """All of a table, as it is now, and the text that says so."""
        with no_places():
            text, plan = self.planning.table(session, path)
        return text, QueryAnswer.of(self.planning, plan)

    def run_before(self, context: StatementContext, parsed: ParsedStatement) -> None:
        """Run what stands before the last statement of a text of several; the rows of queries go to nobody."""
        for each in parsed.before:
            if each.has_effects:
                self.run(context, each)
                continue
            with self.ask(context.session, each).open(context) as result:
                for _ in result.reader:
                    pass

    def run(
        self,
        context: StatementContext,
        parsed: ParsedStatement,
        parameters: Parameters | ParameterStream | None = None,
    ) -> int:
        """Run a statement with effects for each row of `parameters`, or a stream of them; how many it changed."""
        if parsed.statement is None or not parsed.has_effects:
            raise ValueError(f"{parsed.kind} has no effects; ask for its answer")
        with self._places_in(parsed):
            return self._changes.run(context, parsed.statement, parameters)

    def run_and_tell(
        self, context: StatementContext, parsed: ParsedStatement, parameters: Parameters | None = None
    ) -> pa.Table:
        """Run a statement with effects; what it answers to those who fetch: how many rows it changed, or a report."""
        if not isinstance(parsed.statement, CareReport):
            return count_table(self.run(context, parsed, parameters))
        with self._places_in(parsed):
            return self._changes.report(context, parsed.statement)

    def upkeep(self, *, optimizes: bool, retain: timedelta | None, thresholds: Thresholds | None = None) -> Upkeep:
        """What looks after the tables of which it is told that they have changed, until it is closed."""
        care, pins = self._changes.care, self.planning.pins
        return Upkeep(care, pins, optimizes=optimizes, retain=retain, thresholds=thresholds)

    def look_after(self, *, optimizes: bool, retain: timedelta | None, thresholds: Thresholds | None = None) -> Upkeep:
        """Look after the tables that statements and uploads change, until what is given back is closed."""
        upkeep = self.upkeep(optimizes=optimizes, retain=retain, thresholds=thresholds)
        self._changes.heed = self.loads.heed = upkeep.note_change
        return upkeep

    # ----

    def _places_in(self, parsed: ParsedStatement) -> AbstractContextManager[None]:
        """What is raised inside leaves with its place in what the client wrote."""
        return places_of(parsed, self.frontend.kernel.parse) if parsed.part is None else self._places_in_part(parsed)

    @contextmanager
    def _places_in_part(self, parsed: ParsedStatement) -> Iterator[None]:
        with part_told(parsed.part, runs=True), places_of(parsed, self.frontend.kernel.parse):
            yield

    def _query(self, session: Session, parsed: ParsedStatement, rows: Parameters) -> Answer:
        snapshot = self.catalog.snapshot(session)
        plan = self.planning.plan(session, parsed.text, rows[0], snapshot, by_template=True)
        if len(rows) == 1:
            return QueryAnswer.of(self.planning, plan)
        pin = self.planning.pins.pin(plan)
        return RepeatedAnswer(self.planning, parsed, rows, snapshot, plan.schema, pin, plan.origins)

    def _explain(self, session: Session, parsed: ParsedStatement, explain: Explain, row: Sequence[pa.Scalar]) -> Answer:
        began = time.monotonic()
        lines = []
        if parsed.has_effects and parsed.statement is not None:
            line, plans = self._changes.outline(session, parsed.statement, row)
            lines.append(on_one_line(line))
        else:
            plans = [self.planning.plan(session, parsed.text, row)]
        for plan in plans:
            told = self.planning.runtime_of(plan).explain(plan).splitlines()
            lines += [f"  {line}" for line in told] if lines else told
        if explain.analyze:
            (plan,) = plans
            return ProfileAnswer(self.planning, plan, tuple(lines), explain.format, time.monotonic() - began)
        return TableAnswer(plan_table(lines, explain.format))

    def _describe(self, session: Session, statement: Describe) -> pa.Table:
        told = self.catalog.constraints(session, statement.table) if statement.table else Constraints()
        return _describe_columns(self.planning.columns(session, statement.query), told)

    def _show_settings(self, session: Session, statement: ShowSettings) -> pa.Table:
        found = self.settings.all_values(session)
        if statement.name is None or statement.table is None:
            return pa.table([pa.array(found, pa.string()), pa.array(found.values(), pa.string())], ["name", "value"])
        try:
            return self._describe(session, statement.table)
        except UnknownTableError:
            if statement.name not in found:
                raise
            return pa.table({statement.name: pa.array([found[statement.name]], pa.string())})

    def _show(self, session: Session, statement: Show) -> pa.Table:
        if statement.what == "DATABASES":
            return pa.table({"database_name": [CATALOG]})
        if statement.what == "INDEXES":
            return self._indexes.show(session, statement.within)
        if statement.what == "SCHEMAS":
            return pa.table({"name": self.catalog.schemas(session)})
        relations = self.catalog.relations(session)
        names = [name for name, kind in relations if kind == VIEW_TYPE or statement.what != "VIEWS"]
        if statement.what != "ALL TABLES":
            own = self.catalog.shown_schemas(session, statement.within)
            if SYSTEM in own and statement.what == "TABLES":
                names += self.catalog.system.names()
            return pa.table({"name": pa.array(sorted(n.table for n in names if n.schema.lower() in own), pa.string())})
        rows = [{"schema": name.schema, "name": name.table} for name in names]
        return pa.Table.from_pylist(rows, pa.schema([("schema", pa.string()), ("name", pa.string())]))


def count_table(rows: int) -> pa.Table:
    """How many rows a statement changed, as those get it who fetch."""
    return pa.table([pa.array([rows], pa.int64())], schema=COUNT_SCHEMA)


def changed_rows(answer: pa.Table) -> int:
    """How many rows a statement changed whose answer this is: none where that is a report."""
    return int(answer["Count"][0].as_py()) if answer.schema == COUNT_SCHEMA else 0


def _describe_columns(columns: RowType, told: Constraints) -> pa.Table:
    """The answer to DESCRIBE, in the columns that the dialect has for it; a table has `told` more of them."""
    rows = [dict(zip(DESCRIBED, description(column), strict=True)) for column in shown_columns(columns, told)]
    return pa.Table.from_pylist(rows, _DESCRIBE_SCHEMA)
