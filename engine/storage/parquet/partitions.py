"""Hive partitions: columns whose values stand in the names of folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from urllib.parse import unquote

from engine.storage.listing import ParquetFile

__all__ = ["HiveTypes", "hive_types"]

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"

HiveTypes = tuple[tuple[str, str], ...]
"""The partition columns and their kernel types."""


def hive_types(files: Sequence[ParquetFile]) -> HiveTypes:
    """The partition columns, with types decided over all files so that every part has the same; none where the files
    are not all in folders of the same keys."""
    partitions = [_partitions(file.relative.rpartition("/")[0]) for file in files]
    keys = list(partitions[0])
    if any(list(p) != keys for p in partitions):
        return ()
    return tuple((key, _hive_type({p[key] for p in partitions} - {NULL_PARTITION})) for key in keys)


def _partitions(folder: str) -> dict[str, str]:
    """The ``key=value`` folders of a path."""
    pairs = (step.split("=", 1) for step in folder.split("/") if step.count("=") == 1)
    return {key: unquote(value) for key, value in pairs if key}


def _hive_type(values: set[str]) -> str:
    """BIGINT or DATE where every value is written as one, else VARCHAR, in which nothing is lost."""
    if values and all(re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value) for value in values):
        return "BIGINT"
    return "DATE" if values and all(_is_date(value) for value in values) else "VARCHAR"


def _is_date(value: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
