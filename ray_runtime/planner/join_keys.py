"""The keys of a join and of a set operation, cast to one common type before they are hashed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.errors import GrismError
from engine.kernel import Kernel
from engine.logical.columns import conjuncts, has_subplan, is_volatile, mentioned
from engine.logical.nodes import NamedExpr, col
from engine.operators import HashJoinExec, UnionExec
from engine.physical import PhysicalOperator
from engine.schema_inference import build_project_schema, operator_columns

__all__ = ["COMPARISONS", "JoinKeys", "equalities"]

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_NUMBERS = _FLOATS | {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
COMPARISONS = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


class JoinKeys:
    """Finds keys by which both sides may be hashed; asks the kernel for types."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def pairs(self, join: HashJoinExec) -> list[tuple[exp.Expr, exp.Expr]]:
        """For each equality of the condition, the left and the right key; empty where there is none to hash by."""
        found = equalities(join)
        if not found:
            return []
        left = self._types(join.left, [key for _, key, _ in found])
        right = self._types(join.right, [key for _, _, key in found])
        pairs = []
        for (_, a, b), x, y in zip(found, left, right, strict=True):
            common = self._common(x, y)
            if common is not None:
                pairs.append((_hashable(a, x, common), _hashable(b, y, common)))
        return pairs

    def alike(self, join: HashJoinExec, conditions: Sequence[exp.Expr]) -> bool:
        """Whether `conditions` only compare values of one type, or numbers: others are cast first, which may fail."""
        compared = [c for c in conditions if not isinstance(c, exp.Boolean)]
        if not all(isinstance(c, COMPARISONS) for c in compared):
            return False
        both = HashJoinExec(join.left, join.right, "cross")
        left, right = (self._types(both, [c.args[side] for c in compared]) for side in ("this", "expression"))
        return all(x and (x == y or {x, y} <= _NUMBERS) for x, y in zip(left, right, strict=True))

    def set_operation(self, union: UnionExec) -> tuple[tuple[exp.Expr, ...], tuple[exp.Expr, ...]] | None:
        """All columns of either side as keys of one type; None where they have none in common."""
        left: list[exp.Expr] = [col(name) for name in union.left.schema]
        right: list[exp.Expr] = [col(name) for name in union.right.schema]
        left_types = self._types(union.left, left)
        right_types = self._types(union.right, right)
        keys = []
        for a, b, x, y in zip(left, right, left_types, right_types, strict=True):
            common = self._common(x, y)
            if common is None:
                return None
            keys.append((_hashable(a, x, common), _hashable(b, y, common)))
        return tuple(k[0] for k in keys), tuple(k[1] for k in keys)

    def _types(self, side: PhysicalOperator, exprs: list[exp.Expr]) -> list[str]:
        try:
            columns = operator_columns(side, self._kernel)
            named = [NamedExpr(f"k{i}", e) for i, e in enumerate(exprs)]
            return [c.type for c in build_project_schema(named, columns, self._kernel)]
        except GrismError:
            return [""] * len(exprs)

    def _common(self, left: str, right: str) -> str | None:
        """The type as which values of both compare; None where hashing both as one type could miss an equality.

        The kernel compares as the type that it would give to either value, except for two decimals of which one has
        all 38 digits: these compare with more of the fraction, and equal ones are equal after rounding, too.
        """
        if not left or not right:
            return None
        if left == right:
            return left
        if "JSON" in (left, right):  # compares as the other type
            return None
        try:
            either = f"SELECT CASE WHEN true THEN NULL::{left} ELSE NULL::{right} END AS either"
            return self._kernel.describe(either)[0].type
        except GrismError:
            return None


def equalities(join: HashJoinExec) -> list[tuple[exp.Expr, exp.Expr, exp.Expr]]:
    """The parts of the condition that equate something of the left side with something of the right side, with both."""
    if join.condition is None or has_subplan(join.condition):
        return []
    left_names, right_names = set(join.left.schema), set(join.right.schema)
    found: list[tuple[exp.Expr, exp.Expr, exp.Expr]] = []
    for part in conjuncts(join.condition):
        if not isinstance(part, exp.EQ | exp.NullSafeEQ) or is_volatile(part):
            continue
        one, other = mentioned(part.left), mentioned(part.right)
        if one and other and one <= left_names and other <= right_names:
            found.append((part, part.left, part.right))
        elif one and other and one <= right_names and other <= left_names:
            found.append((part, part.right, part.left))
    return found


def _hashable(key: exp.Expr, kind: str, common: str) -> exp.Expr:
    hashed = key.copy()
    if kind != common:
        # A value that does not fit has no equal; whether it is an error is for the join to say.
        hashed = exp.TryCast(this=hashed, to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=common))
    if common in _FLOATS:
        # Both zeros are equal and must be in one partition.
        hashed = exp.Add(this=exp.Paren(this=hashed), expression=exp.Literal.number(0))
    return hashed
