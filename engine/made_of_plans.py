"""What has been made of plans, each kept with the plan that it was made of.

A text that is known has the very same plan each time, so what was made of it is found there. A plan that is never met
again, as that of a statement with bound values, takes what was made of it along: nothing has to make room for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

__all__ = ["MadeOfPlans"]

T = TypeVar("T")

_MOST_KEYS = 8  # which sessions may choose

_numbers = itertools.count()


class MadeOfPlans(Generic[T]):
    """What one planner, or one executor, has made of nodes. Thread-safe."""

    def __init__(self) -> None:
        self._name = f"_made_{next(_numbers)}"

    def get(self, node: Any, key: Hashable = None) -> T | None:
        """What was made of this very node, with this `key`; None where nothing was."""
        made: dict[Hashable, T] = node.__dict__.get(self._name, {})
        return made.get(key)

    def put(self, node: Any, value: T, key: Hashable = None) -> None:
        """Keep what was made of a node for as long as that is there."""
        made = node.__dict__.setdefault(self._name, {})
        if len(made) >= _MOST_KEYS:
            made.clear()
        made[key] = value
