"""SqlFrontend: from SQL text to a LogicalPlan, pinned to one snapshot."""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial

import pyarrow as pa

from engine.binder import BoundStatement
from engine.cache import LruCache
from engine.errors import (
    GrismError,
    InvalidValueError,
    UnknownTableError,
)
from engine.kernel import Kernel
from engine.literals import constant
from engine.logical.nodes import LogicalPlan, Rename, Scan, SqlQuery
from engine.schema import Column, RowType
from engine.schema_inference import remember_columns, remember_origins
from engine.sql import syntax
from engine.sql.bounded_calls import bound_calls
from engine.sql.bounds import require_bounds, require_few_repeats
from engine.sql.catalog_functions import functions_as_tables
from engine.sql.described_tables import describe_tables
from engine.sql.error_places import Source, at_place, client_place, node_place
from engine.sql.fitting_values import read_fitting
from engine.sql.generic_plans import GenericPlans
from engine.sql.inputs import input_scans, little_won
from engine.sql.instants import current_instant
from engine.sql.name_checks import NameChecks
from engine.sql.names import shorten, with_short_names
from engine.sql.operator_reading import read_operators
from engine.sql.origins import ColumnOrigins
from engine.sql.parameter_types import ParameterTypes
from engine.sql.plan_reader import NotRead
from engine.sql.qualified_names import Relation, shorten_names
from engine.sql.search_plans import SearchPlans
from engine.sql.search_requests import Searches
from engine.sql.search_values import UNKNOWN, ParameterValue, put_queries
from engine.sql.searches import search_calls, searches_as_tables
from engine.sql.session_values import (
    INSTANTS,
    SINCE,
    USERS,
    session_function,
    session_value,
    since_function,
    since_value,
)
from engine.sql.shown_columns import ShownColumn, constraints, shown_columns
from engine.sql.templates import PlannedText, Templates
from engine.sql.text_memory import KnownText, Memory, Pin, is_lasting
from engine.sql.texts import ParsedText, ReadText, ResolvedText
from engine.sql.unparsing import unparse
from engine.sql.views import Names, expand_views
from engine.storage.names import full_name
from engine.storage.protocol import KernelSource, Origins, Snapshot, Storage, TableHandle, TableName, Version
from engine.storage.stored_types import kernel_columns
from engine.travel_types import Boundary

__all__ = ["SqlFrontend"]

_log = logging.getLogger(__name__)
_PLAIN = Names()
_WORD = re.compile(r"\w+")
_CACHED_TABLES = 512
_CACHED_PLANS = 256
_CACHED_OUTPUTS = 10_000


class SqlFrontend:
    """Plans SQL over one storage. Thread-safe."""

    def __init__(self, kernel: Kernel, storage: Storage) -> None:
        self.kernel = kernel
        self.storage = storage
        # How many SELECTs were taken apart (under ""), and how many were not, by the reason.
        self.readings: Counter[str] = Counter()
        self._origins = ColumnOrigins(kernel.binder)
        self._shell = kernel.parse("SELECT 1")
        self._searches, self._search_plans = Searches(kernel, storage), SearchPlans()
        self._generic_plans = GenericPlans(kernel.binder, self.table_columns, self._build)
        self._templates = Templates(self._find_plan, self._make_plan)
        self.name_checks = NameChecks(self._make_plan, self.table_columns)
        self._columns: LruCache[tuple[object, ...], RowType] = LruCache(_CACHED_TABLES)
        self._plans: Memory[str, LogicalPlan] = Memory(_CACHED_PLANS)
        self._outputs: Memory[str, RowType] = Memory(_CACHED_OUTPUTS)
        self._parameters: Memory[tuple[str, RowType], pa.Schema] = Memory(_CACHED_PLANS)
        self._results: Memory[tuple[str, Boundary], tuple[pa.Schema, Origins]] = Memory(_CACHED_PLANS)

    def plan(
        self,
        text: str,
        *,
        snapshot: Snapshot | None = None,
        parameters: Sequence[pa.Scalar] | None = None,
        names: Names = _PLAIN,
        by_template: bool = False,
    ) -> LogicalPlan:
        """The plan of one SELECT. Parameters are given in the order of `parameters()`. With `by_template` a text may
        have the plan of one that differs in literals alone, with its own put in.

        Raises SqlSyntaxError, UnknownTableError, UnknownColumnError, TypeMismatchError, ForbiddenError and
        UnsupportedError, and the cause where the current cancellation is thrown; nothing runs.
        """
        snapshot = snapshot or self.storage.snapshot()
        if not parameters and (known := self._plans.get(text, names, snapshot)) is not None:
            return known
        given = [ParameterValue(value, partial(constant, value), place) for place, value in enumerate(parameters or ())]
        anew = partial(self._make_plan, text, given, names=names)
        if not given:
            return self._templates.plan(text, snapshot, names, anew) if by_template else anew(snapshot).plan
        found = self._find_plan(text, given, snapshot, names, lambda pinned: anew(pinned).plan)
        return anew(snapshot).plan if found is None else found.value

    def _find_plan(
        self,
        text: str,
        given: Sequence[ParameterValue],
        snapshot: Snapshot,
        names: Names,
        anew: Callable[[Snapshot], LogicalPlan],
    ) -> KnownText[LogicalPlan] | None:
        """A plan of a text for other values, with these put in; None where it has to be planned `anew`."""
        asked_again = self._search_plans.get(text, names, given, snapshot)
        return asked_again or self._generic_plans.get(text, names, given, snapshot, anew)

    def _make_plan(self, text: str, given: Sequence[ParameterValue], snapshot: Snapshot, names: Names) -> PlannedText:
        """The plan of a SELECT that is read anew, remembered for the next time."""
        kinds = partial(self._types_of_values, text, snapshot, names)
        read = read_fitting(lambda values: self._read(text, values, snapshot, names), given, kinds)
        plan = self._build(read.resolved)
        if read.lasting and not given:
            self._plans.put(text, names, read.resolved.pins, read.views, plan)
        elif read.lasting and is_lasting(names):
            self._search_plans.put(text, names, given, read.resolved.pins, read.views, plan)
            self._generic_plans.learn(text, names, given, read, kinds, partial(self._put, text, snapshot, names))
        return PlannedText(plan, read.resolved.columns, read.shape)

    def remembers(self, text: str, names: Names = _PLAIN) -> bool:
        """Whether the plan of a SELECT is kept, as that of one is which means the same at any time."""
        return self._plans.has(text, names)

    def columns(self, text: str, *, snapshot: Snapshot | None = None, names: Names = _PLAIN) -> RowType:
        """The output columns of one SELECT without parameters, in the kernel's types. Raises as `plan`."""
        snapshot = snapshot or self.storage.snapshot()
        if (known := self._outputs.get(text, names, snapshot)) is not None:
            return known
        parsed = self._parse(text, names, snapshot)
        self._bind_parameters(parsed, (), snapshot, names)
        canonical, tables, pins = self._pin(parsed, snapshot, names)
        columns = self._describe(parsed, canonical, tables)
        self._outputs.put(text, names, pins, parsed.views, columns)
        return columns

    def parse(self, text: str) -> syntax.Node:
        """The syntax tree of a SELECT, in which everything that tells of tables of the session is a table."""
        root = functions_as_tables(text, self.kernel.parse(text))
        return searches_as_tables(text, root, self.kernel.parse, self._display)

    def _parse(self, text: str, names: Names, snapshot: Snapshot) -> ParsedText:
        """The syntax tree of a SELECT with its views put in."""
        require_bounds(text)
        tree = syntax.Tree(self.parse(text))
        syntax.name_subqueries(tree, self._display)  # as the text has them: without the queries of views, and schemas
        expanded = expand_views(tree, names, snapshot, self.parse, self._table_name, self._display)
        parsed = ParsedText(text, tree, expanded.found, expanded.places, expanded.nodes)
        try:
            syntax.check(tree)
            bound_calls(tree, self._display)
        except syntax.Refusal as refused:
            refused.error.place = node_place(refused.node, parsed.source)
            raise refused.error from None
        require_few_repeats(tree, self.kernel.functions.repeats)
        return parsed

    def _build(self, resolved: ResolvedText) -> LogicalPlan:
        names = tuple([c.name for c in resolved.columns])
        unique = names
        if "" in names or len({name.lower() for name in names}) < len(names):
            unique = tuple(f"c{i}" for i in range(len(names)))
        inputs = input_scans(resolved.tables, resolved.operators, resolved.mentioned)
        plan: LogicalPlan = SqlQuery(resolved.text, unique, inputs, resolved.operators, resolved.reason)
        plan = plan if unique == names else Rename(plan, names)
        remember_columns(plan, resolved.columns)
        return remember_origins(plan, resolved.origins)

    def parameters(
        self, text: str, *, snapshot: Snapshot | None = None, names: Names = _PLAIN, columns: RowType = ()
    ) -> pa.Schema:
        """The parameters of one SELECT, by name (``1``, ``2`` for ``?``), where `columns` are what its rows are to be.

        What the text does not tell is utf8, or int64 or float64 where only a number fits.
        """
        if self._plans.has(text, names):  # what has parameters is not among them
            return pa.schema([])
        snapshot = snapshot or self.storage.snapshot()
        if (known := self._parameters.get((text, columns), names, snapshot)) is not None:
            return known
        parsed, types, pins = self._parameter_types(text, snapshot, names)
        told = () if types is None else types.with_guesses(columns).items()
        schema = self.kernel.arrow_schema(tuple(Column(name, kind) for name, kind in told))
        self._parameters.put((text, columns), names, pins, parsed.views, schema)
        return schema

    def told_types(self, text: str, *, snapshot: Snapshot, names: Names = _PLAIN) -> dict[str, str | None]:
        """The kernel's type of each parameter of one SELECT, by name, None where the text does not tell it."""
        types = self._parameter_types(text, snapshot, names)[1]
        return {} if types is None else types.kernel_types()

    def _types_of_values(self, text: str, snapshot: Snapshot, names: Names) -> list[str | None]:
        return list(self.told_types(text, snapshot=snapshot, names=names).values())

    def _parameter_types(
        self, text: str, snapshot: Snapshot, names: Names
    ) -> tuple[ParsedText, ParameterTypes | None, tuple[Pin, ...]]:
        """What tells the kernel's type for each parameter of one SELECT; None where there are none."""
        parsed = self._parse(text, names, snapshot)
        given = syntax.parameter_names(parsed.tree)
        if not given:
            return parsed, None, ()
        canonical, tables, pins = self._pin(parsed, snapshot, names, bound=False)
        return parsed, ParameterTypes(self.kernel.binder, canonical, _columns(tables), given), pins

    def result_schema(self, text: str, *, snapshot: Snapshot | None = None, names: Names = _PLAIN) -> pa.Schema:
        """The Arrow schema of a SELECT whose parameters are not bound yet: that of NULLs without a type."""
        return self.kernel.arrow_schema(self._unbound(text, snapshot or self.storage.snapshot(), names)[-1])

    def result(
        self, text: str, *, snapshot: Snapshot, names: Names, boundary: Boundary = Boundary.CLIENT
    ) -> tuple[pa.Schema, Origins]:
        """`result_schema` as it leaves at the `boundary`, and the tables that the columns come from."""
        if (known := self._results.get((text, boundary), names, snapshot)) is not None:
            return known
        parsed, canonical, tables, pins, columns = self._unbound(text, snapshot, names)
        result = self.kernel.arrow_schema(columns, boundary), self._origins.of(parsed, canonical, tables)
        self._results.put((text, boundary), names, pins, parsed.views, result)
        return result

    def _unbound(
        self, text: str, snapshot: Snapshot, names: Names
    ) -> tuple[ParsedText, str, Mapping[str, tuple[TableHandle, RowType]], tuple[Pin, ...], RowType]:
        parsed = self._parse(text, names, snapshot)
        self._bind_parameters(parsed, [UNKNOWN] * len(syntax.parameter_names(parsed.tree)), snapshot, names)
        canonical, tables, pins = self._pin(parsed, snapshot, names, bound=False)
        return parsed, canonical, tables, pins, self._describe(parsed, canonical, tables)

    def table_plan(
        self, name: TableName, snapshot: Snapshot | None = None, version: Version | None = None
    ) -> LogicalPlan:
        """All columns of one table."""
        handle = (snapshot or self.storage.snapshot()).table(name, version)
        columns = self.table_columns(handle)
        scan = Scan(handle, columns, tuple(c.name for c in columns))
        return remember_origins(scan, (handle.name,) * len(columns))

    def table_columns(self, handle: TableHandle) -> RowType:
        """The table's columns in the kernel's types."""
        found_by = None if handle.search is None else (handle.search.column, handle.search.is_each)
        key = (handle.kind, handle.location, handle.version, handle.addressed, found_by)
        found = self._columns.get(key)
        if found is not None:
            return found
        source = self.storage.probe(handle)
        if isinstance(source, KernelSource):
            columns = self.kernel.describe(source.query.sql("duckdb"))
        else:
            columns = kernel_columns(self.kernel, source.data.schema)
        self._columns.put(key, columns)
        return columns

    def _read(self, text: str, values: Sequence[ParameterValue], snapshot: Snapshot, names: Names) -> ReadText:
        """A SELECT with `values` in the place of its parameters."""
        parsed = self._parse(text, names, snapshot)
        lasting = self._bind_parameters(parsed, values, snapshot, names)
        return ReadText(self._resolve(parsed, snapshot, names), parsed.views, lasting)

    def _put(
        self, text: str, snapshot: Snapshot, names: Names, values: Sequence[ParameterValue]
    ) -> tuple[str, dict[str, tuple[TableHandle, RowType]]]:
        """The canonical text with `values` in the place of its parameters, and its tables."""
        parsed = self._parse(text, names, snapshot)
        self._bind_parameters(parsed, values, snapshot, names)
        return self._pin(parsed, snapshot, names)[:2]

    def _bind_parameters(
        self, parsed: ParsedText, values: Sequence[ParameterValue], snapshot: Snapshot, names: Names
    ) -> bool:
        """Put constants in the place of parameters and of functions that tell the time or the session.

        Returns whether the statement means the same at any time, and for anybody.
        """
        statement = parsed.tree
        asked = syntax.parameter_names(statement)
        if len(values) != len(asked):
            raise InvalidValueError(f"Values for the statement's parameters: {len(asked)} needed, {len(values)} given.")
        bound = dict(zip(asked, values, strict=True))
        now = current_instant()
        calls = statement.expressions("FUNCTION", "COLUMN_REF")
        told = [(node, name) for node in calls if (name := session_function(node) or since_function(node))]
        hidden = self._column_names(statement, snapshot, names) if told else frozenset()
        pending = put_queries(statement, bound)
        whole = {id(node) for node, _ in pending}
        places = [
            (n, bound[str(n["identifier"])].text()) for n in statement.expressions("PARAMETER") if id(n) not in whole
        ]
        for node, name in told:
            if since_function(node):
                pending.append((node, since_value(name, node["arguments"][0]["expression"], now, self._constant)))
            elif node.get("class") == "FUNCTION" or name not in hidden:
                places.append((node, session_value(name, now, names.schemas[-1], names.user)))
        constants = self._constants([text for _, text in places])
        pending.extend((node, constant) for (node, _), constant in zip(places, constants, strict=True))
        parsed.foreign.extend(node for node, _ in pending)
        syntax.replace(statement, pending, self._display)
        return not {name for _, name in told} & (INSTANTS.keys() | SINCE.keys() | USERS)

    def _column_names(self, statement: syntax.Tree, snapshot: Snapshot, names: Names) -> frozenset[str]:
        """Every name that a column in the statement may have, in lower case."""
        found = set(syntax.given_names(statement))
        for node in syntax.table_references(statement):
            _, handle = self._find(syntax.table_path(node), names, snapshot, None, None)
            for column in self.table_columns(handle):
                found.add(column.name.lower())
                found.update(_WORD.findall(column.type.lower()))  # fields of structs become columns by unnest()
        return frozenset(found)

    def _constant(self, text: str) -> syntax.Node:
        return self._constants([text])[0]

    def _constants(self, texts: Sequence[str]) -> list[syntax.Node]:
        """The trees of expressions, each of its own."""
        if not texts:
            return []
        items: list[syntax.Node] = self.kernel.parse(f"SELECT {', '.join(texts)}")["node"]["select_list"]
        return items

    def _display(self, item: syntax.Node) -> str:
        """The column name that the kernel gives to an unnamed item."""
        shell = self._shell
        alone = {**shell, "node": {**shell["node"], "select_list": [item]}}
        return shorten(unparse(self.kernel, alone).removeprefix("SELECT "))

    def _resolve(self, parsed: ParsedText, snapshot: Snapshot, names: Names) -> ResolvedText:
        mentioned = syntax.referenced_columns(parsed.tree)
        text, tables, pins = self._pin(parsed, snapshot, names)
        operators, bound = None, None
        reason = little_won(parsed.tree.root, text, [handle for handle, _ in tables.values()])
        if reason:
            columns = self._describe(parsed, text, tables)
        else:
            with self._places_in(parsed):
                bound = self.kernel.binder.bind(text, _columns(tables))
            columns = self._with_short_names(parsed, bound.columns, tables)
            operators, reason = self._operators(text, bound, tables)
        self.readings[reason] += 1
        origins = self._origins.of(parsed, text, tables, bound)
        return ResolvedText(text, columns, origins, tables, operators, reason, mentioned, pins)

    def _operators(
        self, text: str, bound: BoundStatement, tables: Mapping[str, tuple[TableHandle, RowType]]
    ) -> tuple[LogicalPlan | None, str]:
        """The plan in nodes; or none, with the reason."""
        try:
            return read_operators(bound, tables), ""
        except NotRead as error:
            reason = error.reason
        if reason.startswith(("a constant", "a value")):
            # One that the optimizer has computed, of a type whose values no plan has: in the text it is a cast.
            with suppress(NotRead):
                as_bound = self.kernel.binder.as_bound(text, _columns(tables))
                return read_operators(as_bound, tables), ""
        _log.info("a statement runs whole: %s", reason)
        return None, reason

    def _describe(self, parsed: ParsedText, text: str, tables: Mapping[str, tuple[TableHandle, RowType]]) -> RowType:
        """The columns that a statement gives."""
        with self._places_in(parsed):
            columns = self.kernel.binder.describe(text, _columns(tables))
        return self._with_short_names(parsed, columns, tables)

    @contextmanager
    def _places_in(self, parsed: ParsedText) -> Iterator[None]:
        """What the binder says of the canonical text leaves with its place in the client's, or with none."""
        try:
            yield
        except GrismError as error:
            if error.place is not None:
                told, error.place = error.place, None
                with suppress(GrismError):  # what is printed may be nested more deeply than the kernel parses
                    canonical = self.kernel.parse(told.text)
                    error.place = client_place(told, str(error), canonical, parsed.source, self.kernel.functions.macros)
            raise

    def _with_short_names(
        self, parsed: ParsedText, columns: RowType, tables: Mapping[str, tuple[TableHandle, RowType]]
    ) -> RowType:
        """The columns with short names. What has no name the kernel names by its text, of any length."""
        own = (c.name.lower() for _, columns in tables.values() for c in columns)
        return with_short_names(columns, lambda: syntax.given_names(parsed.tree).union(own))

    def _pin(
        self, parsed: ParsedText, snapshot: Snapshot, names: Names, *, bound: bool = True
    ) -> tuple[str, dict[str, tuple[TableHandle, RowType]], tuple[Pin, ...]]:
        """Give each table in the tree a name of its own; returns the canonical text and what the names stand for.

        Where parameters are not `bound`, searches find nothing.
        """
        statement = parsed.tree
        pins: list[Pin] = []

        def describe(node: syntax.Node) -> list[ShownColumn]:
            pin = self._pin_table(node, parsed.source, names, snapshot)
            pins.append(pin)
            return shown_columns(self.table_columns(pin.handle), constraints(self.storage, pin.handle))

        describe_tables(statement, describe, self.kernel.parse)
        tables: dict[str, tuple[TableHandle, RowType]] = {}
        relations, uniques = list(parsed.places), dict[int, str]()
        nested = syntax.inside_expressions(statement)
        inside: dict[TableHandle, str] = {}
        taken = syntax.cte_names(statement)
        free = (f"__t{i}" for i in itertools.count() if f"__t{i}" not in taken)
        references = syntax.table_references(statement)
        searches = search_calls(statement, references)
        for node in references:
            pin = self._pin_table(node, parsed.source, names, snapshot)
            pins.append(pin)
            name, handle = pin.name, pin.handle
            if id(node) in searches:
                call, own = searches[id(node)], self.table_columns(handle)
                with at_place(node, parsed.source):
                    handle = self._searches.resolve(call, handle, own, bound=bound)
            # An expression may be repeated, in GROUP BY say: its tables have one name in each copy.
            unique = inside.get(handle) if id(node) in nested else None
            if unique is None:
                unique = next(free)
                tables[unique] = (handle, self.table_columns(handle))
            if id(node) in nested:
                inside[handle] = unique
            uniques[id(node)] = unique
            if not node.get("alias"):
                relations.append(Relation.of(node, name, tables[unique][1]))
        columns = frozenset([column.name.lower() for _, columns in tables.values() for column in columns])
        shorten_names(statement, relations, columns, self._display)
        for node in references:
            unique = uniques[id(node)]
            node.update(
                table_name=unique, schema_name="", catalog_name="", at_clause=None, qualified_name={"path": [unique]}
            )
        if bound:
            self._searches.put_queries(searches, uniques, tables)
        return unparse(self.kernel, statement.root), tables, tuple(pins)

    def _pin_table(self, node: syntax.Node, source: Source, names: Names, snapshot: Snapshot) -> Pin:
        """The table that a node names. What is wrong with it is told at its place."""
        with at_place(node, source):
            version, at = syntax.asked_version(node)
            name, handle = self._find(syntax.table_path(node), names, snapshot, version, at)
        return Pin(name, version, at, handle)

    def _find(
        self,
        path: tuple[str, ...],
        names: Names,
        snapshot: Snapshot,
        version: Version | None,
        at: datetime | None,
    ) -> tuple[TableName, TableHandle]:
        """The table that `path` means, and its pinned handle."""
        for schema in names.schemas[:-1] if len(path) == 1 else ():
            name = TableName(schema, path[0])
            try:
                return name, snapshot.table(name, version, at)
            except UnknownTableError:
                continue
        name = self._table_name(path, names.schemas[-1])
        return name, snapshot.table(name, version, at)

    def _table_name(self, path: tuple[str, ...], default_schema: str) -> TableName:
        return full_name(path, default_schema, self.storage.schemas)


def _columns(tables: Mapping[str, tuple[TableHandle, RowType]]) -> dict[str, RowType]:
    return {name: columns for name, (_, columns) in tables.items()}
