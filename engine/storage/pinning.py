"""The Snapshot that every storage hands out: it resolves each table once and then keeps to that version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from engine.storage.protocol import TableHandle, TableName, Version

__all__ = ["PinningSnapshot", "Resolve"]

Resolve = Callable[[TableName, Version | None, datetime | None], TableHandle]
"""Gives the handle of a table as it is now, at a version, or at an instant."""


class PinningSnapshot:
    """Pins a table's version when it is first asked for. Thread-safe."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._pinned: dict[tuple[tuple[str, str], Version | None, datetime | None], TableHandle] = {}

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        key = (name.key, version, at)
        with self._lock:
            handle = self._pinned.get(key)
            if handle is None:
                handle = self._pinned[key] = self._resolve(name, version, at)
        return handle
