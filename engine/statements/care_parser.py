"""From words to the descriptions in `care_descriptions`."""

from __future__ import annotations

from datetime import timedelta

from engine.durations import parse_retention
from engine.errors import InvalidValueError
from engine.sql.syntax import version_asked
from engine.statements.care_descriptions import (
    CreateTag,
    DropTag,
    Optimize,
    Path,
    Restore,
    ShowTags,
    ShowVersions,
    Vacuum,
    VersionAsked,
)
from engine.statements.reader import Reader

__all__ = [
    "RETAINED",
    "parse_optimize",
    "parse_restore",
    "parse_show",
    "parse_tag_change",
    "parse_vacuum",
]

RETAINED = timedelta(days=7)
"""How long versions stay where nobody says how long."""


def parse_optimize(reader: Reader) -> Optimize:
    """OPTIMIZE [TABLE] t."""
    path = _table(reader)
    reader.end()
    return Optimize(path)


def parse_vacuum(reader: Reader) -> Vacuum:
    """VACUUM [TABLE] t [RETAIN [INTERVAL] '7 days']; the number and the unit may be words of their own, too."""
    path, retain = _table(reader), RETAINED
    if reader.accept("RETAIN"):
        reader.accept("INTERVAL")
        text = reader.constant()
        if not reader.is_at_end:
            text += f" {reader.name()}"
        try:
            retain = parse_retention(text)
        except ValueError as error:
            raise InvalidValueError(f"RETAIN takes {error}.") from None
    reader.end()
    return Vacuum(path, retain)


def parse_restore(reader: Reader) -> Restore:
    """RESTORE [TABLE] t TO VERSION n | TAG 'name' | TIMESTAMP '...'."""
    path = _table(reader)
    reader.expect("TO")
    if reader.peek() not in ("VERSION", "TAG", "TIMESTAMP"):
        raise reader.error("expected VERSION, TAG or TIMESTAMP")
    version = VersionAsked(*version_asked(reader.word(), reader.constant()))
    reader.end()
    return Restore(path, version)


def parse_tag_change(reader: Reader, path: Path, if_exists: bool) -> CreateTag | DropTag | None:
    """What follows ALTER TABLE t, where it is about a tag and not a column: CREATE [OR REPLACE] TAG, DROP TAG."""
    if reader.peek() == "CREATE":
        return _create_tag(reader, path, if_exists)
    if reader.peek() == "DROP" and reader.peek(1) == "TAG" and reader.tokens_left > 2:  # else it is a column
        reader.accept("DROP", "TAG")
        tag_exists = reader.accept("IF", "EXISTS")
        tag = reader.constant()
        reader.end()
        return DropTag(path, tag, tag_exists, if_exists)
    return None


def _create_tag(reader: Reader, path: Path, if_exists: bool) -> CreateTag:
    reader.expect("CREATE")
    replace = reader.accept("OR", "REPLACE")
    reader.expect("TAG")
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    tag, version = reader.constant(), VersionAsked()
    if reader.accept("AT"):
        reader.expect("(")
        unit = reader.word()
        reader.expect("=", ">")
        version = VersionAsked(*version_asked(unit, reader.constant()))
        reader.expect(")")
    reader.end()
    return CreateTag(path, tag, version, replace, if_not_exists, if_exists)


def parse_show(reader: Reader) -> ShowVersions | ShowTags | None:
    """VERSIONS or TAGS FROM t, behind SHOW; None where something else follows."""
    kind = reader.peek()
    if kind not in ("VERSIONS", "TAGS"):
        return None
    reader.word()
    reader.word()  # FROM or IN
    path = reader.path()
    reader.end()
    return ShowVersions(path) if kind == "VERSIONS" else ShowTags(path)


def _table(reader: Reader) -> Path:
    if reader.tokens_left > 1 and reader.peek(1) not in (".", "RETAIN", "TO"):  # else it is a table of this name
        reader.accept("TABLE")
    return reader.path()
