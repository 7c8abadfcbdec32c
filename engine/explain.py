"""Plans as text."""

from __future__ import annotations

from engine.operators.collect import CollectExec
from engine.physical import PhysicalOperator

__all__ = ["render"]


def render(operator: PhysicalOperator, indent: str = "") -> str:
    """The tree, root first, two spaces a level; a part that several places read is shown once."""
    lines: list[str] = []
    shown: set[str] = set()

    def visit(node: PhysicalOperator, depth: int) -> None:
        lines.append(f"{indent}{'  ' * depth}{node.describe()}")
        if isinstance(node, CollectExec):
            if node.name in shown:
                lines[-1] += " (shown above)"
                return
            shown.add(node.name)
        for child in node.children:
            visit(child, depth + 1)

    visit(operator, 0)
    return "\n".join(lines)
