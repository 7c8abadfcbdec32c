"""What an OR says of a part of its columns.

::

    (k = j AND a = 'x' AND b = 'y') OR (k = j AND a = 'z')    is    k = j AND ((a = 'x' AND b = 'y') OR a = 'z')
    (a = 'x' AND b = 'y') OR (a = 'z' AND b = 'w')            needs a = 'x' OR a = 'z', and b = 'y' OR b = 'w'
"""

from __future__ import annotations

from sqlglot import exp

from engine.logical.columns import columns_of, conjunction, conjuncts, disjuncts, is_volatile

__all__ = ["factor_out", "implied_condition"]


def factor_out(predicate: exp.Expr) -> list[exp.Expr]:
    """Predicates that together mean `predicate`: what stands in every branch of an OR, and the rest of it."""
    branches = _branches(predicate)
    if len(branches) < 2 or is_volatile(predicate):
        return [predicate]
    common = [part for part in branches[0] if all(part in branch for branch in branches[1:])]
    if not common:
        return [predicate]
    rests = [[part for part in branch if part not in common] for branch in branches]
    return [*common, _disjunction(rests)] if all(rests) else common


def implied_condition(predicate: exp.Expr, names: set[str]) -> exp.Expr | None:
    """What must hold of the columns `names` where the OR `predicate` does; None where it leaves them open.

    It is made of comparisons with text only: these need no cast of the column, which might fail on a row that the whole
    predicate does not ask.
    """
    branches = _branches(predicate)
    if len(branches) < 2:
        return None
    kept = [[part for part in branch if _compares_with_text(part) and columns_of(part) <= names] for branch in branches]
    return _disjunction(kept) if all(kept) else None


def _branches(predicate: exp.Expr) -> list[list[exp.Expr]]:
    """The branches of an OR, each as its conjuncts."""
    return [conjuncts(branch) for branch in disjuncts(predicate)]


def _disjunction(branches: list[list[exp.Expr]]) -> exp.Expr:
    result: exp.Expr = exp.Paren(this=conjunction(branches[0]))
    for branch in branches[1:]:
        result = exp.Or(this=result, expression=exp.Paren(this=conjunction(branch)))
    return result


def _compares_with_text(part: exp.Expr) -> bool:
    match part:
        case exp.EQ():
            sides = (part.left, part.right)
            return any(isinstance(side, exp.Column) for side in sides) and any(map(_is_text, sides))
        case exp.In():
            values = part.expressions
            return isinstance(part.this, exp.Column) and bool(values) and all(map(_is_text, values))
    return False


def _is_text(value: exp.Expr) -> bool:
    return isinstance(value, exp.Literal) and bool(value.is_string)
