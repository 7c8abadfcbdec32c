"""Joins of plans."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidPlanError
from engine.substrait.expressions import Expressions
from engine.substrait.proto import algebra_pb2
from engine.substrait.refusals import unsupported
from engine.substrait.sources import Sources
from engine.substrait.typed_expressions import Relation, Scopes, TypedExpression
from engine.substrait.types import BOOLEAN

__all__ = ["Joins"]

_Keys = algebra_pb2.ComparisonJoinKey
_TWO_SIDED = {"INNER": "INNER JOIN", "OUTER": "FULL JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN"}
_COMPARISONS = {
    _Keys.SIMPLE_COMPARISON_TYPE_UNSPECIFIED: "=",
    _Keys.SIMPLE_COMPARISON_TYPE_EQ: "=",
    _Keys.SIMPLE_COMPARISON_TYPE_IS_NOT_DISTINCT_FROM: "IS NOT DISTINCT FROM",
}


class Joins:
    """Reads joins, logical and physical. Raises as `Expressions`."""

    def __init__(self, expressions: Expressions, sources: Sources) -> None:
        self._expressions = expressions
        self._sources = sources

    def cross(self, left: Relation, right: Relation) -> Relation:
        """Every row of one with every row of the other."""
        return self._sources.select([*left.columns, *right.columns], f"{left.source} CROSS JOIN {right.source}")

    def read(self, given: Any, left: Relation, right: Relation, outer: Scopes) -> Relation:
        """A join by what type it has; the columns of both sides, or of the one that a semi, anti or mark join keeps."""
        both = (*left.columns, *right.columns)
        condition = self._condition(given, left, right, (both, *outer))
        kind = _kind(given)
        if kind in _TWO_SIDED:
            source = f"{left.source} {_TWO_SIDED[kind]} {right.source} ON {condition}"
            found = self._sources.select(both, source, self._after(given, (both, *outer)))
        else:
            side, _, word = kind.partition("_")
            kept, other = (left, right) if side == "LEFT" else (right, left)
            found = self._one_sided(word, kept, other, condition)
            if word in ("SEMI", "ANTI") and given.HasField("post_join_filter"):
                raise unsupported("join", f"{kind} with a filter after it")
        return found

    def _one_sided(self, word: str, kept: Relation, other: Relation, condition: str) -> Relation:
        exists = f"EXISTS (SELECT 1 FROM {other.source} WHERE {condition})"
        match word:
            case "SEMI" | "ANTI":
                return self._sources.select(kept.columns, f"{kept.source} {word} JOIN {other.source} ON {condition}")
            case "MARK":
                return self._sources.select([*kept.columns, TypedExpression(exists, BOOLEAN)], kept.source)
        raise unsupported("join", word)

    def _condition(self, given: Any, left: Relation, right: Relation, scopes: Scopes) -> str:
        """What rows have to fulfil to meet: an expression, or pairs of keys."""
        conditions = []
        if hasattr(given, "keys"):
            pairs = [(key.left, key.right, _comparison(key.comparison)) for key in given.keys]
            pairs += [(a, b, "=") for a, b in zip(given.left_keys, given.right_keys, strict=False)]
            if len(given.left_keys) != len(given.right_keys):
                raise InvalidPlanError("A join in the plan has more keys on one side than on the other.")
            for a, b, comparison in pairs:
                first = self._key(a, (left.columns, *scopes[1:]))
                second = self._key(b, (right.columns, *scopes[1:]))
                conditions.append(f"({first} {comparison} {second})")
        elif given.HasField("expression"):
            conditions.append(self._expressions.read(given.expression, scopes).sql)
        return " AND ".join(conditions) or "TRUE"

    def _key(self, given: algebra_pb2.Expression.FieldReference, scopes: Scopes) -> str:
        return self._expressions.read(algebra_pb2.Expression(selection=given), scopes).sql

    def _after(self, given: Any, scopes: Scopes) -> str:
        """The filter of what the join gives."""
        if not hasattr(given, "post_join_filter") or not given.HasField("post_join_filter"):
            return ""
        return f" WHERE {self._expressions.read(given.post_join_filter, scopes).sql}"


def _kind(given: Any) -> str:
    kinds = type(given).JoinType
    if given.type not in kinds.values():
        raise unsupported("join", str(given.type))
    name: str = kinds.Name(given.type).removeprefix("JOIN_TYPE_")
    if name not in _TWO_SIDED and name.partition("_")[2] not in ("SEMI", "ANTI", "MARK"):
        raise unsupported("join", name)
    return name


def _comparison(given: algebra_pb2.ComparisonJoinKey.ComparisonType) -> str:
    if given.WhichOneof("inner_type") == "custom_function_reference" or given.simple not in _COMPARISONS:
        raise unsupported("comparison of join keys", str(given.simple))
    return _COMPARISONS[given.simple]
