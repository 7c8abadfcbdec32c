"""What was made of a text, and what tells whether it is still right."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.cache import LruCache
from engine.errors import GrismError
from engine.sql.views import Names, View
from engine.storage.names import unknown_table
from engine.storage.protocol import Snapshot, TableHandle, TableName, Version

__all__ = ["KnownText", "Memory", "Pin", "SnapshotOfPins", "is_lasting"]

_MOST = 4_000_000  # characters of all texts of a memory; a plan is some dozen times its text

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def is_lasting(names: Names) -> bool:
    """Whether a text keeps its meaning: looked for in several schemas, a table that comes to be may change it."""
    return len(names.schemas) == 1


def _characters(key: tuple[Hashable, Names], _: object) -> int:
    """How long the text is that a key is, or begins with."""
    text = key[0][0] if isinstance(key[0], tuple) else key[0]
    return len(text) if isinstance(text, str) else 0


@dataclass(frozen=True)
class Pin:
    """How a table was asked for, and the version that this gave."""

    name: TableName
    version: Version | None
    at: datetime.datetime | None
    handle: TableHandle


class SnapshotOfPins:
    """The versions that a text reads, and nothing else.

    What is remembered keeps this and not the snapshot of a statement, whose versions are read for as long as it lives.
    """

    def __init__(self, pins: Sequence[Pin]) -> None:
        self._handles = {(pin.name, pin.version, pin.at): pin.handle for pin in pins}

    def table(
        self, name: TableName, version: Version | None = None, at: datetime.datetime | None = None
    ) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        handle = self._handles.get((name, version, at))
        if handle is None:
            raise unknown_table(name, [known for known, _, _ in self._handles])
        return handle


@dataclass(frozen=True)
class KnownText(Generic[T]):
    """What a text gave, and the table versions and views that it is right for."""

    pins: tuple[Pin, ...]
    views: Mapping[TableName, View]
    value: T

    def is_current(self, snapshot: Snapshot, names: Names) -> bool:
        """Whether the tables are still at the versions, and may be read, and the views are the same."""
        try:
            return all(snapshot.table(pin.name, pin.version, pin.at) == pin.handle for pin in self.pins) and all(
                names.views is not None and names.views.find(name) == view for name, view in self.views.items()
            )
        except GrismError:
            return False


class Memory(Generic[K, T]):
    """What was made of the last `size` texts, fewer where they are long, by these and whatever else it depends on.

    Thread-safe.
    """

    def __init__(self, size: int) -> None:
        self._known: LruCache[tuple[K, Names], KnownText[T]] = LruCache(size, _characters, _MOST)

    def get(self, key: K, names: Names, snapshot: Snapshot) -> T | None:
        """What is still right; None where nothing is."""
        known = self._known.get((key, names))
        return known.value if known is not None and known.is_current(snapshot, names) else None

    def put(self, key: K, names: Names, pins: tuple[Pin, ...], views: Mapping[TableName, View], value: T) -> None:
        """Remember `value`, which the tables and views gave, unless names may come to mean something else."""
        if is_lasting(names):
            self._known.put((key, names), KnownText(pins, views, value))

    def has(self, key: K, names: Names) -> bool:
        """Whether something was made of it, right or not."""
        return self._known.get((key, names)) is not None
