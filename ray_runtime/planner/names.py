"""Names for what the planner adds to a plan."""

from __future__ import annotations

import itertools

from engine.operators import CollectExec
from engine.physical import PhysicalOperator

__all__ = ["Names"]


class Names:
    """Gives names that nothing in a plan has; the kernel compares names without regard to case."""

    def __init__(self, root: PhysicalOperator) -> None:
        self._taken: set[str] = set()
        seen: set[int] = set()
        stack = [root]
        while stack:
            node = stack.pop()
            if id(node) not in seen:
                seen.add(id(node))
                self._taken.update(name.lower() for name in node.schema)
                if isinstance(node, CollectExec):
                    self._taken.add(node.name.lower())
                stack.extend(node.children)

    def fresh(self, hint: str) -> str:
        """A name that begins with `hint`; no two calls give the same."""
        name = next(n for i in itertools.count() if (n := f"{hint}_{i}") not in self._taken)
        self._taken.add(name)
        return name
