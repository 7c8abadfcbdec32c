"""The keys of a join and of a set operation, cast to one common type before they are hashed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from engine.cancellation import require_answer
from engine.errors import GrismError
from engine.logical.columns import columns_of, conjuncts, is_volatile
from engine.logical.nodes import col
from engine.operators import JoinExec, SetOpExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.column_types import ColumnTypes

__all__ = ["COMPARISONS", "JoinKeys", "equalities"]

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_NUMBERS = _FLOATS | {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
COMPARISONS = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


class JoinKeys:
    """Finds keys by which both sides may be hashed."""

    def __init__(self, types: ColumnTypes) -> None:
        self._columns = types

    def pairs(self, join: JoinExec, *, null_safe: bool = False) -> list[tuple[exp.Expr, exp.Expr]]:
        """For each equality of the condition, the left and the right key; empty where there is none to hash by.

        With `null_safe`, only those that hold for NULLs, too.
        """
        found = [each for each in equalities(join) if not null_safe or isinstance(each[0], exp.NullSafeEQ)]
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

    def alike(self, join: JoinExec, conditions: Sequence[exp.Expr]) -> bool:
        """Whether `conditions` only compare values of one type, or numbers: others are cast first, which may fail."""
        compared = [c for c in conditions if not isinstance(c, exp.Boolean)]
        if not all(isinstance(c, COMPARISONS) for c in compared):
            return False
        if self.may_fail(join):
            return False
        both = JoinExec(join.left, join.right, "cross")
        left, right = (self._types(both, [c.args[side] for c in compared]) for side in ("this", "expression"))
        return all(x and (x == y or {x, y} <= _NUMBERS) for x, y in zip(left, right, strict=True))

    def may_fail(self, join: JoinExec) -> bool:
        """Whether some value may be none of the type as which the condition compares it, as a text that is no number.

        Then it matters which rows meet the condition.
        """
        casts = [] if join.condition is None else list(join.condition.find_all(exp.Cast))
        values = [cast.this for cast in casts if type(cast) is exp.Cast and columns_of(cast)]
        types = self._types(JoinExec(join.left, join.right, "cross"), values) if values else []
        return not all(_SURE.fullmatch(kind) for kind in types)

    def of_one_type(self, join: JoinExec, keys: tuple[exp.Expr, exp.Expr], wanted: Callable[[str], bool]) -> bool:
        """Whether the left and the right key are of one type, which is `wanted`."""
        (left,), (right,) = self._types(join.left, [keys[0]]), self._types(join.right, [keys[1]])
        return left == right and bool(left) and wanted(left)

    def set_operation(self, union: SetOpExec) -> tuple[tuple[exp.Expr, ...], tuple[exp.Expr, ...]] | None:
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
        return self._columns.expressions(side, exprs)

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
            return self._columns.kernel.describe(either)[0].type
        except GrismError as error:
            require_answer(error)
            return None


def equalities(join: JoinExec) -> list[tuple[exp.Expr, exp.Expr, exp.Expr]]:
    """The parts of the condition that equate something of the left side with something of the right side, with both.

    Of a mark join only those that are never NULL: a right row with another key, or none, decides nothing of a mark.
    """
    wanted = (exp.NullSafeEQ,) if join.kind == "mark" else (exp.EQ, exp.NullSafeEQ)
    if join.condition is None:
        return []
    left_names, right_names = set(join.left.schema), set(join.right.schema)
    found: list[tuple[exp.Expr, exp.Expr, exp.Expr]] = []
    for part in conjuncts(join.condition):
        if not isinstance(part, wanted) or is_volatile(part):
            continue
        one, other = columns_of(part.left), columns_of(part.right)
        if one and other and one <= left_names and other <= right_names:
            found.append((part, part.left, part.right))
        elif one and other and one <= right_names and other <= left_names:
            found.append((part, part.right, part.left))
    return found


_SURE = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*|DATE|TIME.*|BOOLEAN)")


def _try_cast(node: exp.Expr) -> exp.Expr:
    """A value that cannot be cast has no equal; whether it is an error is for the join to say."""
    return exp.TryCast(**node.args) if type(node) is exp.Cast else node


def _hashable(key: exp.Expr, kind: str, common: str) -> exp.Expr:
    hashed = key.copy().transform(_try_cast, copy=False)
    if kind != common:
        hashed = exp.TryCast(this=hashed, to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=common))
    if common in _FLOATS:
        # Both zeros are equal and must be in one partition.
        hashed = exp.Add(this=exp.Paren(this=hashed), expression=exp.Literal.number(0))
    return hashed
