"""Names of columns: unique inside a plan, and short in results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.schema import RowType

__all__ = ["NameAllocator", "shorten", "with_short_names"]

_LONGEST_NAME = 10_000  # characters, of a column that the text gives none


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


def with_short_names(columns: RowType, given: Callable[[], frozenset[str]]) -> RowType:
    """`columns` with long names cut, but for those that are `given`, in lower case."""
    if all(len(c.name) <= _LONGEST_NAME for c in columns):
        return columns
    kept = given()
    return tuple(c if c.name.lower() in kept else replace(c, name=shorten(c.name)) for c in columns)


def shorten(name: str) -> str:
    """A name that is made of the text, as columns have it."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
