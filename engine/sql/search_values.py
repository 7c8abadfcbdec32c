"""Values that are searched for: how they are bound, and read as numbers and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import InvalidValueError, TypeMismatchError
from engine.sql.searches import SEARCH, VECTOR
from engine.sql.syntax import Node, Tree

__all__ = [
    "UNKNOWN",
    "ListCast",
    "ParameterValue",
    "QueryVectors",
    "bound_query",
    "bound_text",
    "held_value",
    "put_queries",
    "query_vectors",
    "without_cast",
]

_BOUND = "BOUND"  # the class of a node that holds a value
_FLOAT_LISTS = frozenset({"FLOAT", "DOUBLE"})


class _ValueText(str):
    """A text in a tree that holds a value."""

    given: ParameterValue


@dataclass(frozen=True)
class ParameterValue:
    """A value for the parameter at a `place` from 0; `text` gives it as SQL."""

    value: pa.Scalar
    text: Callable[[], str]
    place: int


UNKNOWN = ParameterValue(pa.scalar(None), lambda: "NULL", 0)
"""For a parameter whose value is to come."""


def put_queries(tree: Tree, values: Mapping[str, ParameterValue]) -> list[tuple[Node, Node]]:
    """The parameters that are only searched for, with nodes for their values, which are not printed and read again."""
    queries = {
        id(node): node
        for table, _ in tree.relations("BASE_TABLE")
        if SEARCH in table
        and not table[SEARCH]["each"]
        and (node := _query_node(table[SEARCH])).get("class") == "PARAMETER"
    }
    if not queries:
        return []
    elsewhere = {node["identifier"] for node in tree.expressions("PARAMETER") if id(node) not in queries}
    found = []
    for node in queries.values():
        if node["identifier"] not in elsewhere:
            held = _ValueText("?")
            held.given = values[str(node["identifier"])]
            found.append((node, {"class": _BOUND, "type": _BOUND, "value": held}))
    return found


def _query_node(noted: Node) -> Node:
    query: Node = noted["query"]
    return without_cast(query)[0] if noted["kind"] == VECTOR else query


def held_value(node: Node) -> ParameterValue | None:
    """The value that a node holds, if it does."""
    return node["value"].given if node.get("class") == _BOUND else None


@dataclass(frozen=True)
class QueryVectors:
    """What is searched for: float64 numbers, of one vector, or of as many as `count` says."""

    numbers: bytes
    count: int | None


@dataclass(frozen=True)
class ListCast:
    """A cast of a query to a list of floats, or with `is_nested` to lists of them, of `size` numbers if it says so."""

    is_nested: bool
    is_float: bool
    size: int | None


def without_cast(node: Node) -> tuple[Node, ListCast | None]:
    """What is cast to a list of floats, or to a list of such lists, as which a query is read anyway; and the cast."""
    if node.get("class") == "CAST" and not node.get("try_cast"):
        kind = node.get("type_expr") or {}
        is_nested = _list_name(kind) == "list" and bool(_list_name(_item(kind)))
        kind = _item(kind) if is_nested else kind
        name, items = _list_name(kind), str(_item(kind).get("type_name")).upper()
        inner = node["child"]
        if name and items in _FLOAT_LISTS and inner.get("class") != "CAST":
            size = int(kind["children"][1]["literal"]["text"]) if name == "array" else None
            return inner, ListCast(is_nested, items == "FLOAT", size)
    return node, None


def _list_name(kind: Node) -> str:
    name = str(kind.get("type_name")).lower()
    return name if name in ("array", "list") else ""


def _item(kind: Node) -> Node:
    found: Node = (kind.get("children") or [{}])[0]
    return found


def bound_text(value: pa.Scalar) -> str | None:
    """A text that was bound; None for NULL. Raises TypeMismatchError for another value."""
    if not value.is_valid:
        return None
    found = value.as_py()
    if not isinstance(found, str):
        raise TypeMismatchError(f"What a text search looks for is a text, a value of type {value.type} was bound.")
    return found


def bound_query(value: pa.Scalar, cast: ListCast | None) -> QueryVectors | None:
    """The numbers of a list, or of a list of lists, that was bound; None for NULL.

    Raises TypeMismatchError for another value, InvalidValueError as `query_vectors`.
    """
    if not value.is_valid:
        return None
    items = value.values if isinstance(value, pa.ListScalar) else None
    numbers = items
    if items is not None and _is_list(items.type):
        numbers = items.flatten()
    if numbers is None or pa.types.is_map(value.type) or not _is_number(numbers.type):
        message = f"What a vector search looks for is a list of numbers, a value of type {value.type} was bound."
        raise TypeMismatchError(message)
    if numbers is items and not items.null_count:
        return query_vectors(items.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), cast)
    return query_vectors(value.as_py(), cast)


def query_vectors(found: Sequence[Any], cast: ListCast | None = None) -> QueryVectors:
    """Numbers, or lists of numbers, as float64, of the precision of FLOAT where they are cast to that.

    Raises InvalidValueError for NULL among them, and for lists of different sizes or another one than they are cast to.
    """
    is_flat = isinstance(found, np.ndarray)  # numbers, of which none is NULL
    is_nested = not is_flat and any(isinstance(item, list) for item in found)
    lists = found if is_nested else [found]
    if not is_flat and any(item is None or any(number is None for number in item) for item in lists):
        raise InvalidValueError("There is a NULL among the numbers of the query.")
    sizes = sorted({len(item) for item in lists})
    if len(sizes) > 1:
        raise InvalidValueError(f"The query has vectors of {sizes[0]} and of {sizes[-1]} dimensions.")
    if cast is not None and cast.is_nested != is_nested and len(found):
        one, other = ("a list of numbers", "a list of lists")[:: 1 if cast.is_nested else -1]
        raise TypeMismatchError(f"The query is {one}, and is cast to {other}.")
    if cast is not None and cast.size is not None and len(found) and sizes != [cast.size]:
        raise InvalidValueError(f"The query has {sizes[0]} dimensions, and is cast to {cast.size}.")
    numbers = np.array(lists, np.float64)
    if cast is not None and cast.is_float:
        with np.errstate(over="ignore"):
            numbers = numbers.astype(np.float32).astype(np.float64)
    return QueryVectors(numbers.tobytes(), len(found) if is_nested else None)


def _is_list(kind: pa.DataType) -> bool:
    types = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_kind(kind) for is_kind in types)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
