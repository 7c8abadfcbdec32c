"""Plans as text."""

from __future__ import annotations

from engine.operators.collect import CollectExec
from engine.operators.table_scan import TableScanExec
from engine.physical import PhysicalOperator
from engine.printable import on_one_line
from engine.storage.protocol import Storage

__all__ = ["render"]


def render(operator: PhysicalOperator, indent: str = "", storage: Storage | None = None) -> str:
    """The tree, root first, a line for each, two spaces a level; a part that several places read is shown once.

    Scans of `storage` tell which indexes of their tables they ask.
    """
    lines: list[str] = []
    shown: set[str] = set()

    def visit(node: PhysicalOperator, depth: int) -> None:
        lines.append(f"{indent}{'  ' * depth}{on_one_line(node.describe() + _indexes(node, storage))}")
        if isinstance(node, CollectExec):
            if node.name in shown:
                lines[-1] += " (shown above)"
                return
            shown.add(node.name)
        for child in node.children:
            visit(child, depth + 1)

    visit(operator, 0)
    return "\n".join(lines)


def _indexes(node: PhysicalOperator, storage: Storage | None) -> str:
    if storage is None or not isinstance(node, TableScanExec) or node.filter is None:
        return ""
    used = storage.indexes(node.table).uses(node.request.filter)
    return "".join(f" index={use.name} ({use.kind} of {use.column})" for use in used)
