"""Constants of aggregates: what the kernel has made of them when it bound the aggregate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from engine.sql.plan_reader.constants import constant, integer, typed_constant
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys

__all__ = ["constants_of"]

_QUANTILES = frozenset({"quantile", "quantile_cont", "quantile_disc"})


def constants_of(node: Node) -> dict[int, exp.Expr]:
    """By position, the arguments of an aggregate that are to be written in another way than they stand in the plan.

    A quantile is one of decimal digits where it was written so, and is looked up as such; the plan has it as a DOUBLE.
    Raises NotRead if the aggregate has data that do not follow from its arguments.
    """
    data = node.get("function_data")
    if data is None:
        return {}
    name, children = node["qname"]["path"][-1], node["children"]
    if name in _QUANTILES:
        return {1: _quantile(children, data)}
    if name == "bitstring_agg" and len(children) == 3 and data.keys() == {"min", "max"}:
        return {1: typed_constant(data["min"]), 2: typed_constant(data["max"])}
    check = _CHECKS.get(name)
    if check is None or not check(children, data):
        raise NotRead(f"aggregate {name} has data of its own")
    return {}


def _quantile(children: Sequence[Node], data: Node) -> exp.Expr:
    check_keys(data, frozenset({"quantiles", "order", "desc"}), "a quantile")
    if len(children) != 2 or children[1]["type"] != "VALUE_CONSTANT":
        raise NotRead("a quantile that is no constant")
    value = children[1]["value"]
    is_list = value["type"]["id"] == "LIST"
    if not is_list and len(data["quantiles"]) != 1:
        raise NotRead("a quantile that is several")
    each = [_signed_quantile(quantile, data["desc"]) for quantile in data["quantiles"]]
    return exp.Array(expressions=each) if is_list else each[0]


def _signed_quantile(quantile: Node, descending: bool) -> exp.Expr:
    """One quantile; counted from the other end it is written as a negative one."""
    if not descending:
        return constant(quantile)
    value, name = quantile["value"], quantile["type"]["id"]
    if (name == "DECIMAL" and value == 0) or isinstance(value, dict):
        raise NotRead("a quantile of zero from the other end")
    return constant({**quantile, "value": -value})


def _separator(children: Sequence[Node], data: Node) -> bool:
    if data.keys() != {"separator"}:
        return False
    if len(children) == 1:
        return bool(data["separator"] == ",")
    return bool(children[1]["type"] == "VALUE_CONSTANT" and children[1]["value"].get("value") == data["separator"])


def _median(children: Sequence[Node], data: Node) -> bool:
    quantiles = data.get("quantiles", ())
    return (
        data.keys() == {"quantiles", "order", "desc"}
        and len(children) == 1
        and len(quantiles) == 1
        and not data["desc"]
        and quantiles[0].get("value") == 5
        and quantiles[0]["type"].get("type_info", {}).get("scale") == 1
    )


def _is_count(key: str) -> Callable[[Sequence[Node], Node], bool]:
    def check(children: Sequence[Node], data: Node) -> bool:
        return data.keys() == {key} and integer(children[-1]["value"]) == data[key]

    return check


def _keys(*names: str) -> Callable[[Sequence[Node], Node], bool]:
    """The data follow from the arguments, which are all there."""

    def check(children: Sequence[Node], data: Node) -> bool:
        return data.keys() <= set(names) and all(child["type"] == "VALUE_CONSTANT" for child in children[1:])

    return check


_CHECKS: dict[str, Callable[[Sequence[Node], Node], bool]] = {
    **dict.fromkeys(("string_agg", "group_concat", "listagg"), _separator),
    "median": _median,
    "lttb": _is_count("n"),
    "approx_quantile": _keys("quantiles"),
    "reservoir_quantile": _keys("quantiles", "sample_size", "decimal_type"),
    "sum_no_overflow": _keys(),
}
