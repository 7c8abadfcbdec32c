"""One table of files that may differ: its columns, and how files of each kind are read as its rows.

Columns are united by name: the same name in the same case first, then in any case. A column that a file lacks is NULL
there. Where the types differ, the exact common type counts; a column without one cannot be read, but others can.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.kernel_types import KernelType
from engine.schema import Column, RowType
from engine.storage.listing import ParquetFile
from engine.storage.parquet.common_types import DOUBLE, common_type, is_wide
from engine.storage.parquet.inspection import FileColumn, FileSchema, Inspector
from engine.storage.parquet.partitions import HiveTypes
from engine.storage.parquet.trust import Guard

__all__ = ["Item", "Layout", "Reading", "make_layout"]


@dataclass(frozen=True)
class Item:
    """How a column of the table comes out of a file: the file's column (None where it lacks it), the types to cast it
    from and to (None where it has the table's), what guards it, and why it cannot be read."""

    source: str | None
    source_type: str | None
    type: str | None
    guard: Guard
    is_struct: bool
    problem: str | None


@dataclass(frozen=True)
class Reading:
    """How files of one kind are read; `items` has the columns that are not read by their name as they are. Of files
    that are read `by_arrow` these are the columns that cannot be read."""

    can_have_nan: bool
    items: tuple[tuple[str, Item], ...]
    by_arrow: bool = False


@dataclass(frozen=True)
class Layout:
    """A table's columns, the names of those that all files say to be without NULLs, and the readings of its files by
    their kind."""

    columns: RowType
    required: frozenset[str]
    hive: HiveTypes
    readings: Mapping[str, Reading]


@dataclass
class _TableColumn:
    """A column as the files seen so far make it, with the column of each kind of file that has it."""

    own_name: str
    name: str
    type: KernelType
    first: str
    sources: dict[str, FileColumn] = field(default_factory=dict)
    problem: str | None = None


def make_layout(
    files: Sequence[tuple[ParquetFile, str]], schemas: Mapping[str, FileSchema], hive: HiveTypes, inspector: Inspector
) -> Layout:
    """The layout of a table of `files`, each with its kind; `schemas` are those of the kinds."""
    of_kind: dict[str, list[ParquetFile]] = {}
    for file, kind in files:
        of_kind.setdefault(kind, []).append(file)
    partitions = {key.lower() for key, _ in hive}
    columns: list[_TableColumn] = []
    for kind, found in of_kind.items():
        _add(columns, kind, _display_name(found[0]), schemas[kind], partitions, inspector, of_kind)
    return Layout(
        _columns(columns, hive),
        frozenset(c.name for c in columns if c.name.lower() not in partitions and _is_required(c, of_kind)),
        hive,
        {kind: _make_reading(columns, kind, schemas[kind], partitions) for kind in of_kind},
    )


def _display_name(file: ParquetFile) -> str:
    """The file as messages tell it: its place in the table, never on the server."""
    return f'"{file.relative or file.path.rpartition("/")[2]}"'


def _add(
    columns: list[_TableColumn],
    kind: str,
    file: str,
    schema: FileSchema,
    partitions: set[str],
    inspector: Inspector,
    of_kind: Mapping[str, Sequence[ParquetFile]],
) -> None:
    """Unite the columns of one more kind of files, the first of which is `file`, with those that are there."""
    free = {column.own_name: column for column in columns}
    matched = {c.name: free.pop(c.own_name) for c in schema.columns if c.own_name in free}
    folded = {own_name.lower(): column for own_name, column in free.items()}
    for found in schema.columns:
        column = matched.get(found.name) or folded.pop(found.own_name.lower(), None)
        if column is None:
            column = _TableColumn(found.own_name, _free_name(found.name, columns), found.type, file)
            columns.append(column)
        column.sources[kind] = found
        if found.problem is not None:
            column.problem = f"{found.problem} in {file}"
        elif column.problem is None and column.name.lower() not in partitions:
            _unite(column, found, file, inspector, of_kind)


def _unite(
    column: _TableColumn,
    found: FileColumn,
    file: str,
    inspector: Inspector,
    of_kind: Mapping[str, Sequence[ParquetFile]],
) -> None:
    both = common_type(column.type, found.type)
    if both is None and DOUBLE in (_as_double(column.type), _as_double(found.type)):
        wide = {
            kind: source
            for kind, source in column.sources.items()
            if is_wide(source.type) and _as_double(source.type) is None
        }
        if is_wide(column.type) or is_wide(found.type):
            exact = all(inspector.are_doubles([f.path for f in of_kind[k]], source) for k, source in wide.items())
            both = DOUBLE if exact else None
    if both is None:
        column.problem = (
            f"its files have no one type for it: {column.type} in {column.first} and {found.type} in {file}, "
            "and no type holds the values of both exactly"
        )
        return
    if column.type.name == '"NULL"' and both != column.type:
        column.first = file  # the one to name where a later file does not fit
    column.type = both


def _as_double(kind: KernelType) -> KernelType | None:
    return DOUBLE if kind.name in ("FLOAT", "DOUBLE") else None


def _free_name(name: str, columns: Sequence[_TableColumn]) -> str:
    taken = {column.name.lower() for column in columns}
    free, count = name, 0
    while free.lower() in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def _is_required(column: _TableColumn, kinds: Collection[str]) -> bool:
    return len(column.sources) == len(kinds) and all(source.required for source in column.sources.values())


def _columns(columns: Sequence[_TableColumn], hive: HiveTypes) -> RowType:
    """The table's columns; a partition stands in the place of the column of its name, or behind all."""
    types = {key.lower(): kind for key, kind in hive}
    found = [Column(c.name, types.pop(c.name.lower(), str(c.type))) for c in columns]
    return (*found, *(Column(key, kind) for key, kind in hive if key.lower() in types))


def _make_reading(columns: Sequence[_TableColumn], kind: str, schema: FileSchema, partitions: set[str]) -> Reading:
    items = []
    for column in columns:
        if column.name.lower() in partitions:
            continue
        source = column.sources.get(kind)
        if source is None:
            item = Item(None, None, str(column.type), Guard.NONE, False, column.problem)
        else:
            same, is_struct = source.type == column.type, source.type.name == "STRUCT"
            own, to = (None, None) if same else (str(source.type), str(column.type))
            item = Item(source.name, own, to, _needed_guard(source), is_struct, column.problem)
        if item != Item(column.name, None, None, Guard.NONE, item.is_struct, None):
            items.append((column.name, item))
    return Reading(schema.can_have_nan, tuple(items), schema.by_arrow)


def _needed_guard(source: FileColumn) -> Guard:
    """The guard of a column: max() of lists and maps is never told by bounds, so that they need none for floats."""
    of_floats = source.type.name in ("FLOAT", "DOUBLE", "STRUCT")
    return Guard.NONE if source.guard is Guard.FLOATS and not of_floats else source.guard
