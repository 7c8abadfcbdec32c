"""Bound plans for tests: what the kernel's binder says of statements, and of expressions that are printed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import duckdb

from engine.sql.plan_reader.expressions import Expressions
from engine.sql.plan_reader.types import type_text

__all__ = ["Binder", "Rebinder", "expressions_of", "nodes_of"]

_ALLOWED = frozenset(
    {"expression_rewriter", "filter_pullup", "filter_pushdown", "cte_filter_pusher", "regex_range", "deliminator"}
    | {"unnest_rewriter", "cte_inlining", "outer_join_simplification", "duplicate_groups"}
)
_COLUMNS = "unused_columns"
_OF_THE_TEXT = frozenset(
    {"query_location", "query_location_length", "alias", "is_operator", "positional_arguments", "named_arguments"}
    | {"parameter_names", "has_serialize", "is_default_cast", "sql_range_start", "sql_range_end"}
)
_OTHERS = ("sort_key", "bind_data")  # whose references are not to columns
_CONJUNCTIONS = ("CONJUNCTION_AND", "CONJUNCTION_OR")
_PLACES = {
    "scalar": "LOGICAL_PROJECTION",
    "aggregate": "LOGICAL_AGGREGATE_AND_GROUP_BY",
    "window": "LOGICAL_WINDOW",
}

Node = dict[str, Any]


class Binder:
    """The kernel's binder, with the rewrites that plans are read behind. `connection` takes its tables."""

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        self.connection = duckdb.connect()
        names = self.connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        off = {name for (name,) in names} - (_ALLOWED | {_COLUMNS} - without)
        self.connection.execute(f"SET disabled_optimizers = '{','.join(off)}'")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET threads = 1")  # rows keep their order

    def plan(self, sql: str) -> Node:
        """The bound plan of a SELECT."""
        options = "optimize := true, skip_null := true, skip_empty := true, skip_default := true"
        row = self.connection.execute(f"SELECT json_serialize_plan(?, {options})", [sql]).fetchone()
        assert row is not None
        answer = json.loads(row[0].replace(":NAN}", ":NaN}"))
        assert not answer.get("error"), f"{sql}: {answer.get('error_message')}"
        (plan,) = answer["plans"]
        return plan


def nodes_of(plan: Node, kind: str) -> Iterator[Node]:
    """The operators of one kind, from the root on."""
    if plan["type"] == kind:
        yield plan
    for child in plan.get("children", ()):
        yield from nodes_of(child, kind)


def expressions_of(plan: Node) -> Iterator[tuple[str, Node]]:
    """Every expression of a plan, with the method of `Expressions` that reads it."""
    match plan["type"]:
        case "LOGICAL_AGGREGATE_AND_GROUP_BY":
            yield from (("aggregate", node) for node in plan.get("expressions", ()))
            yield from (("scalar", node) for node in plan.get("groups", ()))
        case "LOGICAL_WINDOW":
            yield from (("window", node) for node in plan["expressions"])
        case "LOGICAL_UNNEST":
            yield from (("scalar", node.get("child", node)) for node in plan["expressions"])
        case _:
            yield from (("scalar", node) for node in _inside({k: v for k, v in plan.items() if k != "children"}))
    for child in plan.get("children", ()):
        yield from expressions_of(child)


def _inside(value: Any) -> Iterator[Node]:
    if isinstance(value, dict) and "expression_class" in value:
        yield value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in ("function_data", "returned_types"):
                yield from _inside(inner)


class Rebinder:
    """Prints expressions over columns of tables of its own, and binds them again."""

    def __init__(self) -> None:
        self._binder = Binder(without=frozenset({_COLUMNS}))
        self._tables: dict[tuple[str, ...], str] = {}
        self._bound: dict[tuple[str, tuple[str, ...]], Any] = {}

    def difference(self, kind: str, node: Node) -> str | None:
        """What the kernel says of the printed expression and not of the original, or the other way round.

        Raises NotRead.
        """
        types = dict(sorted({n.get("index", 0): type_text(n["return_type"]) for n in _references(node)}.items()))
        names = {position: f"c{number}" for number, position in enumerate(types)}
        text = getattr(Expressions(names), kind)(node).sql("duckdb")
        if node["expression_class"] == "BOUND_REF":
            return None
        key = (text, tuple(types.values()))
        if key not in self._bound:
            self._bound[key] = self._again(kind, *key)
        difference = _difference(_meaning(node, names.__getitem__), self._bound[key])
        return f"{text}: {difference}" if difference else None

    def _again(self, kind: str, text: str, types: tuple[str, ...]) -> Any:
        """What the printed expression means to the binder."""
        plan = self._binder.plan(f"SELECT {text} FROM {self._table(types)}")
        node = next(nodes_of(plan, _PLACES[kind]))["expressions"][0]
        (scan,) = nodes_of(plan, "LOGICAL_GET")
        names = [scan["names"][column.get("index", 0)] for column in scan["column_indexes"]] if types else []
        return _meaning(node, names.__getitem__)

    def _table(self, types: tuple[str, ...]) -> str:
        """A table of columns of these types: c0, c1 and so on."""
        if types not in self._tables:
            name = self._tables[types] = f"t{len(self._tables)}"
            columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types or ("INTEGER",)))
            self._binder.connection.execute(f"CREATE TABLE {name} ({columns})")
        return self._tables[types]


def _references(value: Any) -> Iterator[Node]:
    if isinstance(value, dict) and value.get("expression_class") == "BOUND_REF":
        yield value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in ("lambda_expr", "function_data", "sql_range_start", "sql_range_end"):
                yield from _references(inner)


def _meaning(value: Any, name: Callable[[int], Any] | None) -> Any:
    """What an expression computes, without what tells of its text, and with names for positions."""
    if isinstance(value, list):
        return [_meaning(each, name) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("expression_class") == "BOUND_REF":
        position = value.get("index", 0)
        return [position if name is None else name(position), _meaning(value["return_type"], name)]
    if value.get("type") == "OPERATOR_CAST" and value["arguments"][0] == value["return_type"]:
        return _meaning(value["children"][0], name)
    if value.get("type") == "OPERATOR_CAST" and value["children"][0].get("value", {}).get("is_null"):
        null = {"type": value["return_type"], "is_null": True}  # inside of a lambda it is not computed beforehand
        return _meaning({**value["children"][0], "value": null}, name)
    if value.get("type") == "STRING_TYPE_INFO":
        return None  # a collation, which has done its work
    if value.get("type") in _CONJUNCTIONS:
        return [value["type"], *_parts(value, name)]
    if value.get("type") == "COMPARE_BETWEEN" and all(value["function_data"].values()):
        return ["CONJUNCTION_AND", *_parts(value, name)]
    if "qname" in value:
        bodies = [child for child in value["children"] if child["type"] == "LAMBDA"]
        if bodies:
            return _lambda_meaning(value, bodies[0], name)
        value = _function_meaning(value)
    return {
        key: each
        for key, inner in value.items()
        if key not in _OF_THE_TEXT and (each := _meaning(inner, None if key in _OTHERS else name)) is not None
    }


def _parts(node: Node, name: Callable[[int], Any] | None) -> list[Any]:
    """What is connected, without brackets; BETWEEN connects two comparisons."""
    if node["type"] == "COMPARE_BETWEEN":
        this, *bounds = node["children"]
        comparisons = (("COMPARE_GREATERTHANOREQUALTO", ">="), ("COMPARE_LESSTHANOREQUALTO", "<="))
        parts = [
            {
                **{k: v for k, v in node.items() if k not in ("children", "arguments", "function_data")},
                "type": kind,
                "qname": {"path": [sign]},
                "children": [this, bound],
                "arguments": node["arguments"][1:],
                "function_data": {},
            }
            for (kind, sign), bound in zip(comparisons, bounds, strict=True)
        ]
    else:
        parts = node["children"]
    found: list[Any] = []
    for part in parts:
        meaning = _meaning(part, name)
        within = isinstance(meaning, list) and meaning and meaning[0] in _CONJUNCTIONS
        same = within and meaning[0] == ("CONJUNCTION_AND" if node["type"] == "COMPARE_BETWEEN" else node["type"])
        found += meaning[1:] if same else [meaning]
    return found


def _lambda_meaning(node: Node, body: Node, name: Callable[[int], Any] | None) -> Any:
    """What a call with a lambda computes: what is captured stands in the place of its use."""
    given, parameters = node["positional_arguments"], body["parameter_count"]
    captured = node["children"][given:]

    def inside(position: int) -> Any:
        return f"x{position}" if position < parameters else _meaning(captured[position - parameters], name)

    data = {key: inner for key, inner in node["function_data"].items() if key != "lambda_expr"}
    arguments = [
        _meaning(body["lambda_expr"], inside) if child is body else _meaning(child, name)
        for child in node["children"][:given]
    ]
    return [node["qname"]["path"][-1], arguments, parameters, _meaning(data, name), _meaning(node["return_type"], name)]


def _function_meaning(node: Node) -> Node:
    function = node["qname"]["path"][-1]
    if function == "normalized_interval" and node["children"][0].get("qname") == node["qname"]:
        return _function_meaning(node["children"][0])  # twice is as good as once
    if function == "__cast" and node["children"][0].get("qname", {}).get("path", [""])[-1] == "error":
        return _function_meaning({**node["children"][0], "return_type": node["return_type"]})  # gives no value at all
    if function in ("*", "multiply") and "function_data" in node:
        return _without_digits({**node, "function_data": {**node["function_data"], "arguments": None}})
    return {**node, "qname": function}


def _without_digits(node: Node) -> Node:
    """A product of decimals without the digits to which its constant was widened: the result has its own."""
    children = [
        {**child, "value": {**child["value"], "type": None}} if child["type"] == "VALUE_CONSTANT" else child
        for child in node["children"]
    ]
    return {**node, "arguments": None, "qname": node["qname"]["path"][-1], "children": children}


def _difference(one: Any, other: Any, path: str = "") -> str | None:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        found = (_difference(one[key], other[key], f"{path}/{key}") for key in one)
        return next(filter(None, found), None)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (_difference(a, b, f"{path}/{i}") for i, (a, b) in enumerate(zip(one, other, strict=True)))
        return next(filter(None, found), None)
    same = one == other or (one != one and other != other)
    return None if same else f"at {path} {json.dumps(one)} became {json.dumps(other)}"
