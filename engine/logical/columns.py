"""Which columns an expression or a plan mentions."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

__all__ = [
    "VOLATILE",
    "columns_of",
    "conjunction",
    "conjuncts",
    "disjuncts",
    "function_name",
    "is_volatile",
    "substitute",
]

VOLATILE = frozenset({"random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "setseed"})


def columns_of(expr: exp.Expr) -> set[str]:
    """The column names in `expr`."""
    return {column.name for column in expr.find_all(exp.Column)}


def function_name(node: exp.Expr) -> str:
    """The kernel's name of the function that `node` calls, in lower case; empty where it calls none."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def is_volatile(expr: exp.Expr) -> bool:
    """Whether `expr` may give another value each time that it is computed."""
    for node in expr.find_all(exp.Func):
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        if name in VOLATILE or isinstance(node, exp.Rand | exp.Uuid):
            return True
    return False


def conjuncts(predicate: exp.Expr) -> list[exp.Expr]:
    """The parts of a predicate that must all be true."""
    return _parts(predicate, exp.And)


def disjuncts(predicate: exp.Expr) -> list[exp.Expr]:
    """The parts of a predicate of which one must be true; the predicate itself where it is no OR."""
    return _parts(predicate, exp.Or)


def _parts(predicate: exp.Expr, connector: type[exp.Connector]) -> list[exp.Expr]:
    """What `connector` connects in `predicate`, left to right, without brackets. A chain of them may be long."""
    parts: list[exp.Expr] = []
    stack = [predicate]
    while stack:
        node = stack.pop()
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, connector):
            stack.extend((node.right, node.left))
        else:
            parts.append(node)
    return parts


def conjunction(parts: list[exp.Expr]) -> exp.Expr:
    """One predicate of `parts`, of which there is at least one."""
    result = _operand(parts[0])
    for part in parts[1:]:
        result = exp.And(this=result, expression=_operand(part))
    return result


def _operand(part: exp.Expr) -> exp.Expr:
    copied = part.copy()
    return exp.Paren(this=copied) if isinstance(copied, exp.Or | exp.Not | exp.Between | exp.Case) else copied


def substitute(expr: exp.Expr, columns: Mapping[str, exp.Expr]) -> exp.Expr:
    """`expr` with columns replaced by expressions."""

    def replace(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name in columns:
            found = columns[node.name].copy()
            return found if _stands_alone(found) else exp.Paren(this=found)
        return node

    return expr.copy().transform(replace, copy=False)


def _stands_alone(expr: exp.Expr) -> bool:
    """Whether `expr` needs no brackets wherever it stands. Some functions, AND and OR among them, are operators."""
    return isinstance(expr, exp.Column | exp.Literal | exp.Func) and not isinstance(expr, exp.Binary)
