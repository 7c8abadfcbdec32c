"""Window functions, as they are bound."""

from __future__ import annotations

from sqlglot import exp

from engine.sql.plan_reader.aggregates import aggregate_call, filter_call, with_clauses
from engine.sql.plan_reader.constants import cast
from engine.sql.plan_reader.decimals import natural_operands
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys
from engine.sql.plan_reader.ordering import order
from engine.sql.plan_reader.scalars import Scalars

__all__ = ["window"]

_KEYS = frozenset(
    {"expression_class", "type", "alias", "query_location", "query_location_length", "return_type", "children"}
    | {"arguments", "qname", "has_serialize", "positional_arguments", "function_data", "partitions", "orders"}
    | {"ignore_nulls", "start", "end", "start_expr", "end_expr", "exclude_clause", "distinct", "arg_orders", "filters"}
    | {"sql_range_start", "sql_range_end", "sql_range_order_type", "sql_range_order_casts"}
    | {"sql_range_start_boundary", "sql_range_end_boundary"}
)
_IGNORING: dict[str, tuple[type[exp.Func], tuple[str, ...]]] = {
    "first_value": (exp.FirstValue, ("this",)),
    "last_value": (exp.LastValue, ("this",)),
    "nth_value": (exp.NthValue, ("this", "offset")),
    "lead": (exp.Lead, ("this", "offset", "default")),
    "lag": (exp.Lag, ("this", "offset", "default")),
}
"""What can ignore NULL, as the functions for which sqlglot prints that, with the names of their arguments."""
_FUNCTIONS = {
    "WINDOW_ROW_NUMBER": "row_number",
    "WINDOW_RANK": "rank",
    "WINDOW_RANK_DENSE": "dense_rank",
    "WINDOW_PERCENT_RANK": "percent_rank",
    "WINDOW_CUME_DIST": "cume_dist",
    "WINDOW_NTILE": "ntile",
    "WINDOW_FIRST_VALUE": "first_value",
    "WINDOW_LAST_VALUE": "last_value",
    "WINDOW_NTH_VALUE": "nth_value",
    "WINDOW_LEAD": "lead",
    "WINDOW_LAG": "lag",
    "WINDOW_FILL": "fill",
}
_EXCLUDED = {"NO_OTHER": None, "CURRENT_ROW": "CURRENT ROW", "GROUP": "GROUP", "TIES": "TIES"}
_DEFAULT = ("UNBOUNDED_PRECEDING", "CURRENT_ROW_RANGE", "NO_OTHER")


def window(scalars: Scalars, node: Node) -> exp.Expr:
    """The window function, with its frame. Raises NotRead for what is not known."""
    check_keys(node, _KEYS, "a window function")
    if node["expression_class"] != "BOUND_WINDOW":
        raise NotRead(f"window function {node['expression_class']}")
    function = filter_call(scalars, _function(scalars, node), node.get("filters"))
    return exp.Window(
        this=function,
        partition_by=scalars.all(node["partitions"]),
        order=_order(scalars, node),
        spec=_frame(scalars, node),
    )


def _function(scalars: Scalars, node: Node) -> exp.Expr:
    if node["type"] == "WINDOW_AGGREGATE":
        if node["ignore_nulls"]:
            raise NotRead("a windowed aggregate that ignores NULL")
        return aggregate_call(scalars, node, node["distinct"], node["arg_orders"])
    name = _FUNCTIONS.get(node["type"])
    if name is None or "function_data" in node or "qname" in node:
        raise NotRead(f"window function {node['type']}")
    arguments = [scalars.read_typed(child) for child in node["children"]]
    if node["arg_orders"] and not arguments:
        arguments = [order(scalars, node["arg_orders"])]
    else:
        arguments = with_clauses(scalars, arguments, node["distinct"], node["arg_orders"])
    if not node["ignore_nulls"]:
        return exp.Anonymous(this=name, expressions=arguments)
    if name not in _IGNORING:
        raise NotRead(f"window function {node['type']} that ignores NULL")
    made, names = _IGNORING[name]
    return exp.IgnoreNulls(this=made(**dict(zip(names, arguments, strict=True))))


def _order(scalars: Scalars, node: Node) -> exp.Order | None:
    """The ORDER BY. For a range, the kernel casts its key to the type of the bounds, and will do so again."""
    keys = node["orders"]
    for _ in node.get("sql_range_order_casts", ()):
        (key,) = keys
        keys = [{**key, "expression": _uncast(key["expression"])}]
    return order(scalars, keys) if keys else None


def _uncast(node: Node) -> Node:
    if node["type"] != "OPERATOR_CAST" or node["function_data"]["try_cast"]:
        raise NotRead("a range over a key of another type")
    child: Node = node["children"][0]
    return child


def _frame(scalars: Scalars, node: Node) -> exp.WindowSpec | None:
    start, end, excluded = node["start"], node["end"], node["exclude_clause"]
    if (start, end, excluded) == _DEFAULT:
        return None
    if excluded not in _EXCLUDED:
        raise NotRead(f"a frame without {excluded}")
    kinds = {bound.rsplit("_", 1)[1] for bound in (start, end)} - {"PRECEDING", "FOLLOWING"}
    kind = kinds.pop() if kinds else "ROWS"
    if kinds or kind not in ("ROWS", "RANGE", "GROUPS"):
        raise NotRead("a frame of two kinds")
    first, first_side = _frame_bound(scalars, node, start, "start")
    last, last_side = _frame_bound(scalars, node, end, "end")
    return exp.WindowSpec(
        kind=kind, start=first, start_side=first_side, end=last, end_side=last_side, exclude=_EXCLUDED[excluded]
    )


def _frame_bound(scalars: Scalars, node: Node, bound: str, which: str) -> tuple[str | exp.Expr, str | None]:
    expression = node.get(f"{which}_expr")
    match bound.split("_"):
        case ["UNBOUNDED", side] if expression is None:
            return "UNBOUNDED", side
        case ["CURRENT", "ROW", _] if expression is None:
            return "CURRENT ROW", None
        case ["EXPR", side, "RANGE"] if expression is not None:
            return _offset(scalars, node, which), side
        case ["EXPR", side, _] if expression is not None:
            return scalars.read_typed(expression), side
    raise NotRead(f"a frame with {bound}")


def _offset(scalars: Scalars, node: Node, which: str) -> exp.Expr:
    """How far a range reaches from the key: the kernel has computed the bound from both."""
    boundary, bound = node[f"sql_range_{which}_boundary"], node[f"{which}_expr"]
    for _ in boundary["result_casts"]:
        bound = _uncast(bound)
    (key,) = node["orders"]
    own = key["expression"]
    for _ in node.get("sql_range_order_casts", ()):
        own = _uncast(own)
    if scalars.read(bound) == scalars.read(own):  # what is no distance the kernel leaves away
        return cast(exp.Literal.string("0"), boundary["offset_type"])
    if bound["type"] != "BOUND_FUNCTION" or bound["qname"] != boundary["function_name"] or len(bound["children"]) != 2:
        raise NotRead("a range with another bound")
    base, offset = natural_operands(bound) if "function_data" in bound else bound["children"]
    while scalars.read(own) != scalars.read(base):
        base = _uncast(base)
    return scalars.read_typed(offset)
