"""The kernel's bound expressions as sqlglot expressions: binding what they print gives the same ones again.

Each is made anew, node by node, and shares nothing with others. Names are those of the columns; casts, types of
constants and names of functions are all written, so that the kernel has nothing left to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlglot import exp

from engine.logical.nodes import SortKey
from engine.sql.plan_reader import aggregates, ordering, windows
from engine.sql.plan_reader import table_filters as filters
from engine.sql.plan_reader.not_read import Node, NotRead
from engine.sql.plan_reader.scalars import Scalars, Scope

__all__ = ["Expressions", "table_filters"]


_Read = TypeVar("_Read")


class Expressions:
    """Reads expressions over `columns`: what references mean by position, a name or an expression each.

    All methods raise NotRead for what is not known.
    """

    def __init__(self, columns: Scope) -> None:
        self._columns = columns

    def scalar(self, node: Node) -> exp.Expr:
        """An expression that gives a value for each row."""
        return _read_known(Scalars(self._columns).read, node)

    def aggregate(self, node: Node) -> exp.Expr:
        """An aggregate, with its DISTINCT, ORDER BY and FILTER."""
        return _read_known(partial(aggregates.aggregate, Scalars(self._columns)), node)

    def window(self, node: Node) -> exp.Expr:
        """A window function, with its frame."""
        return _read_known(partial(windows.window, Scalars(self._columns)), node)

    def sort_key(self, node: Node) -> SortKey:
        """One key of an ordering."""
        return _read_known(partial(ordering.sort_key, Scalars(self._columns)), node)

    def unnest_operand(self, node: Node) -> exp.Expr:
        """The list or struct that UNNEST takes apart."""
        if node["expression_class"] != "BOUND_UNNEST":
            raise NotRead(f"expression {node['expression_class']} in UNNEST")
        return self.scalar(node["child"])


def table_filters(node: Node, columns: Scope) -> list[exp.Expr]:
    """The conditions that the kernel has pushed into a scan: one for each that must hold. Raises NotRead."""
    return _read_known(partial(filters.table_filters, columns=columns), node)


def _read_known(read: Callable[[Node], _Read], node: Node) -> _Read:
    """What `read` makes of `node`; NotRead where that has not what is looked for in it."""
    try:
        return read(node)
    except (LookupError, TypeError, ValueError) as error:
        raise NotRead(f"an expression of another form: {type(error).__name__}") from error
