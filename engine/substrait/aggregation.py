"""Aggregations of plans, with one set of grouping expressions or several."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import InvalidPlanError, UnsupportedError
from engine.substrait.aggregates import Frame, aggregate_call
from engine.substrait.expressions import Expressions
from engine.substrait.proto import algebra_pb2
from engine.substrait.sources import Sources
from engine.substrait.typed_expressions import Relation, Scopes, TypedExpression
from engine.substrait.types import INTEGER
from engine.substrait.windows import require_whole

__all__ = ["Aggregation"]

AggregateRel = algebra_pb2.AggregateRel

_MAX_SETS = 4096
_MAX_KEYS = 60  # of several sets: a number has a bit for each


class Aggregation:
    """Reads aggregations. Raises as `Expressions`."""

    def __init__(self, expressions: Expressions, sources: Sources) -> None:
        self._expressions = expressions
        self._sources = sources

    def read(self, given: AggregateRel, rows: Relation, outer: Scopes) -> Relation:
        """The grouping expressions, the measures and, of several sets, the number of the set that a row is of."""
        keys, sets = self._groupings(given, (rows.columns, *outer))
        # Keys become columns first: a constant in GROUP BY would be the number of one.
        inner = self._sources.materialize([*rows.columns, *keys], rows)
        scopes = (inner.columns[: len(rows.columns)], *outer)
        named = inner.columns[len(rows.columns) :]
        measures = [self._measure(measure, scopes) for measure in given.measures]
        columns, by = [*named, *measures], ""
        if len(sets) > 1:
            listed = ", ".join(f"({', '.join(named[place].sql for place in each)})" for each in sets)
            by = f" GROUP BY GROUPING SETS ({listed})"
            columns.append(_set_number(named, sets))
        elif named:
            by = f" GROUP BY {', '.join(key.sql for key in named)}"
        if not columns:  # one row, or none: DISTINCT of no columns
            raise UnsupportedError(
                "A Substrait aggregate without grouping expressions and measures is not handled here."
            )
        return self._sources.select(columns, inner.source, by)

    def _groupings(self, given: AggregateRel, scopes: Scopes) -> tuple[list[TypedExpression], list[list[int]]]:
        """The grouping expressions, and the places of those that each set has.

        Older producers write them into the sets, and equal ones are one; some write them there and beside the sets.
        """
        keys = self._expressions.read_all(given.grouping_expressions, scopes)
        sets: list[list[int]] = []
        places: dict[bytes, int] = {}
        for grouping in given.groupings:
            own = []
            for expression in () if given.grouping_expressions else grouping.grouping_expressions:
                known = places.setdefault(expression.SerializeToString(deterministic=True), len(keys))
                if known == len(keys):
                    keys.append(self._expressions.read(expression, scopes))
                own.append(known)
            own += grouping.expression_references
            if any(place >= len(keys) for place in own):
                raise InvalidPlanError(
                    "A grouping in the plan refers to an expression that the aggregate does not have."
                )
            sets.append(own)
        if len(sets) == 1 and set(sets[0]) != set(range(len(keys))):
            raise InvalidPlanError("An aggregate in the plan has grouping expressions that no grouping refers to.")
        if not sets and keys:
            raise InvalidPlanError("An aggregate in the plan has grouping expressions, and no grouping.")
        if len(sets) > _MAX_SETS or (len(sets) > 1 and len(keys) > _MAX_KEYS):
            raise UnsupportedError(f"At most {_MAX_SETS} groupings of {_MAX_KEYS} expressions are handled here.")
        return keys, sets

    def _measure(self, given: AggregateRel.Measure, scopes: Scopes) -> TypedExpression:
        function = given.measure
        call = self._expressions.call(function, scopes)
        require_whole(call.name, function.phase)
        condition = self._expressions.read(given.filter, scopes) if given.HasField("filter") else None
        distinct = function.invocation == algebra_pb2.AggregateFunction.AGGREGATION_INVOCATION_DISTINCT
        return aggregate_call(call, Frame(distinct, self._expressions.order(function.sorts, scopes), condition))


def _set_number(keys: Sequence[TypedExpression], sets: Sequence[Sequence[int]]) -> TypedExpression:
    """The place of the set that a row is of, told by the keys that it is not grouped by."""
    bits = [sum(1 << (len(keys) - 1 - place) for place in range(len(keys)) if place not in each) for each in sets]
    if len(set(bits)) < len(bits):
        raise UnsupportedError("A Substrait aggregate with two equal groupings is not handled here.")
    whens = " ".join(f"WHEN {value} THEN {place}" for place, value in enumerate(bits))
    grouping = f"grouping({', '.join(key.sql for key in keys)})"
    return TypedExpression(f"CAST(CASE {grouping} {whens} END AS INTEGER)", INTEGER)
