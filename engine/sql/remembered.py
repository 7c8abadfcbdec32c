"""What was made of a text, and what tells whether it is still right."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.errors import GrismError
from engine.sql.views import Names, View
from engine.storage.protocol import Snapshot, TableHandle, TableName, Version

__all__ = ["Known", "Pin"]

T = TypeVar("T")


@dataclass(frozen=True)
class Pin:
    """How a table was asked for, and the version that this gave."""

    name: TableName
    version: Version | None
    at: datetime.datetime | None
    handle: TableHandle


@dataclass(frozen=True)
class Known(Generic[T]):
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
