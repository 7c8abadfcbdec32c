"""What it means where a Lance dataset cannot be read: its files are damaged, or the version that is read is gone.

Another tool, or another server, may remove old versions while they are read here. Then the newest one can be read all
the same, so that the query is to be run again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import lance
import pyarrow as pa

from engine.arrow_input import stored_value_error
from engine.errors import DataCorruptError, StorageError, UnsupportedError
from engine.kernel_errors import is_unread_form
from engine.storage.lance_manifests import manifest_identity, manifests
from engine.storage.protocol import TableHandle, TableName

__all__ = ["is_panic", "require_version", "run_read", "versions_of"]

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def run_read(table: TableName | TableHandle, read: Callable[[], Result]) -> Result:
    """`read()`, whose failures mean that the dataset, or the version that a handle pins, cannot be read.

    Raises DataCorruptError, UnsupportedError where Lance says that it does not read such data, and StorageError where
    that version is gone.
    """
    try:
        return read()
    except BaseException as error:
        if not isinstance(error, (ValueError, OSError, RuntimeError, pa.ArrowException)) and not is_panic(error):
            raise
        if (found := stored_value_error(str(error))) is not None:
            raise found from None
        if isinstance(table, TableHandle):
            require_version(table)
        name = table.name if isinstance(table, TableHandle) else table
        log.warning("Lance table %s cannot be read: %s", name, error)
        if is_unread_form(str(error)):
            raise UnsupportedError(
                f'Table "{name}" has columns that Lance {lance.__version__} does not read in the form in which they '
                "are stored; leave them out, or read them with the tool that wrote them. The server's log has which."
            ) from None
        raise DataCorruptError(f'Table "{name}" cannot be read: its files are damaged or missing.') from None


def versions_of(name: TableName, dataset: Any) -> list[dict[str, Any]]:
    """The versions that a dataset has, by number. Others may remove some while Lance reads of each what it is.

    Raises DataCorruptError.
    """
    while True:
        there = manifests(dataset.uri)
        try:
            return list(dataset.versions())
        except (ValueError, OSError):
            if manifests(dataset.uri) == there:
                return run_read(name, lambda: list(dataset.versions()))


def require_version(table: TableHandle) -> None:
    """Raise StorageError where the version that a handle pins is gone."""
    path, identity = table.location
    if manifest_identity(path, int(table.version)) != identity:
        raise StorageError(f'The version of table "{table.name}" that the query reads is gone; run it again.') from None


def is_panic(error: BaseException) -> bool:
    """Whether Lance's native code gave up with an assertion, which does not arrive as an Exception."""
    return type(error).__name__ == "PanicException"
