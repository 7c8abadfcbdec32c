"""Names inside one plan: unique across the plan, and where a qualified column of the text finds its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from engine.schema import RowType

__all__ = ["NameAllocator", "NotTakenApart", "Scope", "shortened", "with_short_names"]

_LONGEST_NAME = 10_000  # characters, of a column that the text gives none


class NotTakenApart(Exception):
    """The builder meets something that it leaves to the kernel as a whole. Never reaches a caller of the front end."""


class NameAllocator:
    """Gives names that no column of the plan has yet; the kernel compares names without regard to case."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def fresh(self, base: str) -> str:
        """`base` itself the first time, then with a number behind."""
        base = base or "column"
        key = base.lower()
        if key not in self._used:
            self._used[key] = 0
            return base
        while True:
            self._used[key] += 1
            name = f"{base}_{self._used[key]}"
            if name.lower() not in self._used:
                self._used[name.lower()] = 0
                return name


@dataclass
class Scope:
    """The relations that a SELECT's columns may name, and the scopes around it."""

    outer: Scope | None = None
    relations: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, alias: str, columns: dict[str, str]) -> None:
        """Make `columns` (text name to plan name) reachable under `alias`."""
        key = alias.lower()
        if key in self.relations:
            raise NotTakenApart(f"the alias {alias} stands twice")
        self.relations[key] = {name.lower(): unique for name, unique in columns.items()}

    def resolve(self, alias: str, column: str) -> str:
        """The plan's name for ``alias.column``, looked for from the inside out."""
        found = self.relations.get(alias.lower(), {}).get(column.lower())
        if found is not None:
            return found
        if alias.lower() in self.relations or self.outer is None:
            raise NotTakenApart(f"{alias}.{column} is not resolved")
        return self.outer.resolve(alias, column)


def with_short_names(columns: RowType, given: Callable[[], frozenset[str]]) -> RowType:
    """`columns` with long names cut, but for those that are `given`, in lower case."""
    if all(len(c.name) <= _LONGEST_NAME for c in columns):
        return columns
    kept = given()
    return tuple(c if c.name.lower() in kept else replace(c, name=shortened(c.name)) for c in columns)


def shortened(name: str) -> str:
    """A name that is made of the text, as columns have it."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
