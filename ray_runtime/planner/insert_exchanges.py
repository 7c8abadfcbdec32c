"""Required against given partitioning; an ExchangeExec stands where they differ, and nowhere else.

Bottom-up, each operator is given inputs that are partitioned as it needs them, and says how its own output is
partitioned: `Single` (one task has all rows), `Hash` (rows with equal keys are in one partition), `Range` (partitions
in order), `RoundRobin` (rows anywhere).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from engine.logical.columns import columns_of
from engine.logical.nodes import col
from engine.operators import (
    AggregateMode,
    CollectExec,
    DistinctExec,
    EmptyExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SetOpExec,
    SortExec,
    TableScanExec,
    TopNExec,
    UnnestExec,
    ValuesExec,
    WindowExec,
)
from engine.physical import Broadcast, Hash, PartitioningSpec, PhysicalOperator, Range, RoundRobin, Single
from engine.shared_nodes import once
from ray_runtime.operators import ExchangeExec
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.join_keys import JoinKeys
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.scan_parts import is_one_part
from ray_runtime.planner.sort_ranges import may_part_ties, range_bounds, sort_key
from ray_runtime.planner.split_windows import partition_keys
from ray_runtime.planner.statistics import Estimates
from ray_runtime.planner.varying_columns import VaryingColumns
from ray_runtime.stages import ExchangeMode

__all__ = ["insert_exchanges"]

_Placed = tuple[PhysicalOperator, PartitioningSpec]
_ANYWHERE = RoundRobin(0)
_MUCH_LESS = 8.0
_EQUAL_IN_MANY_FORMS = re.compile(r"\b(FLOAT|DOUBLE|INTERVAL|VARIANT|UNION|MAP)\b")


def insert_exchanges(
    root: PhysicalOperator, types: ColumnTypes, options: DistributedOptions, estimates: Estimates
) -> PhysicalOperator:
    """The plan with Exchanges. Its root is in one partition, or in a Range, whose partitions in order are the rows."""
    inserter = _Inserter(types, options, estimates)
    inserter.look_at_joins(root)
    placed, given = inserter.place(root)
    return placed if isinstance(given, Single | Range) else inserter.gather(placed, given)


class _Inserter:
    """Places operators, each once.

    What is in one task's hands because its tables are small is placed again where it has to stand beside large ones, by
    an inserter that has this one as its `upper`, and takes all tables for large.
    """

    def __init__(
        self, types: ColumnTypes, options: DistributedOptions, estimates: Estimates, upper: _Inserter | None = None
    ) -> None:
        self._upper = upper
        self._types = types
        self._keys = JoinKeys(types)
        self._varying = VaryingColumns(types)
        self._estimates = estimates
        self._options = options
        self._n = options.shuffle_partitions
        self._done: dict[int, tuple[PhysicalOperator, _Placed]] = {}
        self._broadcasts: dict[int, ExchangeExec] = {} if upper is None else upper._broadcasts
        self._hashed_by: dict[int, tuple[exp.Expr, ...]] = {}
        self._met_by: dict[int, tuple[exp.Expr, ...]] = {}
        self._by_splits = self if upper is not None else _Inserter(types, options, estimates, self)

    def look_at_joins(self, root: PhysicalOperator) -> None:
        """Note for each shared part by what it is hashed: the keys of the first join that reads it.

        That is, of the first one that is hashed; those of one whose other side is broadcast will do as well as any.
        """
        seen: set[int] = set()
        stack = [root]
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            stack.extend(reversed(node.children))
            if not isinstance(node, JoinExec):
                continue
            # What outer rows and a subquery's have in common is what the subquery's are grouped by.
            pairs = self._keys.pairs(node, null_safe=True) or self._keys.pairs(node)
            for side, position in zip(node.children if pairs else (), (0, 1), strict=False):
                found = _shared_below(side, tuple(pair[position] for pair in pairs))
                if found is not None:
                    small = self._estimates.of(node.children[1 - position]).bytes <= self._options.broadcast_bytes
                    (self._met_by if small else self._hashed_by).setdefault(id(found[0]), found[1])

    def place(self, node: PhysicalOperator) -> _Placed:
        if self._upper is not None and isinstance(node, CollectExec):
            return self._upper.place(node)
        return once(self._done, node, self._place)

    def _place(self, node: PhysicalOperator) -> _Placed:
        match node:
            case TableScanExec():
                alone = self._upper is None and is_one_part(node, self._options)
                return node, Single() if alone else _ANYWHERE
            case ValuesExec() | EmptyExec():
                return node, Single()
            case FilterExec() | UnnestExec():
                child, given = self.place(node.input)
                return replace(node, input=child), given
            case ProjectExec():
                child, given = self.place(node.input)
                return replace(node, input=child), _through_project(node, given)
            case RenameExec():
                child, given = self.place(node.input)
                names = dict(zip(node.input.schema, node.columns, strict=True))
                return replace(node, input=child), _rename(given, names)
            case HashAggregateExec():
                return self._aggregate(node)
            case WindowExec():
                return self._window(node)
            case JoinExec():
                return self._join(node)
            case SortExec():
                return self._sort(node)
            case TopNExec():
                return self._top_n(node)
            case LimitExec():
                return self._limit(node)
            case DistinctExec():
                return self._distinct(node)
            case SetOpExec():
                return self._union(node)
            case CollectExec():
                return self._collect(node)
            case _:
                return self._by_capabilities(node)

    def gather(self, node: PhysicalOperator, given: PartitioningSpec) -> PhysicalOperator:
        """All rows in one task; in order where the partitions have one."""
        if isinstance(given, Single):
            return node
        return ExchangeExec(node, ExchangeMode.GATHER, Single(), ordered=isinstance(given, Range))

    def _shuffle(self, node: PhysicalOperator, given: PartitioningSpec, keys: tuple[exp.Expr, ...]) -> _Placed:
        wanted = Hash(keys, self._n)
        if isinstance(given, Hash) and given == wanted:
            return node, given
        return self._hash_exchange(node, wanted), wanted

    def _hash_exchange(self, node: PhysicalOperator, partitioning: Hash) -> PhysicalOperator:
        steady = self._is_steady(node, partitioning.keys)
        return ExchangeExec(node, ExchangeMode.SHUFFLE, partitioning, steady=steady)

    def _is_steady(self, node: PhysicalOperator, keys: tuple[exp.Expr, ...]) -> bool:
        """Whether a task that runs again gives the same rows, with the same keys."""
        varying = self._varying.of(node)
        return varying is not None and not any(columns_of(key) & varying for key in keys)

    def _in_one_task(self, node: PhysicalOperator) -> _Placed:
        children = tuple(self.gather(*self.place(child)) for child in node.children)
        return node.with_children(children), Single()

    def _by_capabilities(self, node: PhysicalOperator) -> _Placed:
        """An operator without a rule of its own: on each partition where it may run so, else in one task."""
        capabilities = node.capabilities
        if len(node.children) != 1 or not capabilities.parallel_safe or capabilities.requires_partitioning:
            return self._in_one_task(node)
        child, given = self.place(node.children[0])
        return node.with_children((child,)), given if isinstance(given, Single) else _ANYWHERE

    def _aggregate(self, node: HashAggregateExec) -> _Placed:
        child, given = self.place(node.input)
        if isinstance(given, Single):
            return replace(node, input=child), given
        if node.mode in (AggregateMode.PARTIAL, AggregateMode.MERGE):
            return replace(node, input=child), _by_group(node, given) or _ANYWHERE
        if not node.keys or node.grouping_sets is not None:
            return replace(node, input=self.gather(child, given)), Single()
        kept = given if node.mode is AggregateMode.FINAL else _by_group(node, given)
        if isinstance(kept, Hash):
            return replace(node, input=child), kept
        keys = tuple(k.expr for k in node.keys)
        moved, _ = self._shuffle(child, given, keys)
        named = Hash(tuple(col(k.name) for k in node.keys), self._n)
        return replace(node, input=moved), named

    def _window(self, node: WindowExec) -> _Placed:
        child, given = self.place(node.input)
        if isinstance(given, Single):
            return replace(node, input=child), given
        common: list[exp.Expr] | None = None
        for function in node.functions:
            partition = list(partition_keys(function))
            common = partition if common is None else [e for e in common if e in partition]
        if not common:
            return replace(node, input=self.gather(child, given)), Single()
        if isinstance(given, Hash) and all(key in common for key in given.keys):
            return replace(node, input=child), given
        keys = tuple(e.copy() for e in common)
        moved, spec = self._shuffle(child, given, keys)
        return replace(node, input=moved), spec

    def _join(self, node: JoinExec) -> _Placed:
        pairs = self._keys.pairs(node)
        left_keys, right_keys = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
        left, left_given = self.place(node.left)
        right, right_given = self.place(node.right)
        if isinstance(left_given, Single) and isinstance(right_given, Single):
            return replace(node, left=left, right=right), Single()
        left_bytes, right_bytes = self._estimates.of(node.left).bytes, self._estimates.of(node.right).bytes
        left_small, right_small = (size <= self._options.broadcast_bytes for size in (left_bytes, right_bytes))
        may_right = node.kind not in ("right", "full")
        may_left = node.kind in ("inner", "cross", "right")
        send_right = may_right and (right_small or not pairs) and not isinstance(left_given, Single)
        send_left = may_left and (left_small or not pairs) and not isinstance(right_given, Single)
        if send_right and not (send_left and _MUCH_LESS * left_bytes < right_bytes):
            return replace(node, left=left, right=self._broadcast(right)), left_given
        if send_left:
            return replace(node, left=self._broadcast(left), right=right), right_given
        few = self._options.gather_bytes
        comes = (isinstance(left_given, Single) and right_bytes <= few) or (
            isinstance(right_given, Single) and left_bytes <= few
        )
        if comes or not pairs:
            return self._joined_in_one_task(node, (left, left_given), (right, right_given))
        kept = _same_places(left_given, left_keys, self._n) or _same_places(right_given, right_keys, self._n)
        if kept:
            left_keys, right_keys = tuple(left_keys[i] for i in kept), tuple(right_keys[i] for i in kept)
        left, left_spec = self._shuffle(left, left_given, left_keys)
        right, _ = self._shuffle(right, right_given, right_keys)
        joined = replace(node, left=left, right=right)
        if node.kind == "full":
            return joined, _ANYWHERE
        if node.kind == "right":
            return joined, Hash(right_keys, self._n)
        return joined, left_spec

    def _joined_in_one_task(self, node: JoinExec, left: _Placed, right: _Placed) -> _Placed:
        return replace(node, left=self.gather(*left), right=self.gather(*right)), Single()

    def _broadcast(self, node: PhysicalOperator) -> PhysicalOperator:
        return self._broadcasts.setdefault(id(node), ExchangeExec(node, ExchangeMode.BROADCAST, Broadcast()))

    def _sort(self, node: SortExec) -> _Placed:
        child, given = self.place(node.input)
        small = self._estimates.of(node.input).bytes <= self._options.sort_gather_bytes
        if isinstance(given, Single) or small or may_part_ties(node, self._types):
            return replace(node, input=self.gather(child, given)), Single()
        sampled, ranged = self._for_sample_and_ranges(node, child, given)
        bounds = ExchangeExec(
            range_bounds(sampled, node.keys, self._n, self._gather_sample), ExchangeMode.BROADCAST, Broadcast()
        )
        spec = Range((sort_key(node.keys),), self._n)
        return replace(node, input=ExchangeExec(ranged, ExchangeMode.SHUFFLE, spec, bounds)), spec

    def _for_sample_and_ranges(
        self, sort: SortExec, child: PhysicalOperator, given: PartitioningSpec
    ) -> tuple[PhysicalOperator, PhysicalOperator]:
        """The rows to sort, for the sample and for the ranges.

        Scans are read twice, the first time as narrow as the keys are; what took more work is kept by an Exchange. A
        task of it that runs again should put its rows where they were, for else all that was computed from them is
        void, and a result that was sent in part is lost. So rows go round robin only where their values may vary.
        """
        varying = self._varying.of(sort.input)
        needed = set[str]().union(*(columns_of(k.expr) for k in sort.keys))
        partitioning: PartitioningSpec = RoundRobin(self._n)
        if varying is not None and not needed & varying:
            if _scans_only(child):
                return _narrow(child, needed), child
            keys: tuple[exp.Expr, ...] = tuple(col(name) for name in child.schema if name not in varying)
            if (
                isinstance(given, Hash)
                and set[str]().union(*map(columns_of, given.keys)) <= set(child.schema) - varying
            ):
                keys = given.keys
            partitioning = Hash(keys, self._n) if keys else partitioning
        kept = ExchangeExec(child, ExchangeMode.SHUFFLE, partitioning)
        return kept, kept

    def _gather_sample(self, node: PhysicalOperator) -> PhysicalOperator:
        return ExchangeExec(node, ExchangeMode.GATHER, Single())

    def _top_n(self, node: TopNExec) -> _Placed:
        child, given = self.place(node.input)
        if isinstance(given, Single):
            return replace(node, input=child), given
        first = TopNExec(child, node.keys, node.count + node.offset)
        return replace(node, input=self.gather(first, _ANYWHERE)), Single()

    def _limit(self, node: LimitExec) -> _Placed:
        child, given = self.place(node.input)
        if not isinstance(given, Single):
            if node.count is not None:
                child = LimitExec(child, node.count + node.offset)
            child = self.gather(child, given)
        return replace(node, input=child), Single()

    def _distinct(self, node: DistinctExec) -> _Placed:
        child, given = self.place(node.input)
        if isinstance(given, Single):
            return replace(node, input=child), given
        keys = node.on or tuple(col(n) for n in node.schema)
        if isinstance(given, Hash) and all(key in keys or self._is_one_of_equals(key, node) for key in given.keys):
            return replace(node, input=child), given
        moved, spec = self._shuffle(replace(node, input=child), _ANYWHERE, keys)
        return replace(node, input=moved), spec

    def _is_one_of_equals(self, key: exp.Expr, node: DistinctExec) -> bool:
        """Whether rows that are equal have one and the same `key`: a text of a zero, say, tells -0.0 from 0.0."""
        used = columns_of(key)
        if node.on or not used <= set(node.schema):
            return False
        kinds = self._types.expressions(node.input, [col(name) for name in used])
        return all(kind and not _EQUAL_IN_MANY_FORMS.search(kind) for kind in kinds)

    def _union(self, node: SetOpExec) -> _Placed:
        left, left_given = self.place(node.left)
        right, right_given = self.place(node.right)
        if isinstance(left_given, Single) and isinstance(right_given, Single):
            return replace(node, left=left, right=right), Single()
        if node.kind == "union" and node.all:
            return self._union_all(node, (left, left_given), (right, right_given))
        sides = self._keys.set_operation(node)
        if sides is None:
            gathered = replace(node, left=self.gather(left, left_given), right=self.gather(right, right_given))
            return gathered, Single()
        if node.kind == "union":
            left, right = DistinctExec(left), DistinctExec(right)
        left, _ = self._shuffle(left, _ANYWHERE, sides[0])
        right, _ = self._shuffle(right, _ANYWHERE, sides[1])
        as_they_are = all(isinstance(key, exp.Column) for key in sides[0] + sides[1])
        given = Hash(tuple(col(name) for name in node.columns), self._n) if as_they_are else _ANYWHERE
        return replace(node, left=left, right=right), given

    def _union_all(self, node: SetOpExec, *sides: _Placed) -> _Placed:
        """Tasks read either splits or partitions: a side that has the other kind is spread first, or both sides are.

        All tasks run the whole fragment, and of a small table most have no rows, so that it is no table in one task.
        """

        def spread(side: PhysicalOperator) -> PhysicalOperator:
            return side if _shuffles_only(side) else ExchangeExec(side, ExchangeMode.SHUFFLE, RoundRobin(self._n))

        by_splits = [
            side if _scans_only(side) and not isinstance(given, Single) else self._by_splits.place(child)[0]
            for child, (side, given) in zip(node.children, sides, strict=True)
        ]
        left, right = by_splits if all(map(_scans_only, by_splits)) else [spread(side) for side, _ in sides]
        return replace(node, left=left, right=right), _ANYWHERE

    def _collect(self, node: CollectExec) -> _Placed:
        child, given = self.place(node.input)
        if isinstance(given, Single):
            moved = ExchangeExec(replace(node, input=child), ExchangeMode.BROADCAST, Broadcast())
            return moved, Single()
        wanted = self._hashed_by.get(id(node))
        if isinstance(given, Hash):
            spec = given if wanted is None or not self._is_steady(node, wanted) else Hash(wanted, self._n)
        else:
            spec = Hash(wanted or self._met_by.get(id(node)) or tuple(col(n) for n in node.schema), self._n)
        return self._hash_exchange(replace(node, input=child), spec), spec


def _same_places(given: PartitioningSpec, keys: tuple[exp.Expr, ...], n: int) -> list[int]:
    """Which of the `keys` a side is partitioned by already; none where it is not so."""
    if not isinstance(given, Hash) or given.n != n or any(key not in keys for key in given.keys):
        return []
    return [keys.index(key) for key in given.keys]


def _shared_below(
    node: PhysicalOperator, keys: tuple[exp.Expr, ...]
) -> tuple[CollectExec, tuple[exp.Expr, ...]] | None:
    """The shared part whose rows `node` gives, or some of them, and `keys` in its terms; None where it is not so."""
    while not isinstance(node, CollectExec):
        match node:
            case FilterExec():
                names = {name: name for name in node.schema}
            case RenameExec():
                names = dict(zip(node.columns, node.input.schema, strict=True))
            case ProjectExec():
                names = {e.name: e.expr.name for e in node.exprs if isinstance(e.expr, exp.Column)}
            case _:
                return None
        if any(not columns_of(key) <= names.keys() for key in keys):
            return None
        keys = tuple(_with_names(key, names) for key in keys)
        node = node.children[0]
    return node, keys


def _by_group(node: HashAggregateExec, given: PartitioningSpec) -> Hash | None:
    """The partitioning of groups whose rows are all in one partition; None where a group's rows are in several."""
    names = {k.expr.sql("duckdb"): k.name for k in node.keys}
    if not isinstance(given, Hash) or node.grouping_sets is not None:
        return None
    if any(key.sql("duckdb") not in names for key in given.keys):
        return None
    return Hash(tuple(col(names[key.sql("duckdb")]) for key in given.keys), given.n)


def _leaves(node: PhysicalOperator) -> Iterator[PhysicalOperator]:
    """What the fragment at `node` reads, but for what every task reads whole."""
    if isinstance(node, ExchangeExec):
        if node.mode is not ExchangeMode.BROADCAST:
            yield node
    elif node.children:
        for child in node.children:
            yield from _leaves(child)
    else:
        yield node


def _scans_only(node: PhysicalOperator) -> bool:
    """Whether the tasks of the fragment at `node` are those of the splits of tables."""
    leaves = list(_leaves(node))
    return bool(leaves) and all(isinstance(leaf, TableScanExec) for leaf in leaves)


def _shuffles_only(node: PhysicalOperator) -> bool:
    """Whether the tasks of the fragment at `node` are those of partitions."""
    leaves = list(_leaves(node))
    return bool(leaves) and all(isinstance(leaf, ExchangeExec) and leaf.mode is ExchangeMode.SHUFFLE for leaf in leaves)


def _narrow(node: PhysicalOperator, wanted: set[str]) -> PhysicalOperator:
    """The same rows; of a scan, and of what is computed from it, with the wanted columns only."""
    match node:
        case TableScanExec():
            used = wanted if node.filter is None else wanted | columns_of(node.filter)
            kept = [(c, a) for c, a in zip(node.columns, node.aliases, strict=True) if a in used] or [
                (node.columns[0], node.aliases[0])
            ]
            return replace(node, columns=tuple(c for c, _ in kept), aliases=tuple(a for _, a in kept))
        case ProjectExec():
            exprs = tuple(e for e in node.exprs if e.name in wanted) or node.exprs[:1]
            return ProjectExec(_narrow(node.input, set[str]().union(*(columns_of(e.expr) for e in exprs))), exprs)
        case FilterExec():
            return replace(node, input=_narrow(node.input, wanted | columns_of(node.predicate)))
    return node


def _through_project(node: ProjectExec, given: PartitioningSpec) -> PartitioningSpec:
    """The partitioning in terms of the projection's columns; what it no longer has is forgotten."""
    names: dict[str, str] = {}
    for e in node.exprs:
        if isinstance(e.expr, exp.Column):
            names.setdefault(e.expr.name, e.name)
    return _rename(given, names)


def _rename(given: PartitioningSpec, names: dict[str, str]) -> PartitioningSpec:
    if not isinstance(given, Hash):
        return given
    if any(not columns_of(key) <= names.keys() for key in given.keys):
        return _ANYWHERE
    return Hash(tuple(_with_names(key, names) for key in given.keys), given.n)


def _with_names(key: exp.Expr, names: dict[str, str]) -> exp.Expr:
    return key.copy().transform(lambda n: col(names[n.name]) if isinstance(n, exp.Column) else n, copy=False)
