"""Items in the order of a small whole number, each operation in constant time."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["LoadOrder"]

T = TypeVar("T", bound=Hashable)


class LoadOrder(Generic[T]):
    """Items by load; those of equal load in the order in which they came to it.

    Loads move by one at a time, so the least of them is never far from where it was.
    """

    def __init__(self) -> None:
        self._levels: defaultdict[int, OrderedDict[T, None]] = defaultdict(OrderedDict)
        self._load: dict[T, int] = {}
        self._least = 0

    def __len__(self) -> int:
        return len(self._load)

    def __contains__(self, item: T) -> bool:
        return item in self._load

    def put(self, item: T, load: int) -> None:
        """Add `item`, or move it behind the others of its new load."""
        self.discard(item)
        if not self._load or load < self._least:
            self._least = load
        self._levels[load][item] = None
        self._load[item] = load

    def discard(self, item: T) -> None:
        """Take `item` out, where it is in."""
        load = self._load.pop(item, None)
        if load is None:
            return
        level = self._levels[load]
        del level[item]
        if not level:
            del self._levels[load]

    def first(self, avoid: T | None = None) -> T | None:
        """The least loaded item, `avoid` only where it is the only one left; None where there is none."""
        if not self._load:
            return None
        while self._least not in self._levels:
            self._least += 1
        if avoid is None or len(self._load) == 1 or next(iter(self._levels[self._least])) != avoid:
            return next(iter(self._levels[self._least]))
        return self._second(avoid)

    def _second(self, avoid: T) -> T:
        """The least loaded item that is not `avoid`, which is the first of the least level."""
        load = self._least
        while True:
            for item in self._levels.get(load, ()):
                if item != avoid:
                    return item
            load += 1
