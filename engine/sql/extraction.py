"""Taking aggregates and window functions out of expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlglot import exp

from engine.logical.nodes import NamedExpr, col

__all__ = ["Extraction", "function_name", "makes_rows"]

_ROW_MAKERS = frozenset({"unnest", "unlist", "generate_subscripts", "regexp_split_to_table", "explode"})
_WRAPPERS = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)


def function_name(node: exp.Expr) -> str:
    """The kernel's name of the function that `node` calls, in lower case; empty where it calls none."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def makes_rows(node: exp.Expr) -> bool:
    """Whether `node` calls a function that gives several rows for one."""
    return isinstance(node, exp.Unnest | exp.Explode) or function_name(node) in _ROW_MAKERS


class Extraction:
    """Replaces calls by columns and remembers the calls.

    `aggregates` are the kernel's aggregate function names; `fresh` allocates a column name.
    """

    def __init__(self, aggregates: frozenset[str], fresh: Callable[[str], str]) -> None:
        self._aggregates = aggregates
        self._fresh = fresh
        self.calls: list[NamedExpr] = []
        self._known: dict[exp.Expr, str] = {}

    def is_aggregate(self, node: exp.Expr) -> bool:
        """Whether `node` is an aggregate call, with its FILTER or ordering if it has them."""
        while isinstance(node, _WRAPPERS):
            node = node.this
        if isinstance(node, exp.AggFunc):
            return True
        if isinstance(node, exp.Anonymous | exp.Func):
            return function_name(node) in self._aggregates or function_name(node) in ("grouping", "grouping_id")
        return False

    def contains_aggregate(self, expr: exp.Expr) -> bool:
        """Whether an aggregate stands in `expr` outside of a window function's own call."""
        return any(True for _ in self._found(expr, self.is_aggregate))

    def contains_window(self, expr: exp.Expr) -> bool:
        """Whether a window function stands in `expr`."""
        return expr.find(exp.Window) is not None

    def replace_keys(self, expr: exp.Expr, keys: Iterable[tuple[exp.Expr, str]]) -> exp.Expr:
        """`expr` with each part that equals a grouping key replaced by the key's column; not inside aggregates."""
        lookup = dict(keys)

        def at(node: exp.Expr) -> exp.Expr | None:
            name = lookup.get(node)
            return col(name) if name is not None else None

        return self._rewrite(expr, at, skip_aggregates=True)

    def take_aggregates(self, expr: exp.Expr) -> exp.Expr:
        """`expr` with its aggregate calls replaced by columns."""
        return self._rewrite(expr, lambda n: self._column(n) if self.is_aggregate(n) else None)

    def take_windows(self, expr: exp.Expr) -> exp.Expr:
        """`expr` with its window calls replaced by columns."""
        return self._rewrite(expr, lambda n: self._column(n) if isinstance(n, exp.Window) else None)

    def _column(self, call: exp.Expr) -> exp.Expr:
        name = self._known.get(call)
        if name is None:
            inner = call
            while isinstance(inner, (*_WRAPPERS, exp.Window)):
                inner = inner.this
            name = self._fresh(function_name(inner) or "value")
            self._known[call.copy()] = name
            self.calls.append(NamedExpr(name, call.copy()))
        return col(name)

    def _found(self, expr: exp.Expr, test: Callable[[exp.Expr], bool]) -> Iterator[exp.Expr]:
        stack = [expr]
        while stack:
            node = stack.pop()
            if isinstance(node, exp.Window):
                stack.extend(_window_parts(node))
            elif test(node):
                yield node
            else:
                stack.extend(node.iter_expressions())

    def _rewrite(
        self,
        expr: exp.Expr,
        at: Callable[[exp.Expr], exp.Expr | None],
        skip_aggregates: bool = False,
    ) -> exp.Expr:
        holder = exp.Paren(this=expr.copy())
        stack: list[exp.Expr] = [holder.this]
        while stack:
            node = stack.pop()
            replacement = at(node)
            if replacement is not None:
                node.replace(replacement)
            elif isinstance(node, exp.Window):
                stack.extend(_window_parts(node))
            elif not (skip_aggregates and self.is_aggregate(node)) or function_name(node).startswith("grouping"):
                stack.extend(node.iter_expressions())
        result: exp.Expr = holder.this
        result.pop()
        return result


def _window_parts(window: exp.Window) -> list[exp.Expr]:
    """What is computed before a window function runs: its arguments and its clauses, not the call itself."""
    call: exp.Expr = window.this
    parts: list[exp.Expr] = [part for part in window.iter_expressions() if part is not call]
    while isinstance(call, _WRAPPERS):
        parts.extend(part for part in call.iter_expressions() if part is not call.this)
        call = call.this
    parts.extend(call.iter_expressions())
    return parts
