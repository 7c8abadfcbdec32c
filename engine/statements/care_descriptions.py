"""Statements that keep a table in order, as typed descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.storage.protocol import Version

__all__ = [
    "CareReport",
    "CareStatement",
    "CreateTag",
    "DropTag",
    "Optimize",
    "Path",
    "Restore",
    "ShowTags",
    "ShowVersions",
    "Vacuum",
    "VersionAsked",
]

Path = tuple[str, ...]
"""A name as it is written: ``table``, ``schema.table`` or ``catalog.schema.table``."""


@dataclass(frozen=True)
class VersionAsked:
    """A version by its number or tag, or that of an instant; the newest where neither is given."""

    version: Version | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Optimize:
    """OPTIMIZE."""

    table: Path


@dataclass(frozen=True)
class Vacuum:
    """VACUUM: versions stay that were the newest within the time to `retain`."""

    table: Path
    retain: timedelta


@dataclass(frozen=True)
class CreateTag:
    """ALTER TABLE ... CREATE TAG; `if_exists` is about the table."""

    table: Path
    tag: str
    version: VersionAsked
    replace: bool = False
    if_not_exists: bool = False
    if_exists: bool = False


@dataclass(frozen=True)
class DropTag:
    """ALTER TABLE ... DROP TAG; `if_exists` is about the table, `tag_exists` about the tag."""

    table: Path
    tag: str
    tag_exists: bool = False
    if_exists: bool = False


@dataclass(frozen=True)
class Restore:
    """RESTORE TABLE ... TO a version."""

    table: Path
    version: VersionAsked


@dataclass(frozen=True)
class ShowVersions:
    """SHOW VERSIONS FROM a table."""

    table: Path


@dataclass(frozen=True)
class ShowTags:
    """SHOW TAGS FROM a table."""

    table: Path


CareReport = Optimize | Vacuum
"""Statements with effects that answer with what they did, in a row."""

CareStatement = Optimize | Vacuum | CreateTag | DropTag | Restore | ShowVersions | ShowTags
