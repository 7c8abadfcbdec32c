"""What nobody reads behind an Exchange does not travel.

A column that only a scan's filter needed, or only a join below, would otherwise be written, sent and read for nothing.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from engine.logical.columns import columns_of
from engine.logical.nodes import NamedExpr, col
from engine.operators import (
    CollectExec,
    DistinctExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SortExec,
    TableScanExec,
    TopNExec,
    UnnestExec,
    WindowExec,
)
from engine.physical import Hash, PhysicalOperator
from engine.shared_nodes import once
from ray_runtime.operators import ExchangeExec

__all__ = ["drop_columns"]


def drop_columns(root: PhysicalOperator) -> PhysicalOperator:
    """The same plan with a projection below each Exchange that has columns to spare; the root's columns stay."""
    pruner = _Pruner()
    pruner.demand(root, set(root.schema))
    return pruner.rewrite(root, set(root.schema))


def _needs(node: PhysicalOperator, wanted: set[str]) -> tuple[set[str], ...]:
    """What `node` needs of each input to give the `wanted` columns."""
    match node:
        case TableScanExec():
            return ()
        case FilterExec():
            return (wanted | columns_of(node.predicate),)
        case ProjectExec():
            return (_of(_kept_items(node.exprs, wanted)),)
        case HashAggregateExec():
            return (_of((*node.keys, *node.aggregates)),)
        case WindowExec():
            return (wanted | _of(node.functions),)
        case JoinExec():
            used = wanted | (set() if node.condition is None else columns_of(node.condition))
            return used, used
        case UnnestExec():
            return (wanted | _of(node.lists),)
        case DistinctExec(on=on) if on:
            return (wanted.union(*map(columns_of, on), *(columns_of(k.expr) for k in node.order)),)
        case SortExec() | TopNExec():
            return (wanted.union(*(columns_of(k.expr) for k in node.keys)),)
        case LimitExec() | CollectExec():
            return (wanted,)
        case RenameExec():
            pairs = zip(node.columns, node.input.schema, strict=True)
            return ({old for new, old in pairs if new in wanted},)
        case ExchangeExec():
            keys = node.partitioning.keys if isinstance(node.partitioning, Hash) else ()
            if node.bounds is not None:
                return set(node.input.schema), set(node.bounds.schema)
            return (wanted.union(*(columns_of(k) for k in keys)),)
        case _:
            return tuple(set(child.schema) for child in node.children)


def _of(exprs: tuple[NamedExpr, ...]) -> set[str]:
    names: set[str] = set()
    for e in exprs:
        # What merges states stands as text, in which no column is seen.
        names |= columns_of(e.expr) or (_EVERYTHING if e.expr.find(exp.Var) else set())
    return names


_EVERYTHING = {"*"}


def _kept_items(exprs: tuple[NamedExpr, ...], wanted: set[str]) -> tuple[NamedExpr, ...]:
    return tuple(e for e in exprs if e.name in wanted or wanted & _EVERYTHING) or exprs[:1]


class _Pruner:
    def __init__(self) -> None:
        self._wanted: dict[int, tuple[PhysicalOperator, set[str]]] = {}
        self._done: dict[int, tuple[ExchangeExec, PhysicalOperator]] = {}

    def demand(self, node: PhysicalOperator, wanted: set[str]) -> None:
        """Add up what all readers of each Exchange need."""
        wanted = self._within(node, wanted)
        if isinstance(node, ExchangeExec):
            known = self._wanted.setdefault(id(node), (node, set()))[1]
            if known and wanted <= known:
                return
            known |= wanted
            wanted = set(known)
        for child, needed in zip(node.children, _needs(node, wanted), strict=True):
            self.demand(child, needed)

    def rewrite(self, node: PhysicalOperator, wanted: set[str]) -> PhysicalOperator:
        """The operator over inputs that are as narrow as they may be; gives at least the wanted columns."""
        if not isinstance(node, ExchangeExec):
            return self._rewritten(node, self._within(node, wanted))
        return once(self._done, node, lambda node: self._exchange(node, self._wanted[id(node)][1]))

    def _within(self, node: PhysicalOperator, wanted: set[str]) -> set[str]:
        return set(node.schema) if wanted & _EVERYTHING else wanted & set(node.schema)

    def _rewritten(self, node: PhysicalOperator, wanted: set[str]) -> PhysicalOperator:
        children = tuple(
            self.rewrite(child, needed) for child, needed in zip(node.children, _needs(node, wanted), strict=True)
        )
        if isinstance(node, ProjectExec):
            return ProjectExec(children[0], _kept_items(node.exprs, wanted))
        if isinstance(node, RenameExec):
            names = dict(zip(node.input.schema, node.columns, strict=True))
            return RenameExec(children[0], tuple(names[name] for name in children[0].schema))
        return node.with_children(
            tuple(
                _exactly(new, old.schema) if _positional(node) else new
                for new, old in zip(children, node.children, strict=True)
            )
        )

    def _exchange(self, node: ExchangeExec, wanted: set[str]) -> PhysicalOperator:
        needs = _needs(node, wanted)
        child = self.rewrite(node.input, needs[0])
        kept = tuple(name for name in child.schema if name in needs[0]) or child.schema[:1]
        child = _exactly(child, kept)
        bounds = None if node.bounds is None else self.rewrite(node.bounds, needs[1])
        return replace(node, input=child, bounds=bounds)


def _positional(node: PhysicalOperator) -> bool:
    """Whether an operator tells its input's columns by their place."""
    by_name = (FilterExec, ProjectExec, HashAggregateExec, WindowExec, JoinExec, SortExec, TopNExec, LimitExec)
    if isinstance(node, DistinctExec):
        return not node.on
    return not isinstance(node, (*by_name, UnnestExec, CollectExec))


def _exactly(node: PhysicalOperator, names: tuple[str, ...]) -> PhysicalOperator:
    return node if node.schema == names else ProjectExec(node, tuple(NamedExpr(n, col(n)) for n in names))
