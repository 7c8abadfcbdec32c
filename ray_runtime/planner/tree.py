"""Rewriting operator trees; a part that several places read is rewritten once and stays one object."""

from __future__ import annotations

from collections.abc import Callable

from engine.physical import PhysicalOperator
from engine.shared_nodes import once

__all__ = ["rewrite_up"]


def rewrite_up(
    root: PhysicalOperator, rule: Callable[[PhysicalOperator, PhysicalOperator | None], PhysicalOperator]
) -> PhysicalOperator:
    """`rule` applied to every operator with its former parent, children first."""
    done: dict[int, tuple[PhysicalOperator, PhysicalOperator]] = {}

    def visit(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        def rewritten(node: PhysicalOperator) -> PhysicalOperator:
            return rule(node.with_children(tuple(visit(child, node) for child in node.children)), parent)

        return once(done, node, rewritten)

    return visit(root, None)
