"""What a data directory holds, read from the file system each time that somebody asks.

::

    DIR/
      orders.parquet            table main.orders
      events.parquet/           table main.events: a folder of Parquet files
      lineitem/                 table main.lineitem: a folder of Parquet files, at any depth
        year=1994/a.parquet       with hive partitions: column `year`
      part.lance/               table main.part, and the kind of table that is written to
      sales.schema/             schema sales, laid out like the top level
        stores.lance/           table sales.stores

Hidden files and what leads outside of DIR by a symbolic link are no tables. A folder of another table format (Delta
Lake, Iceberg, Hudi) is listed and cannot be read: its files also hold rows that were changed or deleted. Where several
entries have one name, without regard to case, a Lance dataset comes before a file and a file before a folder; the
others are left out with a warning. A Lance dataset that was dropped is kept for queries that still read it.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.errors import UnsupportedError
from engine.storage.drop_marks import is_dropped
from engine.storage.protocol import DEFAULT_SCHEMA

__all__ = ["SCHEMA", "Entry", "Listing", "Lookup", "ParquetFile", "parquet_files"]

LANCE, PARQUET, SCHEMA = ".lance", ".parquet", ".schema"
MAX_DEPTH = 16
_FEW = 4  # tables of a folder that are looked for each by itself
OTHER_FORMATS = {"_delta_log": "a Delta Lake table", ".hoodie": "a Hudi table"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One table's place: `kind` is ``lance`` or ``parquet``, `path` its file or folder."""

    name: str
    kind: str
    path: str
    rank: int


@dataclass(frozen=True)
class ParquetFile:
    """One file of a table as it was seen: `relative` to the table's path (empty where that is the file itself)."""

    path: str
    relative: str
    mtime_ns: int
    size: int


class Listing:
    """The schemas and tables below `root`, a resolved path. Holds nothing but what it has warned of."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._warned: set[str] = set()

    def schemas(self) -> dict[str, Path]:
        """The folder of each schema, by name; `main` is the root itself."""
        found = {DEFAULT_SCHEMA: self.root}
        for item in self._items(self.root, lambda name: name.endswith(SCHEMA)):
            name = item.name[: -len(SCHEMA)]
            if name and item.is_dir() and not is_dropped(item.path):
                if name.lower() in {known.lower() for known in found}:
                    self._warn(item.path, f'The folder of schema "{name}" is left out: there is another of that name.')
                else:
                    found[name] = Path(item.path)
        return found

    def find(self, folder: Path, table: str) -> Entry | None:
        """One table of a schema's folder, by its name in any case."""
        key = table.lower()
        files = {key, key + LANCE, key + PARQUET}
        return self._entries(self._items(folder, lambda name: name in files)).get(key)

    def entries(self, folder: Path) -> dict[str, Entry]:
        """The tables of one schema's folder, by lower-case name."""
        return self._entries(self._items(folder, lambda name: not name.endswith(SCHEMA)))

    def lookup(self) -> Lookup:
        """Finds tables for one snapshot."""
        return Lookup(self)

    def _entries(self, items: list[os.DirEntry[str]]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for item in items:
            entry = self._entry(item)
            if entry is None:
                continue
            key = entry.name.lower()
            other = found.get(key)
            if other is not None:
                kept, left = sorted((entry, other), key=lambda e: (e.rank, e.path))
                self._warn(left.path, f'"{Path(left.path).name}" is left out: "{Path(kept.path).name}" has its name.')
                entry = kept
            found[key] = entry
        return found

    def _items(self, folder: Path, wanted: Callable[[str], bool]) -> list[os.DirEntry[str]]:
        """The visible entries of a folder whose lower-case names are wanted and that lie inside the root, sorted."""
        try:
            with os.scandir(folder) as scan:
                items = [item for item in scan if not item.name.startswith(".") and wanted(item.name.lower())]
        except OSError:
            return []
        items.sort(key=lambda item: item.name)
        return [item for item in items if _decodes(item.name) and self._inside(item)]

    def _inside(self, item: os.DirEntry[str]) -> bool:
        if not item.is_symlink() or _leads_inside(item.path, self.root):
            return True
        self._warn(item.path, f'"{item.name}" is left out: the link leads outside of the data directory.')
        return False

    def _entry(self, item: os.DirEntry[str]) -> Entry | None:
        lower, folder = item.name.lower(), item.is_dir()
        if lower.endswith(LANCE) and folder:
            return None if is_dropped(item.path) else _entry_of(item.name[: -len(LANCE)], "lance", item.path, 0)
        if lower.endswith(PARQUET) and item.is_file():
            return _entry_of(item.name[: -len(PARQUET)], "parquet", item.path, 1)
        if folder and _holds_files(Path(item.path), self.root):
            name = item.name[: -len(PARQUET)] if lower.endswith(PARQUET) else item.name
            return _entry_of(name, "parquet", item.path, 2)
        return None

    def _warn(self, path: str, message: str) -> None:
        if path not in self._warned:
            self._warned.add(path)
            log.warning(message)


class Lookup:
    """Tables by their names, as they are when asked for; a folder of which many are is read once, and so the schemas.

    Not to be kept longer than a snapshot.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._schemas: dict[str, tuple[str, Path]] | None = None
        self._asked: Counter[Path] = Counter()
        self._entries: dict[Path, dict[str, Entry]] = {}

    def schema(self, name: str) -> tuple[str, Path] | None:
        """The name and the folder of a schema, by its name in any case."""
        if name.lower() == DEFAULT_SCHEMA:  # which is there, whatever else is
            return DEFAULT_SCHEMA, self._listing.root
        if self._schemas is None:
            self._schemas = {known.lower(): (known, folder) for known, folder in self._listing.schemas().items()}
        return self._schemas.get(name.lower())

    def find(self, folder: Path, table: str) -> Entry | None:
        """One table of a schema's folder, by its name in any case."""
        self._asked[folder] += 1
        if self._asked[folder] <= _FEW:
            return self._listing.find(folder, table)
        if folder not in self._entries:
            self._entries[folder] = self._listing.entries(folder)
        return self._entries[folder].get(table.lower())


def parquet_files(path: str, root: Path) -> list[ParquetFile]:
    """The files of a Parquet table, sorted by their place in it; empty where they are gone.

    Raises UnsupportedError where its folder, or one in it, is a table of another format.
    """
    table = Path(path)
    pairs = list(_walk(table, root, "")) if table.is_dir() else [(path, "")]
    files = []
    for file, relative in sorted(pairs, key=lambda pair: pair[1]):
        try:
            stat = Path(file).stat()
        except FileNotFoundError:
            continue
        files.append(ParquetFile(file, relative, stat.st_mtime_ns, stat.st_size))
    return files


def _holds_files(folder: Path, root: Path) -> bool:
    try:
        return any(_walk(folder, root, ""))
    except UnsupportedError:  # which a query of the table reports
        return True


def _walk(folder: Path, root: Path, prefix: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The Parquet files below a folder with their relative places. Linked folders are not entered, names with a
    leading dot or underscore (marks and logs of other writers) are passed over."""
    try:
        with os.scandir(folder) as scan:
            items = list(scan)
    except OSError:
        return
    _refuse_other_format(folder, items)
    for item in items:
        if item.name.startswith((".", "_")) or not _decodes(item.name):
            continue
        if item.is_dir(follow_symlinks=False):
            if depth < MAX_DEPTH and not item.name.lower().endswith(LANCE):
                yield from _walk(Path(item.path), root, f"{prefix}{item.name}/", depth + 1)
        elif item.is_symlink() and not _is_linked_file(item, root):
            _warn_of_link(item.path, prefix + item.name)
        elif item.name.lower().endswith(PARQUET) and item.is_file():
            yield item.path, prefix + item.name


def _refuse_other_format(folder: Path, items: list[os.DirEntry[str]]) -> None:
    """Raise UnsupportedError for the folder of a Delta, Hudi or Iceberg table."""
    names = {item.name for item in items}
    found = next((kind for mark, kind in OTHER_FORMATS.items() if mark in names), None)
    if found is None and "metadata" in names:
        versions = (folder / "metadata").glob("*.metadata.json")
        found = "an Iceberg table" if any(versions) else None
    if found is not None:
        raise UnsupportedError(
            f'"{folder.name}" is {found}, which is not read: its Parquet files also hold rows that were changed or '
            "deleted. Export it to Parquet files of their own, or to Lance."
        )


def _is_linked_file(item: os.DirEntry[str], root: Path) -> bool:
    """Whether a link is not to be told of: one to a file below the root, or to what would be no file of a table."""
    if item.name.lower().endswith(PARQUET) or Path(item.path).is_dir():
        return Path(item.path).is_file() and _leads_inside(item.path, root)
    return True


@lru_cache(maxsize=1024)
def _warn_of_link(path: str, relative: str) -> None:
    del path  # one warning for each link
    log.warning('The link "%s" of a table is left out: it leads to a folder or out of the data directory.', relative)


def _entry_of(name: str, kind: str, path: str, rank: int) -> Entry | None:
    return Entry(name, kind, path, rank) if name else None


def _leads_inside(path: str, root: Path) -> bool:
    try:
        return Path(path).resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _decodes(name: str) -> bool:
    return name.isascii() or not any(0xDC80 <= ord(c) <= 0xDCFF for c in name)
