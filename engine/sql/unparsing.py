"""The text of a syntax tree, however deep the tree is.

The kernel turns a tree back into text only down to a depth of its own. A deeper one goes to it in pieces: an
expression, or a whole SELECT, that holds enough levels gives its place to a name, and its text, in which the kernel
sets all brackets that it needs anywhere, takes the place of that name::

    a + (b + (c + ...))    ->    a + (b + __cut0)    with __cut0 = c + ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.errors import UnsupportedError
from engine.kernel import Kernel
from engine.sql.syntax import Node

__all__ = ["unparse"]

_PIECE = 120  # levels from which on a tree is cut; a piece has more where the next place for a cut is further up
_NAME = 4  # levels of a name in the place of a piece, at most
_EXPRESSIONS = frozenset({"BETWEEN", "CASE", "CAST", "COMPARISON", "CONJUNCTION", "FUNCTION", "OPERATOR", "SUBQUERY"})
_STATEMENTS = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"})


@dataclass(frozen=True)
class _Piece:
    """A statement, or an expression as the only item of one."""

    node: Node
    is_expression: bool


def unparse(kernel: Kernel, statement: Node) -> str:
    """The text of a tree that `Kernel.parse` gave. Raises UnsupportedError where it is deep and can be cut nowhere."""
    try:
        return kernel.unparse(statement)
    except UnsupportedError:
        return _in_pieces(kernel, statement)


def _in_pieces(kernel: Kernel, statement: Node) -> str:
    document = json.dumps(statement)
    mark = "__cut"
    while mark in document:
        mark += "_"
    shell = kernel.parse(f"SELECT {mark}")
    root = json.loads(document)
    texts: list[str] = []

    def text_of(node: Node) -> str:
        text = kernel.unparse({**shell, "node": node})
        text = re.sub(rf"SELECT {mark}s(\d+)\b", lambda found: texts[int(found[1])], text)
        return re.sub(rf"\b{mark}e(\d+)\b", lambda found: texts[int(found[1])], text)

    for piece in _cut(root, mark, shell["node"]):
        text = text_of(piece.node)
        texts.append(text.removeprefix("SELECT ") if piece.is_expression else text)
    return text_of(root["node"])


def _cut(root: Node, mark: str, shell: Node) -> list[_Piece]:
    """Put names in the places of what is cut out of `root`; returns the pieces, those inside of others first.

    `shell` is the node of a SELECT of one column.
    """
    pieces: list[_Piece] = []
    levels: dict[int, int] = {}
    for holder, key in reversed(list(_places(root))):
        node = holder[key]
        levels[id(node)] = 1 + max((levels[id(inner)] for inner in _inside(node)), default=0)
        if levels[id(node)] <= _PIECE:
            continue
        if key == "node" and node.get("type") in _STATEMENTS and holder is not root:
            name, piece = f"{mark}s{len(pieces)}", _Piece(node, is_expression=False)
            holder[key] = {**shell, "select_list": [_column(shell, name)]}
        elif key != "function" and isinstance(node, dict) and node.get("class") in _EXPRESSIONS:
            alone = {**shell, "select_list": [{**node, "alias": ""}]}
            name, piece = f"{mark}e{len(pieces)}", _Piece(alone, is_expression=True)
            holder[key] = {**_column(shell, name), "alias": node.get("alias", "")}
        else:
            continue
        pieces.append(piece)
        levels[id(holder[key])] = _NAME
    return pieces


def _column(shell: Node, name: str) -> Node:
    return {**shell["select_list"][0], "column_names": [name]}


def _places(root: Node) -> Iterator[tuple[Any, Any]]:
    """Where the dicts and lists below `root` stand, each holder before what it holds."""
    pending: list[Any] = [root]
    while pending:
        holder = pending.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            if isinstance(value, dict | list):
                yield holder, key
                pending.append(value)


def _inside(node: Any) -> Iterator[Any]:
    return (value for value in (node.values() if isinstance(node, dict) else node) if isinstance(value, dict | list))
