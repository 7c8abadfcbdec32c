"""What is raised where the kernel's plan has something that is not known here."""

from __future__ import annotations

from typing import Any

__all__ = ["Node", "NotRead", "check_keys"]

Node = dict[str, Any]  # what the kernel writes of a plan, an expression, a type or a value


class NotRead(Exception):
    """The plan is not taken apart. `reason` says in a few words what is not known; it has no data of a statement."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_keys(node: Node, known: frozenset[str], what: str) -> None:
    """Raise NotRead where `node` says more than is understood."""
    if not node.keys() <= known:
        raise NotRead(f"{what} has {', '.join(sorted(node.keys() - known))}")
