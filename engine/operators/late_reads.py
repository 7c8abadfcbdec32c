"""Scans that find their rows before they read the columns whose values lie beside these.

    TopNExec 10 by s                                   TopNExec 10 by s
      FilterExec f(s)                                    FilterExec f(s)
        TableScanExec film [s, frames]       =>            TableScanExec film [s, frames], of the rows that
                                                             TopNExec 10 by s
                                                               FilterExec f(s)
                                                                 TableScanExec film [s, _rowaddr]      gives

So `frames` are read of ten rows. The operators above stay and see these rows once more. What finds them gives no more
rows than they keep, and computes nothing that may be another value the second time.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from engine.logical.columns import columns_of, is_volatile
from engine.logical.nodes import NamedExpr, col
from engine.operators.filter import FilterExec
from engine.operators.limit import LimitExec
from engine.operators.project import ProjectExec
from engine.operators.rename import RenameExec
from engine.operators.sort import SortExec
from engine.operators.table_scan import Addresses, TableScanExec
from engine.operators.top_n import TopNExec
from engine.physical import PhysicalOperator
from engine.schema import Column
from engine.storage.protocol import ROW_ADDRESS, Split, TableHandle

__all__ = ["is_late_chain", "late_reads"]

_ADDRESS = "__row_address"
_Passing = FilterExec | TopNExec | LimitExec | ProjectExec | RenameExec
_Chain = list[_Passing]


def late_reads(operator: PhysicalOperator) -> PhysicalOperator:
    """The same tree, where scans find their rows first if that spares to read large values; itself if none does."""
    chain: _Chain = []
    node = operator
    while isinstance(node, _Passing):
        chain.append(node)
        node = node.input
    if isinstance(node, TableScanExec):
        return _late(chain, node) or operator
    return operator.with_children(tuple(map(late_reads, operator.children)))


def is_late_chain(operator: PhysicalOperator) -> bool:
    """Whether an operator does no more than to read some rows of one table in this way, maybe in an order."""
    node = operator
    while isinstance(node, _Passing | SortExec):
        node = node.input
    return isinstance(node, TableScanExec) and late_reads(operator) is not operator


def _late(chain: _Chain, scan: TableScanExec) -> PhysicalOperator | None:
    """The operators of `chain`, root first, over `scan` with its rows found first; None where that spares nothing."""
    if scan.table.search is not None or scan.table.addressed or scan.wanted is not None:
        return None
    large = {a for a, c in zip(scan.aliases, scan.columns, strict=True) if c.name in scan.table.beside}
    choosing = [i for i, node in enumerate(chain) if isinstance(node, FilterExec | TopNExec)]
    if not large or not (choosing or scan.filter is not None):
        return None
    if any(column.name.lower() == ROW_ADDRESS for column in scan.columns):
        return None
    limits = [i for i, node in enumerate(chain) if isinstance(node, LimitExec)]
    first = min([*choosing, *limits], default=len(chain))
    rows = _addresses(chain[first:], scan, large)
    if rows is None:
        return None
    plan: PhysicalOperator = replace(scan, wanted=Addresses(rows))
    for node in reversed(chain):
        plan = replace(node, input=plan)
    return plan


def _addresses(chain: _Chain, scan: TableScanExec, large: Set[str]) -> PhysicalOperator | None:
    """What finds the rows that come through `chain`; None where that needs the `large` columns themselves."""
    needed: set[str] = set()
    needed_of: list[set[str]] = []  # each operator's input
    for node in chain:
        needed = _input_columns(node, needed)
        needed_of.append(needed)
    asked = set() if scan.filter is None else columns_of(scan.filter)
    if (needed | asked) & large or _is_any_volatile(chain, scan):
        return None
    plan: PhysicalOperator = _address_scan(scan, needed | asked)
    for node, above in reversed(list(zip(chain, [set(), *needed_of], strict=False))):
        plan = _over_addresses(node, plan, above)
    return ProjectExec(plan, (NamedExpr(_ADDRESS, col(_ADDRESS)),))


def _input_columns(node: _Passing, above: set[str]) -> set[str]:
    """Which columns an operator needs of its input, of which those `above` are needed of itself."""
    match node:
        case FilterExec():
            return above | columns_of(node.predicate)
        case TopNExec():
            return above.union(*(columns_of(key.expr) for key in node.keys))
        case ProjectExec():
            return set().union(*(columns_of(item.expr) for item in node.exprs if item.name in above))
        case RenameExec():
            return {old for old, new in zip(node.input.schema, node.columns, strict=True) if new in above}
    return above


def _over_addresses(node: _Passing, plan: PhysicalOperator, above: set[str]) -> PhysicalOperator:
    """The operator over addresses; where rows are left out in the beginning, they are left out afterwards."""
    address = NamedExpr(_ADDRESS, col(_ADDRESS))
    match node:
        case ProjectExec():
            return ProjectExec(plan, (*(item for item in node.exprs if item.name in above), address))
        case RenameExec():
            pairs = zip(node.input.schema, node.columns, strict=True)
            return ProjectExec(plan, (*(NamedExpr(new, col(old)) for old, new in pairs if new in above), address))
        case TopNExec():
            return TopNExec(plan, node.keys, node.count + node.offset)
        case LimitExec():
            return LimitExec(plan, None if node.count is None else node.count + node.offset)
    return replace(node, input=plan)


def _is_any_volatile(chain: _Chain, scan: TableScanExec) -> bool:
    expressions = [] if scan.filter is None else [scan.filter]
    for node in chain:
        match node:
            case FilterExec():
                expressions.append(node.predicate)
            case TopNExec():
                expressions += [key.expr for key in node.keys]
            case ProjectExec():
                expressions += [item.expr for item in node.exprs]
    return any(map(is_volatile, expressions))


def _address_scan(scan: TableScanExec, needed: Set[str]) -> TableScanExec:
    """The scan of the columns that are `needed`, and of the addresses."""
    own = [(a, c) for a, c in zip(scan.aliases, scan.columns, strict=True) if a in needed]
    table = replace(scan.table, addressed=True)
    return replace(
        scan,
        table=table,
        columns=(*(column for _, column in own), Column(ROW_ADDRESS, "UBIGINT")),
        aliases=(*(alias for alias, _ in own), _ADDRESS),
        splits=None if scan.splits is None else tuple(_of(table, split) for split in scan.splits),
        direct_schema=None,
    )


def _of(table: TableHandle, split: Split) -> Split:
    return replace(split, table=table)
