"""Filters that the kernel has pushed into the scan of a table."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.sql.plan_reader.constants import beside
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys
from engine.sql.plan_reader.scalars import COMPARISONS, Scalars, Scope, operand

__all__ = ["table_filters"]

_KEYS: dict[str, frozenset[str]] = {
    kind: frozenset(keys) | {"filter_type"}
    for kind, keys in {
        "LEGACY_CONSTANT_COMPARISON": {"comparison_type", "constant"},
        "LEGACY_IS_NULL": set[str](),
        "LEGACY_IS_NOT_NULL": set[str](),
        "LEGACY_CONJUNCTION_AND": {"child_filters"},
        "LEGACY_CONJUNCTION_OR": {"child_filters"},
        "LEGACY_IN_FILTER": {"values"},
        "LEGACY_STRUCT_EXTRACT": {"child_idx", "child_name", "child_filter"},
        "LEGACY_OPTIONAL_FILTER": {"child_filter"},
        "EXPRESSION_FILTER": {"expr"},
    }.items()
}


def table_filters(node: Node, columns: Scope) -> list[exp.Expr]:
    """The conditions, one for each that must hold, over the scanned columns by position.

    What is there only to skip rows sooner is left out: the plan has the whole condition above the scan. Raises NotRead
    for filters that are not known.
    """
    check_keys(node, frozenset({"filters"}), "the filters of a scan")
    found: list[exp.Expr] = []
    for entry in node.get("filters", ()):
        check_keys(entry, frozenset({"key", "value"}), "a filter")
        found += _conditions(entry["value"], columns[entry.get("key", 0)])
    return found


def _conditions(node: Node, column: str | exp.Expr) -> list[exp.Expr]:
    """The conditions that `node` has on a column, all of which must hold."""
    kind = node["filter_type"]
    if kind not in _KEYS:
        raise NotRead(f"filter {kind}")
    check_keys(node, _KEYS[kind], "a filter")
    this = Scalars([column])
    match kind:
        case "LEGACY_OPTIONAL_FILTER":
            return []
        case "LEGACY_CONJUNCTION_AND":
            return [each for child in node["child_filters"] for each in _conditions(child, column)]
        case "LEGACY_CONJUNCTION_OR":
            return _any([_conditions(child, column) for child in node["child_filters"]])
        case "EXPRESSION_FILTER":
            return [this.read(node["expr"])]
        case "LEGACY_STRUCT_EXTRACT":
            field = exp.Anonymous(
                this="struct_extract", expressions=[this.read(_ITSELF), exp.Literal.string(node["child_name"])]
            )
            return _conditions(node["child_filter"], field)
    value = operand(this.read(_ITSELF))
    match kind:
        case "LEGACY_IS_NULL":
            return [exp.Is(this=value, expression=exp.Null())]
        case "LEGACY_IS_NOT_NULL":
            return [exp.Is(this=value, expression=exp.Not(this=exp.Null()))]
        case "LEGACY_IN_FILTER":
            return [exp.In(this=value, expressions=[beside(each) for each in node["values"]])]
    comparison = COMPARISONS.get(node["comparison_type"])
    if comparison is None:
        raise NotRead(f"filter {node['comparison_type']}")
    return [comparison(this=value, expression=beside(node["constant"]))]


def _any(branches: Sequence[list[exp.Expr]]) -> list[exp.Expr]:
    """One condition of which a branch must hold; a branch without conditions always does."""
    if not all(branches):
        return []
    result = _all(branches[0])
    for branch in branches[1:]:
        result = exp.Or(this=result, expression=_all(branch))
    return [result]


def _all(conditions: list[exp.Expr]) -> exp.Expr:
    result = _within(conditions[0])
    for condition in conditions[1:]:
        result = exp.And(this=result, expression=_within(condition))
    return exp.Paren(this=result) if len(conditions) > 1 else result


def _within(condition: exp.Expr) -> exp.Expr:
    return exp.Paren(this=condition) if isinstance(condition, exp.Connector | exp.Not) else condition


_ITSELF: Node = {"expression_class": "BOUND_REF", "type": "BOUND_REF"}
