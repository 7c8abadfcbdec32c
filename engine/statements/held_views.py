"""Views of tables that are in memory: they are in memory, too."""

from __future__ import annotations

import dataclasses
import threading

from engine.errors import TableExistsError
from engine.sql.views import View
from engine.storage.names import check_table_name, unknown_view
from engine.storage.protocol import TableName

__all__ = ["HeldViews"]


class HeldViews:
    """Views by name; see `StoredViews`, whose methods these are. Thread-safe."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, str], View] = {}
        self._lock = threading.Lock()

    def find(self, name: TableName) -> View | None:
        """The view of that name, in any case, or None."""
        return self._views.get(name.key)

    def all(self) -> list[View]:
        """Every view, by name."""
        with self._lock:
            return sorted(self._views.values(), key=lambda view: view.name)

    def has(self, name: TableName) -> bool:
        """Whether a view has the name."""
        return name.key in self._views

    def names_in(self, schema: str) -> list[TableName]:
        """The views of a schema."""
        return [view.name for view in self.all() if view.name.schema.lower() == schema.lower()]

    def remove_in(self, schema: str) -> None:
        """Remove the views of a schema."""
        with self._lock:
            self._views = {key: view for key, view in self._views.items() if key[0] != schema.lower()}

    def create(self, view: View, replace: bool) -> None:
        """Keep `view`. Raises TableExistsError where one of its name is there and not to be replaced."""
        check_table_name(view.name.table)
        with self._lock:
            if view.name.key in self._views and not replace:
                raise TableExistsError(f'View "{view.name}" is there already; drop it or say OR REPLACE.')
            self._views[view.name.key] = view

    def rename(self, name: TableName, to: TableName) -> None:
        """Give a view another name. Raises UnknownTableError, and TableExistsError as `create`."""
        view = self.find(name)
        if view is None:
            raise unknown_view(name, [known.name for known in self.all()])
        self.create(dataclasses.replace(view, name=to), replace=False)
        self.drop(name)

    def drop(self, name: TableName) -> None:
        """Remove a view; UnknownTableError where it is not there."""
        with self._lock:
            if self._views.pop(name.key, None) is None:
                raise unknown_view(name, [view.name for view in self._views.values()])
