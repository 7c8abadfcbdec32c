"""What the care of a table tells: of what was done, of versions and of tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["LayoutFacts", "OptimizeReport", "StoredFacts", "TagFacts", "VacuumReport", "VersionFacts"]


@dataclass(frozen=True)
class LayoutFacts:
    """How a table lies: its rows, fragments that it has beyond what these need, and rows that are deleted but still
    there, or not in an index (once for each)."""

    rows: int = 0
    excess_fragments: int = 0
    rows_deleted: int = 0
    rows_not_indexed: int = 0


@dataclass(frozen=True)
class StoredFacts:
    """How a version of a table is stored: the fragments or files that its rows are in, how many versions of the table
    there are, and its indexes; None for what its kind has not, or what cannot be known."""

    fragments: int | None = None
    versions: int | None = None
    indexes: int | None = None


@dataclass(frozen=True)
class OptimizeReport:
    """What was done for a table's layout: fragments, data files and their bytes, before and after.

    `rows_indexed` counts rows that an index has now and had not, once for each index.
    """

    version: int
    fragments_before: int
    fragments_after: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_indexed: int


@dataclass(frozen=True)
class VacuumReport:
    """What went of a table's old versions, and how many versions there are now."""

    versions_removed: int
    files_removed: int
    bytes_removed: int
    versions_left: int


@dataclass(frozen=True)
class VersionFacts:
    """A version of a table, when it was made, and by what (None where that is not known). `bytes` are as stored."""

    version: int
    timestamp: datetime
    operation: str | None
    rows: int | None
    fragments: int | None
    bytes: int | None
    tags: Sequence[str]


@dataclass(frozen=True)
class TagFacts:
    """A tag, the version that it names, and when it was made (None where that is not known)."""

    tag: str
    version: int
    timestamp: datetime | None
