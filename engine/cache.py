"""Small thread-safe caches that forget what was not asked for the longest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["BatchCache", "LruCache"]

Item = TypeVar("Item")
Key = TypeVar("Key")
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """Keeps at most `size` entries.

    Where `weigh` tells how large each is, the newest is kept, and beside it no more than weigh `most` together.
    """

    def __init__(self, size: int, weigh: Callable[[Key, Value], int] | None = None, most: int = 0) -> None:
        self._size, self._weigh, self._most = size, weigh, most
        self._entries: OrderedDict[Key, Value] = OrderedDict()
        self._weights: dict[Key, int] = {}
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value, or None where it is not there."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: Key, value: Value) -> None:
        """Remember `value`."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if self._weigh is not None:
                self._weight -= self._weights.pop(key, 0)
                self._weights[key] = weight = self._weigh(key, value)
                self._weight += weight
            while len(self._entries) > self._size or (self._weight > self._most and len(self._entries) > 1):
                oldest, _ = self._entries.popitem(last=False)
                self._weight -= self._weights.pop(oldest, 0)

    def __len__(self) -> int:
        return len(self._entries)


class BatchCache(Generic[Item, Value]):
    """Answers for items; those that are not known are asked for all at once.

    `key` tells which items have the same answer; None for one whose answer is not to be kept.
    """

    def __init__(
        self, size: int, ask: Callable[[list[Item]], Sequence[Value]], key: Callable[[Item], Hashable | None]
    ) -> None:
        self._ask, self._key = ask, key
        self._known: LruCache[Hashable, Value] = LruCache(size)

    def get(self, items: Sequence[Item]) -> list[Value]:
        """The answer for each item. Raises what asking raises; then nothing new is kept."""
        keys = [self._key(item) for item in items]
        answers = [None if key is None else self._known.get(key) for key in keys]
        places: dict[Hashable, list[int]] = {}  # of what is to be asked
        for place, (key, answer) in enumerate(zip(keys, answers, strict=True)):
            if answer is None:
                places.setdefault(("once", place) if key is None else ("kept", key), []).append(place)
        if places:
            asked = self._ask([items[same[0]] for same in places.values()])
            for same, value in zip(places.values(), asked, strict=True):
                key = keys[same[0]]
                if key is not None:
                    self._known.put(key, value)
                for place in same:
                    answers[place] = value
        return [answer for answer in answers if answer is not None]
