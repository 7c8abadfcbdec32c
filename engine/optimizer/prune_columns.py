"""Columns that nobody reads are not computed and not scanned."""

from __future__ import annotations

from dataclasses import replace

from engine.logical.columns import columns_of
from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Empty,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    Scan,
    SetOp,
    Sort,
    SqlQuery,
    Unnest,
    Values,
    Window,
    col,
)
from engine.schema import Column, RowType

__all__ = ["narrowest", "prune_columns"]


def prune_columns(plan: LogicalPlan) -> LogicalPlan:
    """The same plan over as few columns as it needs; the root's columns stay."""
    demand, wanted = _Demand(), set(plan.names)
    demand.visit(plan, wanted)
    return _Pruner(demand.collected).visit(plan, wanted)


def _inputs(node: LogicalPlan, wanted: set[str]) -> tuple[set[str], ...]:
    """What `node` needs of each of its inputs to give the `wanted` columns."""
    match node:
        case Scan() | Values() | Empty():
            return ()
        case Filter():
            return (wanted | columns_of(node.predicate),)
        case Project():
            return (_union(_kept_items(node.exprs, wanted)),)
        case Aggregate():
            return (_union((*node.keys, *_kept_aggregates(node, wanted))),)
        case Window():
            return (wanted | _union(_kept_items(node.functions, wanted, at_least=0)),)
        case Join():
            used = wanted | (set() if node.condition is None else columns_of(node.condition))
            return used & set(node.left.names), used & set(node.right.names)
        case Sort():
            return (wanted.union(*(columns_of(k.expr) for k in node.keys)),)
        case Limit() | Collect():
            return (wanted,)
        case Rename():
            old = zip(node.columns, node.input.names, strict=True)
            return ({o for new, o in old if new in wanted},)
        case Unnest():
            return (wanted | _union(node.lists),)
        case Distinct() if node.on:
            return (wanted.union(*map(columns_of, node.on), *(columns_of(k.expr) for k in node.order)),)
        case Distinct() | SetOp() | SqlQuery():
            return tuple(set(child.names) for child in node.children)
        case _:
            raise TypeError(f"{type(node).__name__} is not known to the column pruning")


def _union(exprs: tuple[NamedExpr, ...]) -> set[str]:
    return set().union(*[columns_of(e.expr) for e in exprs])


def _kept_items(exprs: tuple[NamedExpr, ...], wanted: set[str], at_least: int = 1) -> tuple[NamedExpr, ...]:
    kept = tuple([e for e in exprs if e.name in wanted])
    return kept if len(kept) >= at_least else exprs[:at_least]


def _kept_aggregates(node: Aggregate, wanted: set[str]) -> tuple[NamedExpr, ...]:
    return _kept_items(node.aggregates, wanted, at_least=0 if node.keys else 1)


class _Demand:
    """First pass: what all readers of a shared part need together."""

    def __init__(self) -> None:
        self.collected: dict[str, set[str]] = {}

    def visit(self, node: LogicalPlan, wanted: set[str]) -> None:
        if isinstance(node, Collect):
            known = self.collected.setdefault(node.name, set())
            if wanted <= known and known:
                return
            known |= wanted
            wanted = set(known)
        for child, needed in zip(node.children, _inputs(node, wanted), strict=True):
            self.visit(child, needed & set(child.names))


class _Pruner:
    """Second pass: the rewrite. Gives at least the wanted columns, in the order that they had."""

    def __init__(self, collected: dict[str, set[str]]) -> None:
        self._collected = collected
        self._shared: dict[str, LogicalPlan] = {}

    def visit(self, node: LogicalPlan, wanted: set[str]) -> LogicalPlan:
        if isinstance(node, Collect):
            if node.name not in self._shared:
                child = self.visit(node.input, self._collected[node.name])
                self._shared[node.name] = replace(node, input=child)
            return self._shared[node.name]
        needed = _inputs(node, wanted)
        children = tuple(
            self.visit(child, names & set(child.names)) for child, names in zip(node.children, needed, strict=True)
        )
        match node:
            case Scan():
                return _narrow_scan(node, wanted)
            case Project():
                return Project(children[0], _kept_items(node.exprs, wanted))
            case Aggregate():
                return replace(node, input=children[0], aggregates=_kept_aggregates(node, wanted))
            case Window():
                functions = _kept_items(node.functions, wanted, at_least=0)
                return Window(children[0], functions) if functions else children[0]
            case Rename():
                new = dict(zip(node.input.names, node.columns, strict=True))
                return Rename(children[0], tuple(new[name] for name in children[0].names))
            case Distinct() if node.on:
                return node.with_children(children)
            case Distinct() | SetOp() | SqlQuery():
                exact = tuple(_exactly(c, old.names) for c, old in zip(children, node.children, strict=True))
                return node.with_children(exact)
            case _:
                return node.with_children(children)


def _exactly(node: LogicalPlan, names: tuple[str, ...]) -> LogicalPlan:
    return node if node.names == names else Project(node, tuple(NamedExpr(n, col(n)) for n in names))


def _narrow_scan(node: Scan, wanted: set[str]) -> Scan:
    used = wanted | (set() if node.filter is None else columns_of(node.filter))
    pairs = [(c, a) for c, a in zip(node.columns, node.aliases, strict=True) if a in used]
    if not pairs:
        cheapest = narrowest(node.columns)
        pairs = [(c, a) for c, a in zip(node.columns, node.aliases, strict=True) if c is cheapest]
    return replace(node, columns=tuple(c for c, _ in pairs), aliases=tuple(a for _, a in pairs))


def narrowest(columns: RowType) -> Column:
    """The column that costs least to read, where any will do to count rows."""
    return min(columns, key=lambda column: _width(column.type))


def _width(kind: str) -> int:
    """How dear a column of this type is to read where any will do."""
    cheap = ("BOOLEAN", "TINYINT", "UTINYINT", "SMALLINT", "INTEGER", "DATE", "BIGINT")
    return cheap.index(kind) if kind in cheap else len(cheap) + len(kind)
