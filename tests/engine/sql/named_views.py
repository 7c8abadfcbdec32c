"""Views that are texts by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.sql.views import View
from engine.storage.protocol import TableName

__all__ = ["Named"]


@dataclass(eq=False)
class Named:
    """Views by name."""

    queries: dict[str, str] = field(default_factory=dict)

    def find(self, name: TableName) -> View | None:
        query = self.queries.get(name.table)
        return None if query is None else View(name, query)
