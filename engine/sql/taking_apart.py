"""Taking a SELECT apart into plan nodes, where that is worth it and gives just what the kernel would."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from engine.context import current_cancellation
from engine.kernel import Kernel
from engine.logical.nodes import LogicalPlan
from engine.logical.subplans import depth, size, subquery_depth
from engine.schema import RowType
from engine.schema_inference import plan_columns
from engine.sql import syntax
from engine.sql.bounds import list_depth
from engine.sql.builder import LogicalBuilder
from engine.sql.clauses import flatten_joins
from engine.sql.names import NotTakenApart
from engine.storage.protocol import TableHandle

__all__ = ["should_take_apart", "take_apart"]

_log = logging.getLogger(__name__)
# What is larger takes other parsers long: the kernel gets it whole.
_MOST_CHARACTERS = 100_000
_MOST_CONDITIONS = 1_000
_WIDE_ITEMS, _LITTLE_BYTES = 200, 16 << 20
_MOST_DEPTH = 150
_MOST_LISTS = 8  # in each other: the other parser's time doubles with each
_MOST_SUBQUERIES = 6  # in each other: so does that of the optimizer, where they stand in the conditions of joins
_MOST_NODES = 2_000  # CTEs that read others twice have a plan that doubles with each


def should_take_apart(root: syntax.Node, text: str, tables: Sequence[TableHandle]) -> bool:
    """Whether to try it with a statement, its `text` and the tables that it reads."""
    if len(text) > _MOST_CHARACTERS or list_depth(root) > _MOST_LISTS:
        return False
    return not _costs_more_apart(root, tables)


def take_apart(
    kernel: Kernel, veiled: str, tables: Mapping[str, tuple[TableHandle, RowType]], columns: RowType
) -> LogicalPlan | None:
    """The plan in nodes of the SELECT `veiled`, where it is known to give just the kernel's `columns`; else None.

    In `veiled`, functions have names that mean nothing to sqlglot; `tables` are by their names in it. Raises the cause
    where the current cancellation is thrown.
    """
    try:
        parsed = sqlglot.parse_one(veiled, dialect="duckdb")
        current_cancellation().check()
        if sum(1 for _ in parsed.find_all(exp.Connector)) > _MOST_CONDITIONS:
            raise NotTakenApart("too many conditions")
        flatten_joins(parsed)
        schema: dict[str, object] = {name: {c.name: c.type for c in own} for name, (_, own) in tables.items()}
        qualified = qualify(parsed, schema=schema, dialect="duckdb", sql=veiled)
        for call in qualified.find_all(exp.Anonymous):
            call.set("this", call.name.removeprefix(syntax.VEIL))
        built = LogicalBuilder(tables, kernel.aggregates).build(qualified)
        plan = built.plan
        if plan.names != tuple(name for _, name in built.outputs):
            raise NotTakenApart("columns in another order")
        if depth(plan) > _MOST_DEPTH or size(plan) > _MOST_NODES:
            raise NotTakenApart("nested too deeply")
        if subquery_depth(plan) > _MOST_SUBQUERIES:
            raise NotTakenApart("too many subqueries in each other")
        types = plan_columns(plan, kernel)
    except Exception as reason:  # whatever another parser stumbles over, the kernel knows the statement
        current_cancellation().check()
        _log.debug("not taken apart: %r", reason)
        return None
    if tuple(c.type for c in types) != tuple(c.type for c in columns):
        _log.debug("not taken apart: types differ from the kernel's")
        return None
    return plan


def _costs_more_apart(statement: syntax.Node, tables: Sequence[TableHandle]) -> bool:
    """Whether it takes longer to take a statement apart, some tenths of a millisecond for each item, than can be won.

    That is so of wide statements over small tables: reading only what is needed, or at several workers, wins little.
    """
    items = len(statement["node"].get("select_list") or ())
    sizes = [handle.bytes for handle in tables]
    return (
        items > _WIDE_ITEMS and sum(size for size in sizes if size is not None) <= _LITTLE_BYTES and None not in sizes
    )
