"""Rewriting operator trees; a part that several places read is rewritten once and stays one object."""

from __future__ import annotations

from collections.abc import Callable

from engine.physical import PhysicalOperator

__all__ = ["rewrite_up"]


def rewrite_up(
    root: PhysicalOperator, rule: Callable[[PhysicalOperator, PhysicalOperator | None], PhysicalOperator]
) -> PhysicalOperator:
    """`rule` applied to every operator with its former parent, children first."""
    done: dict[int, tuple[PhysicalOperator, PhysicalOperator]] = {}

    def visit(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        found = done.get(id(node))
        if found is None:
            children = tuple(visit(child, node) for child in node.children)
            found = (node, rule(node.with_children(children), parent))
            done[id(node)] = found
        return found[1]

    return visit(root, None)
