"""The folders of schemas: how one goes with all that is in it, in one step, and comes back empty.

A folder with the mark `.dropped` is that of a dropped schema, and so nothing in it is a table or a view any more,
whatever becomes of the process that drops it. Its files go later, as those of a dropped table: queries still read them,
and writers that are at work in them are told at their commit.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path

from engine.errors import PlanningError, StorageError
from engine.storage.drop_marks import DROPPED, is_dropped, settle
from engine.storage.lance_commits import WRITERS
from engine.storage.lance_folders import HIDDEN, bury, dropped_for
from engine.storage.listing import SCHEMA
from engine.storage.locks import exclusive_lock, take_if_free
from engine.storage.protocol import DEFAULT_SCHEMA, OtherNames

__all__ = ["drop_schema", "dropped_schemas", "make_schema", "schema_is_dropped", "sweep_schemas"]

log = logging.getLogger(__name__)


def dropped_schemas(root: Path) -> list[tuple[str, Path]]:
    """The names and folders of the schemas that were dropped and whose files are still there."""
    return [(name, folder) for name, folder in _folders(root) if is_dropped(str(folder))]


def schema_is_dropped(root: Path, schema: str) -> bool:
    """Whether a schema, by its name in any case, was dropped and not made again."""
    if schema.lower() == DEFAULT_SCHEMA:
        return False
    own = [is_dropped(str(folder)) for name, folder in _folders(root) if name.lower() == schema.lower()]
    return bool(own) and all(own)


def drop_schema(schema: str, folder: Path, tables: Collection[str], others: OtherNames | None) -> None:
    """Drop a schema with the `tables`, folders in its own, for who holds that. One that is empty leaves nothing.

    Raises PlanningError where there are files of others in it, and OSError.
    """
    for item in folder.iterdir():
        is_made = item.name.startswith(".") and item.name.endswith(HIDDEN)
        if not is_made and str(item) not in tables and not is_dropped(str(item)):
            raise PlanningError(f'Schema "{schema}" is not empty; in its folder is "{item.name}", which is no table.')
    (folder / DROPPED).touch()
    try:
        if others is not None:
            others.remove_in(schema)
        if all(item.name == DROPPED for item in folder.iterdir()):
            bury(folder)
    except (OSError, StorageError) as error:
        log.warning("What is left of the dropped schema %s stays for a while: %s", schema, error)


def make_schema(root: Path, name: str, others: OtherNames | None) -> None:
    """Make the folder of a schema that is not there, or go on in that of a dropped one, where all tables are dropped.

    Raises FileExistsError where somebody was faster, and OSError.
    """
    with ExitStack() as stack:
        for old, folder in dropped_schemas(root):
            if old.lower() != name.lower():
                continue
            with suppress(FileNotFoundError):  # its files were just removed
                stack.enter_context(exclusive_lock(folder))
                if others is not None:
                    others.remove_in(old)
                if old == name and is_dropped(str(folder)):
                    _drop_tables(folder)
                    (folder / DROPPED).unlink()
                    return
        (root / f"{name}{SCHEMA}").mkdir()


def sweep_schemas(root: Path, others: OtherNames, keep_dropped: float) -> None:
    """Remove what is left of schemas that were dropped more than so many seconds ago, where nobody writes in them."""
    for name, folder in dropped_schemas(root):
        try:
            _sweep(root, name, folder, others, keep_dropped)
        except (OSError, StorageError) as error:
            log.warning("The files of the dropped schema %s could not be removed: %s", name, error)


def _sweep(root: Path, name: str, folder: Path, others: OtherNames, keep_dropped: float) -> None:
    if dropped_for(folder) <= keep_dropped:
        return
    with ExitStack() as stack:
        stack.enter_context(exclusive_lock(folder))
        for used in (*folder.glob(f"*/{WRITERS}"), *folder.glob(f".*{HIDDEN}")):
            if not stack.enter_context(take_if_free(used)) and used.exists():
                return
        if is_dropped(str(folder)):
            if schema_is_dropped(root, name):  # else it was made again, with another case of letters
                others.remove_in(name)
            bury(folder)


def _drop_tables(folder: Path) -> None:
    settle(folder)
    for table in folder.iterdir():
        if table.is_dir() and not table.name.startswith(".") and not table.is_symlink():
            (table / DROPPED).touch(exist_ok=True)


def _folders(root: Path) -> list[tuple[str, Path]]:
    try:
        with os.scandir(root) as items:
            return [(item.name[: -len(SCHEMA)], Path(item.path)) for item in items if item.name.endswith(SCHEMA)]
    except OSError:
        return []
