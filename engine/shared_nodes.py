"""Trees in which a node may stand in several places: what is made of it is made once, and stays shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["once"]

Node = TypeVar("Node")
T = TypeVar("T")


def once(known: dict[int, tuple[Node, T]], node: Node, make: Callable[[Node], T]) -> T:
    """What `make` gives for this very node, the first time that it is asked; `known` remembers it, and the node.

    >>> class Rewriting:
    ...     def __init__(self):
    ...         self._done = {}
    ...     def visit(self, node):
    ...         return once(self._done, node, self._rewritten)
    """
    found = known.get(id(node))
    if found is None:
        found = known[id(node)] = (node, make(node))
    return found[1]
