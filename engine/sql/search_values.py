"""Values that are searched for: how they are bound, and read as numbers and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.errors import InvalidValueError, TypeMismatchError
from engine.sql.searches import SEARCH, VECTOR
from engine.sql.syntax import Node, Tree

__all__ = ["UNKNOWN", "Given", "bound_text", "bound_vector", "held_value", "put_queries", "vector", "without_cast"]

_BOUND = "BOUND"  # the class of a node that holds a value
_FLOAT_LISTS = frozenset({"FLOAT", "DOUBLE"})


class _Held(str):
    """A text in a tree that holds a value."""

    given: Given


@dataclass(frozen=True)
class Given:
    """A value for the parameter at a `place` from 0; `text` gives it as SQL."""

    value: pa.Scalar
    text: Callable[[], str]
    place: int


UNKNOWN = Given(pa.scalar(None), lambda: "NULL", 0)
"""For a parameter whose value is to come."""


def put_queries(tree: Tree, values: Mapping[str, Given]) -> list[tuple[Node, Node]]:
    """The parameters that are only searched for, with nodes for their values, which are not printed and read again."""
    queries = {
        id(node): node
        for table, _ in tree.relations("BASE_TABLE")
        if SEARCH in table and (node := _searched(table[SEARCH])).get("class") == "PARAMETER"
    }
    if not queries:
        return []
    elsewhere = {node["identifier"] for node in tree.expressions("PARAMETER") if id(node) not in queries}
    found = []
    for node in queries.values():
        if node["identifier"] not in elsewhere:
            held = _Held("?")
            held.given = values[str(node["identifier"])]
            found.append((node, {"class": _BOUND, "type": _BOUND, "value": held}))
    return found


def _searched(noted: Node) -> Node:
    query: Node = noted["query"]
    return without_cast(query)[0] if noted["kind"] == VECTOR else query


def held_value(node: Node) -> Given | None:
    """The value that a node holds, if it does."""
    return node["value"].given if node.get("class") == _BOUND else None


def without_cast(node: Node) -> tuple[Node, bool]:
    """What is cast to a list of floats, as whose numbers a query is read anyway; and whether they become FLOATs.

    The number of dimensions is compared with the column's later.
    """
    if node.get("class") == "CAST" and not node.get("try_cast"):
        kind = node.get("type_expr") or {}
        items = (kind.get("children") or [{}])[0]
        names = (str(kind.get("type_name")).lower(), str(items.get("type_name")).upper())
        inner = node["child"]
        if names[0] in ("array", "list") and names[1] in _FLOAT_LISTS and inner.get("class") != "CAST":
            return inner, names[1] == "FLOAT"
    return node, False


def bound_text(value: pa.Scalar) -> str | None:
    """A text that was bound; None for NULL. Raises TypeMismatchError for another value."""
    if not value.is_valid:
        return None
    found = value.as_py()
    if not isinstance(found, str):
        raise TypeMismatchError(f"What a text search looks for is a text, a value of type {value.type} was bound.")
    return found


def bound_vector(value: pa.Scalar, *, narrowed: bool) -> bytes | None:
    """The numbers of a list that was bound, as `vector` gives them; None for NULL.

    Raises TypeMismatchError for another value.
    """
    if not value.is_valid:
        return None
    items = getattr(value, "values", None)
    if items is None or pa.types.is_map(value.type) or not _is_number(items.type):
        message = f"What a vector search looks for is a list of numbers, a value of type {value.type} was bound."
        raise TypeMismatchError(message)
    if items.null_count:
        return vector([None], narrowed=narrowed)
    return vector(items.cast(pa.float64()).to_numpy(zero_copy_only=False), narrowed=narrowed)


def vector(numbers: Sequence[float | None], *, narrowed: bool) -> bytes:
    """Numbers as float64, of the precision of FLOAT where they are `narrowed`. Raises InvalidValueError for a NULL."""
    if any(number is None for number in numbers):
        raise InvalidValueError("There is a NULL among the numbers of the query.")
    found = np.array(numbers, np.float64)
    if narrowed:
        with np.errstate(over="ignore"):
            found = found.astype(np.float32).astype(np.float64)
    return found.tobytes()


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
