"""What the tables of a statement that runs whole have to give, and which statements better do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from engine.logical.columns import substitute
from engine.logical.nodes import LogicalPlan, NamedExpr, Project, Scan, col, walk
from engine.optimizer.prune_columns import narrowest
from engine.schema import Column, RowType
from engine.sql import syntax
from engine.storage.protocol import TableHandle

__all__ = ["input_scans", "little_won"]

_MOST_CHARACTERS = 100_000
_WIDE_ITEMS, _LITTLE_BYTES = 200, 16 << 20


def input_scans(
    tables: Mapping[str, tuple[TableHandle, RowType]], operators: LogicalPlan | None, mentioned: frozenset[str] | None
) -> tuple[tuple[str, LogicalPlan], ...]:
    """A plan for each of the `tables`, by its name in the text, with the columns that the text names.

    `mentioned` are these columns, in lower case, None where it may be all. `operators` is an equivalent plan of the
    statement, whatever is in the tables: columns that it does not read do not matter, and are NULL, nor do rows that
    its only scan of a table leaves out. That is so of tables whose storage can leave them out.
    """
    scans: dict[str, list[Scan]] = {}
    for node in walk(operators) if operators is not None else ():
        if isinstance(node, Scan):
            scans.setdefault(node.reference, []).append(node)
    return tuple(
        (name, _input(handle, columns, mentioned, scans.get(name, ()))) for name, (handle, columns) in tables.items()
    )


def _input(
    handle: TableHandle, columns: RowType, mentioned: frozenset[str] | None, scans: Sequence[Scan]
) -> LogicalPlan:
    named = tuple(c for c in columns if mentioned is None or c.name.lower() in mentioned)
    read = named
    if scans:
        needed = {column.name for scan in scans for column in scan.columns}
        read = tuple(c for c in named if c.name in needed)
    read = read or (narrowest(columns),)
    plan: LogicalPlan = Scan(handle, read, tuple(c.name for c in read))
    if len(scans) == 1 and isinstance(plan, Scan):
        plan = _narrow(plan, scans[0])
    if read == named or not named:
        return plan
    return Project(plan, tuple(NamedExpr(c.name, col(c.name) if c in read else _null(c)) for c in named))


def _narrow(plan: Scan, scan: Scan) -> Scan:
    """`plan` with what `scan`, the only one of its table, asks of the storage."""
    if scan.filter is None:
        return Scan(plan.table, plan.columns, plan.aliases, None, scan.limit)
    if not plan.table.caps.predicate_pushdown:
        return plan
    own: dict[str, exp.Expr] = {a: col(c.name) for a, c in zip(scan.aliases, scan.columns, strict=True)}
    return Scan(plan.table, plan.columns, plan.aliases, substitute(scan.filter, own), scan.limit)


def _null(column: Column) -> exp.Expr:
    return exp.Cast(this=exp.Null(), to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=column.type))


def little_won(statement: syntax.Node, text: str, tables: Sequence[TableHandle]) -> str:
    """Why operators would cost more, some hundredths of a millisecond for each expression, than they win; else empty.

    Of wide statements over small tables, reading only what is needed, or at several workers, wins little.
    """
    if len(text) > _MOST_CHARACTERS:
        return "a long text"
    items = len(statement["node"].get("select_list") or ())
    sizes = [handle.bytes for handle in tables]
    little = None not in sizes and sum(size for size in sizes if size is not None) <= _LITTLE_BYTES
    return "many columns of little data" if items > _WIDE_ITEMS and little else ""
