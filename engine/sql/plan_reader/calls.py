"""Calls of the kernel's functions by name, and what a plan says of a function beside its arguments."""

from __future__ import annotations

from sqlglot import exp

from engine.sql.plan_reader.constants import cast
from engine.sql.plan_reader.keywords import is_bare
from engine.sql.plan_reader.not_read import Node, NotRead
from engine.value_bounds import BOUNDED_FUNCTIONS

__all__ = ["LIST_AGGREGATES", "call", "check_function", "check_name", "named_argument"]

_SYSTEM = ["system", "main"]
_DATE_PARTS = frozenset(
    {"year", "month", "day", "decade", "century", "millennium", "quarter", "microsecond", "millisecond", "second"}
    | {"minute", "hour", "epoch", "dayofweek", "isodow", "week", "isoyear", "dayofyear", "yearweek", "era"}
    | {"timezone", "timezone_hour", "timezone_minute", "julian"}
)
_OF_THE_STATEMENT = frozenset(
    {"alias", "stats", "vector_type", "current_query", "current_query_id", "current_connection_id"}
    | {"current_transaction_id", "txid_current", "in_search_path"}
)  # whose values tell of the statement that they stand in, or of what lies below it
_RETURNS = frozenset({"variable_return_type"})
_LAMBDAS = frozenset({"return_type", "lambda_expr", "has_index", "has_initial"})
_DECIMALS = frozenset({"check_overflow", "return_type", "arguments"})
_SORTS = frozenset({"order_type", "null_order", "return_type", "child_type", "is_grade_up", "sort_key"})
LIST_AGGREGATES = frozenset({"list_aggr", "list_aggregate", "array_aggr", "array_aggregate", "aggregate"})
_COLLATION = frozenset({"language", "country", "tag"})
_DATA: dict[str, frozenset[str]] = {
    **dict.fromkeys(("row", "struct_pack", "struct_insert", "union_value"), _RETURNS),
    "struct_update": _RETURNS | {"field_indexes"},
    **dict.fromkeys(("+", "-", "*", "add", "subtract", "multiply"), _DECIMALS),
    **{f"{kind}_{verb}": _LAMBDAS for kind in ("list", "array") for verb in ("transform", "apply", "filter", "reduce")},
    **dict.fromkeys(("apply", "filter", "reduce"), _LAMBDAS),
    **{f"{kind}_{verb}": _SORTS for kind in ("list", "array") for verb in ("sort", "reverse_sort", "grade_up")},
    "grade_up": _SORTS,
    **dict.fromkeys(LIST_AGGREGATES, frozenset({"bind_data"})),
    "invoke": frozenset({"lambda_expr"}),
    "date_part": frozenset({"stype", "part_codes"}),
    "datepart": frozenset({"stype", "part_codes"}),
}
"""What functions say of themselves that follows from their arguments, when they are bound again."""


def call(node: Node, arguments: list[exp.Expr]) -> exp.Expr:
    """A call of the function of `node`."""
    name = node["qname"]["path"][-1]
    if node["positional_arguments"] == 2 and len(arguments) == 1 and name in _DATE_PARTS:
        # date_part() with a constant: it takes types that the function itself does not.
        return exp.Anonymous(this="date_part", expressions=[exp.Literal.string(name), *arguments])
    if name in BOUNDED_FUNCTIONS:  # a macro of that name stands before it
        steps = [exp.Identifier(this=step, quoted=True) for step in _SYSTEM]
        return exp.Dot.build([*steps, exp.Anonymous(this=_spell(name), expressions=arguments)])
    called = exp.Anonymous(this=_spell(name), expressions=arguments)
    if name == "error" and node["return_type"]["id"] != "NULL":
        return cast(called, node["return_type"])
    return called


def named_argument(name: str, value: exp.Expr) -> exp.Expr:
    """An argument that is given by name."""
    return exp.PropertyEQ(this=exp.Identifier(this=name, quoted=True), expression=value)


def check_name(node: Node) -> None:
    """Raise NotRead for functions that are not the kernel's, or tell of the statement that they stand in."""
    *path, name = node["qname"]["path"]
    if path != _SYSTEM or name in _OF_THE_STATEMENT or name.startswith("__internal"):
        raise NotRead(f"function {name}")


def check_function(node: Node) -> None:
    """As `check_name`, and for functions whose own data say what their arguments do not."""
    check_name(node)
    name = node["qname"]["path"][-1]
    data = node.get("function_data")
    if not data:
        return
    known = _COLLATION if name.startswith(("collate_", "icu_collate_")) else _DATA.get(name)
    if known is None or not data.keys() <= known:
        raise NotRead(f"function {name} has data of its own")
    sort_key = data.get("sort_key")
    if sort_key is not None and sort_key["expression_class"] != "BOUND_REF":
        raise NotRead(f"function {name} sorts by another order")


def _spell(name: str) -> str | exp.Expr:
    return name if is_bare(name) else exp.Identifier(this=name, quoted=True)
