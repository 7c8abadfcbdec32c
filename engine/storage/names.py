"""Table names: which may be written, how the errors about them read, and how two versions of a name compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from engine.errors import PlanningError, TableExistsError, UnknownTableError, UnsupportedError, nearest
from engine.storage.protocol import CATALOG, OtherNames, TableHandle, TableName

__all__ = [
    "check_table_name",
    "full_name",
    "names_with_schema",
    "not_searched",
    "require_along",
    "unknown_schema",
    "unknown_table",
    "unknown_tag",
    "unknown_version",
    "unknown_view",
    "view_error",
]

_KERNEL_NAMES = {("system", "information_schema"): "information_schema", ("temp", "main"): "temp"}
"""The schemas that the kernel has in other catalogs, with the names that they have here."""

_ENDINGS = ("parquet", "lance")
"""Of what is written for a table where somebody means its file, as other programs read it."""

MAX_BYTES = 200  # leaves room for what a storage adds to a file name, whose limit is 255 bytes


def check_table_name(name: str) -> None:
    """Raise UnsupportedError where `name` cannot name a table that is stored as a file of that name."""
    problem = None
    if not name:
        problem = "it is empty"
    elif name.startswith("."):
        problem = "it starts with a dot"
    elif "/" in name or "\\" in name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        problem = "it holds a slash, a backslash or a control character"
    elif any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        problem = "it is not valid Unicode"
    elif len(name.encode()) > MAX_BYTES:
        problem = f"it takes more than {MAX_BYTES} bytes"
    if problem:
        raise UnsupportedError(f"{_shorten(name)!r} cannot be a table's name: {problem}.")


def require_along(
    schema: str, tables: Collection[TableName], others: OtherNames | None, along: Collection[TableName]
) -> None:
    """Raise PlanningError where a schema has tables or other names beside those that go `along` with it."""
    known = {name.key for name in along}
    if any(name.key not in known for name in tables):
        raise PlanningError(f'Schema "{schema}" is not empty; drop what is in it first, or say CASCADE.')
    if others is not None and any(name.key not in known for name in others.names_in(schema)):
        raise PlanningError(f'Schema "{schema}" is not empty, it has views; drop what is in it first, or say CASCADE.')


def names_with_schema(name: TableName) -> set[tuple[str, ...]]:
    """A table's names with its schema, in lower case."""
    return {name.key, (CATALOG, *name.key)}


def full_name(path: Sequence[str], home: str, schemas: Callable[[], Collection[str]]) -> TableName:
    """The table that is written as `path`, where names without a schema are looked for in `home`.

    `schemas` are those that there are. Raises UnknownTableError for another catalog.
    """
    match tuple(path):
        case (table,):
            return TableName(home, table)
        case (schema, table) if schema.lower() != CATALOG or schema in schemas():
            return TableName(schema, table)
        case (_, table):
            return TableName(home, table)
        case (catalog, schema, table) if catalog.lower() == CATALOG:
            return TableName(schema, table)
        case (catalog, schema, table) if (catalog.lower(), schema.lower()) in _KERNEL_NAMES:
            return TableName(_KERNEL_NAMES[catalog.lower(), schema.lower()], table)
        case (catalog, *_):
            near = nearest(catalog, [CATALOG])
            hint = f'; did you mean "{near}"?' if near else f'; the catalog is "{CATALOG}".'
            raise UnknownTableError(f'There is no catalog "{_shorten(catalog)}"{hint}')
    raise UnknownTableError("A table needs a name.")


def not_searched(table: TableHandle) -> UnsupportedError:
    """The error for a search of a table that is not one of Lance."""
    return UnsupportedError(
        f'Table "{table.name}" is of the kind {table.kind}, in which nothing is searched; '
        "CREATE TABLE ... AS SELECT makes a Lance table of its rows."
    )


def unknown_table(name: TableName, tables: Iterable[TableName]) -> UnknownTableError:
    """The error for a table that is not there, with the nearest of `tables`: of its own schema first, then of others.

    Who names a file is told the nearest to what its table would be called.
    """
    known = sorted(tables)
    stem, _, ending = re.split(r"[/\\]", name.table)[-1].rpartition(".")
    file = stem if ending.lower() in _ENDINGS else ""
    own, others = (
        [t for t in known if (t.schema.lower() == name.schema.lower()) is is_own] for is_own in (True, False)
    )
    near = nearest(file or name.table, (t.table for t in own))
    near = near or nearest(str(name), map(str, others))
    advice = f'did you mean "{near}"?' if near else "list the tables to see what there is."
    if file:
        advice = f"files of the data folder are tables by their names without the ending: {advice}"
    return UnknownTableError(f'There is no table "{_shorten(str(name))}"; {advice}')


def unknown_view(name: TableName, views: Iterable[TableName]) -> UnknownTableError:
    """The error for a view that is not there, with the nearest of `views`."""
    near = nearest(str(name), map(str, views))
    advice = f'did you mean "{near}"?' if near else "SHOW VIEWS lists those that there are."
    return UnknownTableError(f'There is no view "{_shorten(str(name))}"; {advice}')


def view_error(name: object) -> TableExistsError:
    """The error for a view where a table is to be."""
    return TableExistsError(
        f'"{name}" is a view: views take no rows; CREATE OR REPLACE VIEW, DROP VIEW and ALTER VIEW change them.'
    )


def unknown_schema(name: str, schemas: Iterable[str]) -> UnknownTableError:
    """The error for a schema that is not there, with the nearest of `schemas`."""
    known = list(schemas)
    near = nearest(name, known)
    advice = f'did you mean "{near}"?' if near else f"there is {', '.join(known)}."
    return UnknownTableError(f'There is no schema "{_shorten(name)}"; {advice}')


def unknown_version(name: TableName, asked: str | datetime, first: int, last: int) -> UnknownTableError:
    """The error for a version that is not kept, where those from `first` to `last` may be."""
    what = (
        f"version as of {asked.isoformat(sep=' ')}" if isinstance(asked, datetime) else f"version {_shorten(asked)!r}"
    )
    return UnknownTableError(
        f'Table "{name}" has no {what}; its versions are numbers from {first} to {last}, of which old ones may be gone.'
    )


def unknown_tag(table: TableName, tag: str, known: Collection[str]) -> UnknownTableError:
    """The error for a tag that a table has not, with the nearest of those that it has."""
    near = nearest(tag, known)
    has = f"it has {', '.join(sorted(known))}." if known else "it has none."
    return UnknownTableError(
        f'Table "{table}" has no tag "{_shorten(tag)}"; ' + (f'did you mean "{near}"?' if near else has)
    )


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_BYTES else name[:MAX_BYTES] + "..."
