"""What a search in a statement asks of the storage: its arguments as values, its conditions over the table alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlglot import exp

from engine.errors import (
    GrismError,
    InvalidValueError,
    PlanningError,
    TypeMismatchError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
)
from engine.kernel import Kernel
from engine.logical.columns import conjuncts, substitute
from engine.logical.nodes import LogicalPlan, Project, Rename, Scan, col
from engine.optimizer import optimize
from engine.schema import RowType
from engine.sql.lateral_queries import lateral_queries
from engine.sql.plan_reader import NotRead, read_plan
from engine.sql.search_values import QueryVectors, bound_query, bound_text, held_value, query_vectors, without_cast
from engine.sql.searches import VECTOR, SearchCall
from engine.sql.syntax import Node, function_name, walk
from engine.sql.unparsing import unparse
from engine.storage.protocol import Storage, TableHandle
from engine.storage.search import MAX_K, METRICS, RELEVANCE, Conditions, SearchRequest, TextRequest, VectorRequest

__all__ = ["Searches"]
_TABLE = "searched"
_LISTS = frozenset({"list_value", "array_value"})
_MOST = 1_000_000  # of an option that is a number
_DEMOTION = 0.5
_OF_ROWS = "only what a search looks for may be in rows, so ask once for each, with a parameter"
_NUMBERS = ("nprobes", "refine_factor", "ef")


class Searches:
    """Resolves the searches of statements over a storage. Thread-safe."""

    def __init__(self, kernel: Kernel, storage: Storage) -> None:
        self._kernel, self._storage = kernel, storage
        self._shell = kernel.parse(f"SELECT 1 FROM {_TABLE}")

    def resolve(self, call: SearchCall, table: TableHandle, columns: RowType, *, bound: bool) -> TableHandle:
        """The rows of `table`, which has these columns, that a call finds: none while parameters are not `bound`.

        Raises the planning errors for what does not fit.
        """
        if not bound:
            return self._outline(call, table, columns)
        options = {name: self._value(call, name, node) for name, node in call.options.items()}
        wanted = options["k"] if call.fused is None else self._value(call, "k", call.fused)
        found_by_each = "k" if call.fused is None else "candidates"
        for name, value in {**options, found_by_each: options["k"], "k": wanted}.items():
            if value is None:
                raise InvalidValueError(f'The option "{name}" of {call.function} is NULL; leave it out instead.')
        k = _whole(call.function, found_by_each, options["k"], MAX_K)
        if call.fused is not None:
            if any(column.name.lower() == RELEVANCE for column in columns):
                raise UnsupportedError(
                    f'Table "{table.name}" has a column "{RELEVANCE}" of its own; rename it to search the table.'
                )
            if _whole(call.function, "k", wanted, MAX_K) > k:
                raise InvalidValueError(
                    f"{call.function} finds {k} candidates in each search, fewer than k := {wanted}; say more of them."
                )
        make = self._vectors if call.kind == VECTOR else self._texts
        request = make(call, k, options)
        conditions = self._conditions(call, table, columns, options)
        return self._storage.search(table, request, conditions)

    def put_queries(
        self, calls: Mapping[int, SearchCall], names: Mapping[int, str], tables: dict[str, tuple[TableHandle, RowType]]
    ) -> None:
        """Tell searches whose queries are in rows where those come from.

        `names` are those of tables by the identities of their nodes, as they are in the tree by now; `tables` what they
        stand for. Raises UnsupportedError where the rows cannot be told, or would be others when they are read again.
        """
        waiting = [call for call in calls.values() if call.each]
        for _ in range(len(waiting) ** 2):
            if not waiting:
                return
            call = waiting.pop(0)
            name = names[id(call.table)]
            handle, columns = tables[name]
            assert handle.search is not None
            found = lateral_queries(self._kernel, call, {n: t for n, t in tables.items() if n != name})
            if found is None:
                waiting.append(call)  # behind those whose rows it searches for
            else:
                tables[name] = replace(handle, search=replace(handle.search, queries=found)), columns
        if waiting:
            raise UnsupportedError(
                f"The rows that {waiting[0].function} searches for are found by searches for what it finds itself; put "
                "what one of them finds into a table first."
            )

    def _vectors(self, call: SearchCall, k: int, options: dict[str, Any]) -> SearchRequest:
        query = None if call.each else self._query(call.query, call.function)
        inner, cast = without_cast(call.query)
        return VectorRequest(
            call.columns[0],
            None if query is None else query.numbers,
            k,
            _metric(call.function, options.get("metric")),
            options.get("use_index", True),
            options.get("indexed_only", False),
            tuple((name, _whole(call.function, name, options[name], _MOST)) for name in _NUMBERS if name in options),
            _place(inner),
            cast is not None and cast.is_float,
            _number_of(call),
            None if query is None else query.count,
        )

    def _texts(self, call: SearchCall, k: int, options: dict[str, Any]) -> SearchRequest:
        operator = str(options.get("operator", "or")).lower()
        if operator not in ("and", "or"):
            raise InvalidValueError(f"{call.function} has no operator '{operator}'; there are 'and' and 'or'.")
        demotion = float(options.get("demotion", _DEMOTION))
        if not 0 <= demotion <= 1:
            raise InvalidValueError(f'The option "demotion" of {call.function} is {demotion}; it is from 0 to 1.')
        return TextRequest(
            call.columns,
            None if call.each else self._text(call.query, f"the text query of {call.function}"),
            k,
            operator == "and",
            options.get("plain", False),
            options.get("demote"),
            demotion,
            options.get("indexed_only", False),
            _place(call.query),
            _number_of(call),
        )

    def _outline(self, call: SearchCall, table: TableHandle, columns: RowType) -> TableHandle:
        """What has the columns of what is found, and finds nothing. In the statement, parameters get their types."""
        if call.kind == VECTOR:
            request = VectorRequest(call.columns[0], None, 1, each=1 if call.each else None)
            found = self._storage.search(table, request, Conditions())
            (kind,) = (c.type for c in columns if c.name.lower() == call.columns[0].lower())
        else:
            outline = TextRequest(call.columns, None, 1, each=1 if call.each else None)
            found = self._storage.search(table, outline, Conditions())
            kind = "VARCHAR"
        typed = [] if call.each else [(call.query, kind)]
        typed += [(node, call.types[name]) for name, node in call.options.items() if name != "k" or call.each]
        conditions = [call.inner["where_clause"]] if call.each else []
        for node, type_name in typed:
            if any(inner.get("class") == "PARAMETER" for inner, _ in walk({"item": node})):
                tested = self._kernel.parse(f"SELECT CAST(0 AS {type_name}) IS NOT NULL")["node"]["select_list"][0]
                tested["children"][0]["child"] = node
                conditions.append(tested)
        if conditions:
            both = self._kernel.parse("SELECT true AND true")["node"]["select_list"][0]
            call.inner["where_clause"] = {**both, "children": conditions} if len(conditions) > 1 else conditions[0]
        return found

    # ---- values

    def _value(self, call: SearchCall, name: str, node: Node) -> Any:
        """The value of an option."""
        wanted = call.types[name]
        return self._constant(node, wanted, f'the option "{name}" of {call.function}')

    def _text(self, node: Node, what: str) -> str | None:
        """The value of a text; None for NULL."""
        given = held_value(node)
        if given is not None:
            return bound_text(given.value)
        found = self._constant(node, "VARCHAR", what)
        return None if found is None else str(found)

    def _constant(self, node: Node, wanted: str, what: str) -> Any:
        literal = node.get("literal") or {}
        kind, text = literal.get("kind"), str(literal.get("text", ""))
        if node.get("class") == "CONSTANT":
            if kind == "INTEGER" and wanted == "BIGINT":
                return int(text)
            if kind == "STRING" and wanted == "VARCHAR":
                return text
            if kind == "BOOLEAN" and wanted == "BOOLEAN":
                return text == "true"
        if wanted == "VARCHAR" and kind not in (None, "STRING", "NULL_LITERAL"):
            raise TypeMismatchError(f"{what[0].upper()}{what[1:]} is a text, {text} was given.")
        return self._compute(node, wanted, what)

    def _query(self, node: Node, function: str) -> QueryVectors | None:
        """What is searched for; None for NULL."""
        inner, cast = without_cast(node)
        given = held_value(inner)
        if given is not None:
            return bound_query(given.value, cast)
        written = _list_literal(inner)
        if written is not None:
            return query_vectors(written, cast)
        what = f"the query of {function}"
        try:
            found = self._compute(node, "DOUBLE[]", what)
        except TypeMismatchError as error:
            with suppress(TypeMismatchError):
                return query_vectors(self._compute(node, "DOUBLE[][]", what) or [])
            raise error
        return None if found is None else query_vectors(found)

    def _compute(self, node: Node, kind: str, what: str) -> Any:
        """The value of an expression without columns, as the kernel computes it."""
        if any(inner.get("class") in ("SUBQUERY", "STAR") for inner, _ in walk({"item": node})):
            raise UnsupportedError(f"There is a query in {what}, which takes a constant or a parameter; {_OF_ROWS}.")
        alone = {**self._shell, "node": {**copy.deepcopy(self._shell["node"]), "select_list": [node]}}
        alone["node"]["from_table"] = {**alone["node"]["from_table"], "type": "EMPTY"}
        text = unparse(self._kernel, alone).removeprefix("SELECT ")
        try:
            return self._kernel.binder.value(f"SELECT CAST(({text}) AS {kind})")
        except (UnknownColumnError, UnknownTableError):
            message = f"There is a column in {what}, which takes a constant or a parameter; {_OF_ROWS}."
            raise UnsupportedError(message) from None
        except GrismError as error:
            raise type(error)(f"{what[0].upper()}{what[1:]} is not of type {kind}: {error.args[0]}") from None

    # ---- conditions

    def _conditions(
        self, call: SearchCall, table: TableHandle, columns: RowType, options: dict[str, Any]
    ) -> Conditions:
        required: tuple[exp.Expr, ...] = ()
        if call.condition is not None:
            found = self._over_table(call.condition, None, table, columns)
            if found is None:
                raise UnsupportedError(
                    f"The option filter of {call.function} is no condition on the columns of {table.name} that Lance "
                    "applies as SQL does; a WHERE above the search filters what is found."
                )
            required = found
        above = (call.outer or {}).get("where_clause")
        if above is None or call.outer is None:
            return Conditions(required)
        if not options.get("prefilter", True):
            return Conditions(required, others=True)
        relation = call.outer["from_table"]
        parts = [above] if above.get("type") != "CONJUNCTION_AND" else above["children"]
        wished: list[exp.Expr] = []
        others = False
        for part in parts:
            found = self._over_table(part, relation, table, columns)
            wished.extend(found or ())
            others = others or found is None
        return Conditions(required, tuple(wished), others)

    def _over_table(
        self, condition: Node, relation: Node | None, table: TableHandle, columns: RowType
    ) -> tuple[exp.Expr, ...] | None:
        """A condition as the kernel understands it over the table alone; None where it needs more than that.

        In the condition the table is called, and has the columns, as the `relation` says.
        """
        nodes = [inner for inner, _ in walk({"item": condition})]
        if any(inner.get("class") in ("SUBQUERY", "WINDOW", "PARAMETER") for inner in nodes):
            return None
        select = copy.deepcopy(self._shell["node"])
        select["where_clause"] = condition
        if relation is not None:
            select["from_table"].update(
                alias=relation.get("alias"), column_name_alias=list(relation.get("column_name_alias") or ())
            )
        text = unparse(self._kernel, {**self._shell, "node": select})
        with suppress(PlanningError, NotRead):
            bound = self._kernel.binder.bind(text, {_TABLE: columns})
            if bound.plan is not None:
                named = {name: (reference, table, columns) for name, reference in bound.tables.items()}
                return _scan_conditions(optimize(read_plan(bound.plan, named)))
        return None


def _scan_conditions(plan: LogicalPlan) -> tuple[exp.Expr, ...] | None:
    """The conditions of the scan that is all of a plan, over the table's own columns."""
    while isinstance(plan, Project | Rename):
        plan = plan.input
    if not isinstance(plan, Scan) or plan.limit is not None:
        return None
    if plan.filter is None:
        return ()
    own: dict[str, exp.Expr] = {a: col(c.name) for a, c in zip(plan.aliases, plan.columns, strict=True)}
    return tuple(conjuncts(substitute(plan.filter, own)))


def _number_of(call: SearchCall) -> int | None:
    """What tells a call whose queries are in rows from another."""
    if not call.each:
        return None
    return int(call.inner.get("query_location") or call.table.get("query_location") or 0)


def _place(node: Node) -> int | None:
    """The place of the parameter whose value a node holds."""
    given = held_value(node)
    return None if given is None else given.place


def _list_literal(node: Node) -> list[Any] | None:
    """A list of numbers, or of such lists, that is written as one."""
    if function_name(node) not in _LISTS:
        return None
    items = [argument["expression"] for argument in node.get("arguments") or ()]
    found = [_number(item) if (inner := _list_literal(item)) is None else inner for item in items]
    is_even = len({isinstance(item, list) for item in found}) <= 1
    is_deep = any(isinstance(number, list) for item in found if isinstance(item, list) for number in item)
    return None if None in found or is_deep or not is_even else found


def _number(node: Node) -> float | None:
    literal = node.get("literal") or {}
    if node.get("class") == "CONSTANT" and literal.get("kind") in ("INTEGER", "NUMERIC"):
        return float(literal["text"])
    return None


def _whole(function: str, name: str, value: Any, most: int) -> int:
    if not 1 <= int(value) <= most:
        raise InvalidValueError(f'The option "{name}" of {function} is {value}; it is from 1 to {most}.')
    return int(value)


def _metric(function: str, value: str | None) -> str | None:
    if value is not None and value.lower() not in METRICS:
        raise InvalidValueError(f"{function} has no metric '{value}'; there are {', '.join(METRICS)}.")
    return None if value is None else value.lower()
