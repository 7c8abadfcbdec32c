"""Calls of functions that can make a large value of small ones, in the kernel's syntax tree.

The kernel's macros bound most of them by themselves (`engine.value_bounds`). Here stands what only the text tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.errors import UnsupportedError
from engine.sql.syntax import Node, Refusal, Tree, function_name, replace, walk
from engine.value_bounds import BOUNDED_FUNCTIONS, BOUNDED_REPLACEMENTS, CHECKED_FORMAT, DYNAMIC_WIDTHS, FORMATS

__all__ = ["bound_calls"]

_VOLATILE = frozenset({"random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7"})
_WIDTHS = re.compile(DYNAMIC_WIDTHS)


def bound_calls(tree: Tree, display: Callable[[Node], str]) -> None:
    """Put bounded functions in the place of those that replace and format text, in the tree itself, but where the text
    shows that the result is hardly larger than what it is made of. Items keep the names that `display` gives them.

    Raises Refusal for a call that goes round the bounds: of a function by its schema, or with random values,
    which are others when the bound is looked at.
    """
    pending = []
    for node in tree.expressions("FUNCTION"):
        if function_name(node) in BOUNDED_FUNCTIONS:
            _check(node)
        bounded = _bound_call(node)
        if bounded is not None:
            pending.append((node, bounded))
    replace(tree, pending, display)


def _check(node: Node) -> None:
    name = function_name(node)
    path = (node.get("qualified_name") or {}).get("path") or []
    if len(path) > 1 or node.get("schema") or node.get("catalog"):
        raise Refusal(node, UnsupportedError(f"{name}() is called without the name of a schema."))
    for argument in node.get("arguments") or []:
        if any(function_name(part) in _VOLATILE for part, _ in walk(argument)):
            message = f"{name}() takes no random values; compute them in a materialized CTE before."
            raise Refusal(node, UnsupportedError(message))
    text = _constant(node, 0)
    if name in FORMATS and text is not None and _WIDTHS.search(text):
        message = f"{name}() takes widths of up to six digits, which stand in the format."
        raise Refusal(node, UnsupportedError(message))


def _bound_call(node: Node) -> Node | None:
    name = function_name(node)
    if name in BOUNDED_REPLACEMENTS and not _keeps_size(node, name):
        return _with_function(node, BOUNDED_REPLACEMENTS[name])
    if name in FORMATS and node.get("arguments") and _constant(node, 0) is None:
        first, *rest = node["arguments"]
        checked = {**_with_function(node, CHECKED_FORMAT), "alias": "", "arguments": [first]}
        return {**node, "arguments": [{"name": "", "expression": checked}, *rest]}
    return None


def _keeps_size(node: Node, name: str) -> bool:
    """Whether what is put in is no longer than what it replaces, as far as constants tell."""
    by = _constant(node, 2)
    if by is None or name != "replace":
        return by == ""
    return len(by.encode()) <= len((_constant(node, 1) or "").encode()) or not by


def _constant(node: Node, position: int) -> str | None:
    """The text of an argument that is a constant."""
    arguments = node.get("arguments") or []
    literal = arguments[position]["expression"].get("literal") if position < len(arguments) else None
    return None if not literal else str(literal.get("text", ""))


def _with_function(node: Node, name: str) -> Node:
    return {**node, "function_name": name, "qualified_name": {"path": [name]}}
