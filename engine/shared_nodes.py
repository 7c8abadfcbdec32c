"""Trees of dataclasses whose nodes may stand in several places: what is made of one is made once, and stays shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

__all__ = ["field_names", "once"]

Node = TypeVar("Node")
T = TypeVar("T")

_FIELD_NAMES: dict[Any, tuple[str, ...]] = {}


def field_names(node: Any) -> tuple[str, ...]:
    """The names of the fields of a dataclass, which are looked up once for each class: plans are walked often."""
    found = _FIELD_NAMES.get(type(node))
    if found is None:
        found = _FIELD_NAMES[type(node)] = tuple(f.name for f in fields(node))
    return found


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
