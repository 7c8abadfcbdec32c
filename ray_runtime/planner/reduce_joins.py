"""The keys of a join's smaller side thin out what the larger side is made of, before it travels.

::

    few join on k = g (sum(x) by g from many)     few join on k = g (sum(x) by g from (many semi few on k = g))

A semi-join reduction (Bernstein and Chiu, Using Semi-Joins to Solve Relational Queries, 1981; for what lies below a
grouping, the magic sets of Mumick et al., 1990): the keys are sent to every task that reads the larger side, which then
shuffles and groups just the rows that will find a partner. The join itself stays, and so does its result.

The keys are those of the part of the smaller side that gives them and is nearly as selective. The scan of a table that
is not larger than the thinned one is read twice for that; what takes more work is computed once, as a CollectExec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.logical.columns import columns_of, conjunction
from engine.logical.nodes import NamedExpr, col
from engine.operators import CollectExec, JoinExec, ProjectExec, TableScanExec
from engine.physical import PhysicalOperator, walk
from engine.shared_nodes import once
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.descent import Descent, descend, past_joins
from ray_runtime.planner.inline_scans import steady_source
from ray_runtime.planner.join_keys import JoinKeys, equalities
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.statistics import Estimates

__all__ = ["reduce_joins"]

_SELECTIVE = 0.5  # of the larger side's rows at most may be thought to stay
_NEARLY = 4.0  # times as many rows may be left by the part of the smaller side that gives the keys
_GAIN = 2.0  # bytes spared for each byte of keys that is sent

_MAY_THIN_RIGHT = frozenset({"inner", "left", "single", "semi", "anti", "mark"})
_MAY_THIN_LEFT = frozenset({"inner", "right"})


def reduce_joins(
    root: PhysicalOperator, types: ColumnTypes, options: DistributedOptions, estimates: Estimates
) -> PhysicalOperator:
    """The same plan with such semi joins; `estimates` learn that what the joins give is as much as before."""
    return _Reducer(types, options, estimates).visit(root)


@dataclass(frozen=True)
class _Sides:
    """Of a join, the input that gives keys and the one that is thinned out, and whether the first may be broadcast."""

    small: PhysicalOperator
    big: PhysicalOperator
    broadcasts: bool


class _Reducer:
    def __init__(self, types: ColumnTypes, options: DistributedOptions, estimates: Estimates) -> None:
        self._keys = JoinKeys(types)
        self._options = options
        self._estimates = estimates
        self._done: dict[int, tuple[PhysicalOperator, PhysicalOperator]] = {}
        self._shared: dict[int, str] = {}
        self._reductions: list[JoinExec] = []
        self._sent: dict[tuple[int, tuple[str, ...]], PhysicalOperator] = {}

    def visit(self, node: PhysicalOperator) -> PhysicalOperator:
        """From the root down: a side that was thinned out gives fewer keys to what lies below it."""
        return once(self._done, node, self._visit)

    def _visit(self, node: PhysicalOperator) -> PhysicalOperator:
        reduced = self._reduce(node) if isinstance(node, JoinExec) else node
        made = reduced.with_children(tuple(self.visit(child) for child in reduced.children))
        if isinstance(node, JoinExec) and made is not node:
            self._estimates.keep(made, self._estimates.of(node))
        name = self._shared.get(id(node))
        return made if name is None else CollectExec(made, name)

    def _reduce(self, join: JoinExec) -> JoinExec:
        conditions = [condition for condition, _, _ in equalities(join)]
        # Those that were put in are no joins of the query; another reduction below gives them other inputs.
        if not conditions or any(join.condition is reduction.condition for reduction in self._reductions):
            return join
        for sides in _orientations(join):
            found = past_joins(descend(sides.big, conditions, sides.small, whole=False, stop=self._is_shared))
            source = self._source(sides, found)
            if source is None or not self._keys.alike(join, conditions):
                continue
            self._share(source.target, found.target)
            condition = conjunction(list(source.conditions))
            thinned = JoinExec(found.target, self._source_rows(source), "semi", condition)
            self._reductions.append(thinned)
            big = found.rebuild(thinned)
            return replace(join, left=big) if sides.big is join.left else replace(join, right=big)
        return join

    def _source(self, sides: _Sides, found: Descent) -> Descent | None:
        """What gives the keys; None where the reduction is not worth it."""
        if isinstance(found.target, CollectExec) or self._is_shared(found.target):
            return None
        if any(_thins_by(passed, _shared_parts(sides.small)) for passed in found.passed):
            return None  # the query's own subquery has done it
        if sides.broadcasts and self._small(sides.small) and not any(map(self._moves_rows, found.passed)):
            return None
        limit = min(_SELECTIVE, _NEARLY * self._estimates.of(sides.small).fraction)
        sources = [
            source
            for source in descend(sides.small, found.conditions, found.target, whole=True, stop=self._is_shared)
            if self._estimates.of(source.target).fraction <= limit
        ]
        source = past_joins(iter(sources)) if sources else None
        return source if source is not None and self._worth(source, found) else None

    def _source_rows(self, source: Descent) -> PhysicalOperator:
        """What is sent: all columns where they may be broadcast anyway, which other readers may share."""
        if self._small(source.target):
            return source.target
        names = _key_names(source)
        keys = ProjectExec(source.target, tuple(NamedExpr(name, col(name)) for name in names))
        return self._sent.setdefault((id(source.target), names), keys)

    def _share(self, source: PhysicalOperator, target: PhysicalOperator) -> None:
        """Compute `source` once for both its readers, where reading it twice is more work than reading `target`."""
        read = _read_again(source)
        if read is None or self._estimates.of(read).rows > self._estimates.of(target).rows:
            self._shared.setdefault(id(source), f"__keys{len(self._shared)}")

    def _worth(self, source: Descent, found: Descent) -> bool:
        """Whether that spares enough: of what is thinned out, or of what the joins above it make of that."""
        keys, thinned = self._estimates.of(source.target), self._estimates.of(found.target)
        size = keys.rows * sum(keys.widths.get(name, 16.0) for name in _key_names(source))
        spared = max(self._estimates.of(node).bytes for node in (found.target, *found.passed)) * (1.0 - keys.fraction)
        return (
            size <= self._options.reducing_key_bytes
            and keys.rows <= _SELECTIVE * thinned.rows
            and spared >= max(self._options.reduced_bytes, _GAIN * self._options.slots * size)
        )

    def _moves_rows(self, passed: PhysicalOperator) -> bool:
        """Whether there will be an Exchange of what `passed` reads, or of a part of it."""
        return not isinstance(passed, JoinExec) or not any(map(self._small, passed.children))

    def _small(self, side: PhysicalOperator) -> bool:
        return self._estimates.of(side).bytes <= self._options.broadcast_bytes

    def _is_shared(self, node: PhysicalOperator) -> bool:
        return id(node) in self._shared


def _orientations(join: JoinExec) -> Iterator[_Sides]:
    if join.kind in _MAY_THIN_RIGHT:
        yield _Sides(join.left, join.right, broadcasts=join.kind == "inner")
    if join.kind in _MAY_THIN_LEFT:
        yield _Sides(join.right, join.left, broadcasts=join.kind == "inner")


def _shared_parts(node: PhysicalOperator) -> set[int]:
    return {id(below) for below in walk(node) if isinstance(below, CollectExec)}


def _thins_by(node: PhysicalOperator, shared: set[int]) -> bool:
    """Whether `node` is a semi join with one of the `shared` parts on its right."""
    return isinstance(node, JoinExec) and node.kind == "semi" and bool(_shared_parts(node.right) & shared)


def _key_names(source: Descent) -> tuple[str, ...]:
    """The columns of the source that the conditions need."""
    needed = set[str]().union(*map(columns_of, source.conditions))
    return tuple(name for name in source.target.schema if name in needed)


def _read_again(node: PhysicalOperator) -> PhysicalOperator | None:
    """The whole table, or the shared part, of which `node` gives the same rows each time; None where it is not so."""
    leaf = steady_source(node)
    return replace(leaf, filter=None) if isinstance(leaf, TableScanExec) else leaf
