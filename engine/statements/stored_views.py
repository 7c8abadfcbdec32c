"""Views in the data directory: one file each, in a hidden folder of its own that no table listing sees.

A file's name is a digest of the view's. One that is about to be renamed has both names in its file, and is the one that
the file is called after; so the file's renaming is the view's, whatever comes in between.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import StorageError, TableExistsError
from engine.full_disk import full_error
from engine.sql.views import View
from engine.storage.locks import exclusive_lock
from engine.storage.names import check_table_name, unknown_view
from engine.storage.protocol import TableName
from engine.storage.schema_folders import schema_is_dropped

__all__ = ["StoredViews"]

FOLDER = ".views"
_STAGED = ".new"

log = logging.getLogger(__name__)


class StoredViews:
    """The views below one data directory; read from its files each time. Thread-safe, also between processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / FOLDER

    def find(self, name: TableName) -> View | None:
        """The view of that name, in any case, or None."""
        view = _read(self._path(name))
        return None if view is None or schema_is_dropped(self._directory, name.schema) else view

    def all(self) -> list[View]:
        """Every view, by name."""
        found = sorted(self._read_all(), key=lambda view: view.name)
        schemas = {view.name.schema for view in found}
        gone = {schema for schema in schemas if schema_is_dropped(self._directory, schema)}
        return [view for view in found if view.name.schema not in gone]

    def has(self, name: TableName) -> bool:
        """Whether a view has the name."""
        return self._path(name).exists() and not schema_is_dropped(self._directory, name.schema)

    def names_in(self, schema: str) -> list[TableName]:
        """The views of a schema."""
        return [view.name for view in self.all() if view.name.schema.lower() == schema.lower()]

    def remove_in(self, schema: str) -> None:
        """Remove the views of a schema, also of one that was dropped. Raises StorageError where the disk refuses."""
        with _storage_errors():
            for path, view in self._files():
                if view.name.schema.lower() == schema.lower():
                    path.unlink(missing_ok=True)

    def create(self, view: View, replace: bool) -> None:
        """Keep `view`.

        Raises TableExistsError where one of its name is there and not to be replaced, StorageError where the disk does
        not take it.
        """
        check_table_name(view.name.table)
        with _storage_errors():
            self._write(view, replace)

    def _write(self, view: View, replace: bool) -> None:
        self._folder.mkdir(exist_ok=True)
        with exclusive_lock(self._folder):
            if not replace:
                self._require_free(view.name)
            self._put(self._path(view.name), _document(view))

    def _require_free(self, name: TableName) -> None:
        if self._path(name).exists():
            raise TableExistsError(f'View "{name}" is there already; drop it or say OR REPLACE.')

    def _put(self, path: Path, document: dict[str, Any]) -> None:
        """Write a file whole, for who holds the folder."""
        staged = self._folder / _STAGED
        try:
            with staged.open("w", encoding="utf-8") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)

    def rename(self, name: TableName, to: TableName) -> None:
        """Give a view another name. Raises UnknownTableError, and TableExistsError as `create`."""
        check_table_name(to.table)
        view = self.find(name)
        if view is None:
            raise unknown_view(name, [known.name for known in self.all()])
        try:
            with _storage_errors(), exclusive_lock(self._folder):
                self._require_free(to)
                path = self._path(name)
                path.stat()
                self._put(
                    path,
                    _document(dataclasses.replace(view, name=to)) | {"before": [view.name.schema, view.name.table]},
                )
                path.rename(self._path(to))
        except FileNotFoundError:
            raise unknown_view(name, [known.name for known in self.all()]) from None

    def drop(self, name: TableName) -> None:
        """Remove a view; UnknownTableError where it is not there, StorageError where the disk refuses."""
        try:
            with _storage_errors():
                self._path(name).unlink()
        except FileNotFoundError:
            raise unknown_view(name, [view.name for view in self.all()]) from None

    def _path(self, name: TableName) -> Path:
        # A digest is of one length and differs only where the names do, whatever characters they have.
        return self._folder / f"{_digest(name)}.json"

    def _read_all(self) -> Iterator[View]:
        return (view for _, view in self._files())

    def _files(self) -> Iterator[tuple[Path, View]]:
        for path in self._folder.glob("[!.]*.json"):
            view = _read(path)
            if view is not None:
                yield path, view


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Failures of the file system as storage errors, but for a file that is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        log.error("The folder of views cannot be written: %s", error)
        what = "The view cannot be stored or removed"
        raise full_error(what, error) or StorageError(
            f"{what}: {error.strerror or 'the disk refuses'}; ask an administrator."
        ) from None


def _digest(name: TableName) -> str:
    return hashlib.sha256(json.dumps(name.key).encode()).hexdigest()


def _document(view: View) -> dict[str, Any]:
    """What the file of a view holds."""
    return {
        "schema": view.name.schema,
        "name": view.name.table,
        "query": view.query,
        "columns": list(view.columns),
        "home": view.home,
    }


def _read(path: Path) -> View | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        name = TableName(document["schema"], document["name"])
        if _digest(name) != path.stem:
            name = TableName(*document["before"])
        return View(name, document["query"], tuple(document["columns"]), document["home"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("The view in %s cannot be read: %s", path.name, error)
        return None
