"""Relations of plans, each as what stands in the FROM of the next.

What only chooses among columns takes no SELECT of its own, and an order is kept until somebody reads it: a limit, or
whoever asked for the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.errors import InvalidPlanError
from engine.substrait.aggregation import Aggregation
from engine.substrait.declarations import Declarations
from engine.substrait.expressions import Expressions
from engine.substrait.joins import Joins
from engine.substrait.proto import algebra_pb2
from engine.substrait.refusals import require_no_enhancement, unsupported
from engine.substrait.scans import Scans
from engine.substrait.sources import Sources
from engine.substrait.typed_expressions import Relation, Scopes, TypedExpression, cast
from engine.substrait.types import Types
from engine.substrait.windows import window_call

__all__ = ["Relations"]

Rel = algebra_pb2.Rel

_SET_OPERATIONS = {
    algebra_pb2.SetRel.SET_OP_MINUS_PRIMARY: "EXCEPT",
    algebra_pb2.SetRel.SET_OP_MINUS_PRIMARY_ALL: "EXCEPT ALL",
    algebra_pb2.SetRel.SET_OP_INTERSECTION_MULTISET: "INTERSECT",
    algebra_pb2.SetRel.SET_OP_INTERSECTION_MULTISET_ALL: "INTERSECT ALL",
    algebra_pb2.SetRel.SET_OP_UNION_DISTINCT: "UNION",
    algebra_pb2.SetRel.SET_OP_UNION_ALL: "UNION ALL",
}
_OF_TWO = {
    algebra_pb2.SetRel.SET_OP_INTERSECTION_PRIMARY: "INTERSECT",
}
"""What means the same as its plain form where there are two inputs, and no more."""


class Relations:
    """Reads relations. Raises UnsupportedError, with the name, for what is not known, InvalidPlanError, ForbiddenError
    for files, and the errors of expressions.
    """

    def __init__(self, declarations: Declarations) -> None:
        types = Types(declarations)
        self._sources = Sources()
        self._expressions = Expressions(declarations, types, self.read)
        self._scans = Scans(types, self._expressions, self._sources)
        self._joins = Joins(self._expressions, self._sources)
        self._aggregation = Aggregation(self._expressions, self._sources)
        self._readers: dict[str, Callable[[Any, Scopes], Relation]] = {
            "read": self._scans.read,
            "filter": self._filter,
            "project": self._project,
            "fetch": self._fetch,
            "top_n": self._top_n,
            "sort": self._sort,
            "aggregate": lambda given, outer: self._aggregation.read(given, self.read(given.input, outer), outer),
            "cross": self._cross,
            "set": self._set,
            "window": self._window,
            "exchange": lambda given, outer: self.read(given.input, outer),
            **dict.fromkeys(("join", "hash_join", "merge_join", "nested_loop_join"), self._join),
        }

    def read(self, given: Rel, outer: Scopes) -> Relation:
        """A relation within queries whose columns are `outer`."""
        kind = given.WhichOneof("rel_type")
        if kind is None:
            raise InvalidPlanError("A relation in the plan is empty.")
        inner = getattr(given, kind)
        if kind not in self._readers:
            raise unsupported("relation", _kind_name(kind, inner))
        common = inner.common
        require_no_enhancement(common.advanced_extension, kind)
        if hasattr(inner, "advanced_extension"):
            require_no_enhancement(inner.advanced_extension, kind)
        found = self._readers[kind](inner, outer)
        if common.WhichOneof("emit_kind") == "emit":
            found = found.emit(common.emit.output_mapping)
        self._expressions.anchor(common.rel_anchor, found.columns)
        return found

    # ---- one function for each kind

    def _filter(self, given: algebra_pb2.FilterRel, outer: Scopes) -> Relation:
        rows = self.read(given.input, outer)
        condition = self._expressions.read(given.condition, (rows.columns, *outer))
        return self._sources.select(rows.columns, rows.source, f" WHERE {condition.sql}", rows.order)

    def _project(self, given: algebra_pb2.ProjectRel, outer: Scopes) -> Relation:
        """The input's columns and further ones; what of them is emitted is told by the relation."""
        rows = self.read(given.input, outer)
        made = self._expressions.read_all(given.expressions, (rows.columns, *outer))
        columns = [*rows.columns, *made]
        if given.common.WhichOneof("emit_kind") != "emit" or all(column.is_column for column in made):
            return self._sources.materialize(columns, rows)
        # Only what is emitted is computed, in its place.
        places = sorted(set(given.common.emit.output_mapping))
        wanted = [Relation("", tuple(columns)).column(place) for place in places]
        chosen = self._sources.materialize(wanted, rows)
        by_place = dict(zip(places, chosen.columns, strict=True))
        nowhere = TypedExpression("NULL", None)
        return Relation(
            chosen.source, tuple(by_place.get(place, nowhere) for place in range(len(columns))), chosen.order
        )

    def _sort(self, given: algebra_pb2.SortRel, outer: Scopes) -> Relation:
        rows = self.read(given.input, outer)
        return self._sort_rows(rows, given.sorts, outer)

    def _sort_rows(self, rows: Relation, sorts: Sequence[algebra_pb2.SortField], outer: Scopes) -> Relation:
        """The rows in another order, and as they were where that does not tell."""
        order = self._expressions.order(sorts, (rows.columns, *outer))
        return Relation(rows.source, rows.columns, (*order, *rows.order))

    def _fetch(self, given: algebra_pb2.FetchRel, outer: Scopes) -> Relation:
        rows = self.read(given.input, outer)
        offset: int | TypedExpression = given.offset
        limit: int | TypedExpression | None = given.count if given.WhichOneof("count_mode") == "count" else None
        if given.WhichOneof("offset_mode") == "offset_expr":
            offset = self._expressions.read(given.offset_expr, ((), *outer))
        if given.WhichOneof("count_mode") == "count_expr":
            limit = self._expressions.read(given.count_expr, ((), *outer))
        return self._limit_rows(rows, offset, limit)

    def _top_n(self, given: algebra_pb2.TopNRel, outer: Scopes) -> Relation:
        if given.mode == algebra_pb2.FETCH_MODE_WITH_TIES:
            raise unsupported("fetch mode", "FETCH_MODE_WITH_TIES")
        rows = self._sort_rows(self.read(given.input, outer), given.sorts, outer)
        offset = self._expressions.read(given.offset, ((), *outer)) if given.HasField("offset") else 0
        limit = self._expressions.read(given.count, ((), *outer)) if given.HasField("count") else None
        return self._limit_rows(rows, offset, limit)

    def _limit_rows(
        self, rows: Relation, offset: int | TypedExpression, limit: int | TypedExpression | None
    ) -> Relation:
        bounds = ""
        for word, bound in (("LIMIT", limit), ("OFFSET", offset)):
            if isinstance(bound, TypedExpression) and not bound.is_constant:
                bounds += f" {word} {bound.sql}"  # a parameter
                continue
            value = bound.value if isinstance(bound, TypedExpression) else bound
            if value is None or value == (-1 if word == "LIMIT" else 0):
                continue
            if not isinstance(value, int) or value < 0:
                raise InvalidPlanError(f"The plan fetches with a {word} of {value}.")
            bounds += f" {word} {value}"
        return self._sources.select(rows.columns, rows.source, f"{rows.ordered_by}{bounds}", rows.order)

    def _cross(self, given: algebra_pb2.CrossRel, outer: Scopes) -> Relation:
        return self._joins.cross(self.read(given.left, outer), self.read(given.right, outer))

    def _join(self, given: algebra_pb2.JoinRel, outer: Scopes) -> Relation:
        return self._joins.read(given, self.read(given.left, outer), self.read(given.right, outer), outer)

    def _set(self, given: algebra_pb2.SetRel, outer: Scopes) -> Relation:
        inputs = [self.read(each, outer) for each in given.inputs]
        word = _SET_OPERATIONS.get(given.op) or (_OF_TWO.get(given.op) if len(inputs) == 2 else None)
        if word is None:
            raise unsupported("set operation", algebra_pb2.SetRel.SetOp.Name(given.op) if given.op < 9 else "?")
        if not inputs:
            raise InvalidPlanError("A set operation in the plan has no inputs.")
        first = inputs[0]
        if any(len(each.columns) != len(first.columns) for each in inputs):
            raise InvalidPlanError("The inputs of a set operation in the plan have different numbers of columns.")
        if len(inputs) == 1:
            return first
        kinds = [
            next((c.type for c in columns if c.type is not None), None)
            for columns in zip(*(each.columns for each in inputs), strict=True)
        ]
        alias = self._sources.alias()
        parts = []
        for each in inputs:
            columns = [c if kind is None else cast(c, kind) for c, kind in zip(each.columns, kinds, strict=True)]
            items = ", ".join(f"{column.sql} AS c{place}" for place, column in enumerate(columns)) or "TRUE AS c0"
            parts.append(f"(SELECT {items} FROM {each.source})")
        columns = [TypedExpression(f"{alias}.c{place}", kind, is_column=True) for place, kind in enumerate(kinds)]
        return Relation(f"({f' {word} '.join(parts)}) AS {alias}", tuple(columns))

    def _window(self, given: algebra_pb2.ConsistentPartitionWindowRel, outer: Scopes) -> Relation:
        rows = self.read(given.input, outer)
        scopes = (rows.columns, *outer)
        partitions = self._expressions.read_all(given.partition_expressions, scopes)
        order = self._expressions.order(given.sorts, scopes)
        made = [
            window_call(self._expressions.call(function, scopes), function, partitions, order)
            for function in given.window_functions
        ]
        return self._sources.materialize([*rows.columns, *made], rows)


def _kind_name(kind: str, inner: Any) -> str:
    """The name of a kind of relation, with that of an extension's message."""
    if kind.startswith("extension_"):
        return f"{kind} {inner.detail.type_url.rpartition('/')[2]}"
    return kind
