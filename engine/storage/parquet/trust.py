"""What of a file's bounds and bloom filters may be used: what its writer is known, or its footer says, to do right.

The kernel takes bounds for those of all values, in the order in which it compares them itself, and asks bloom filters
with the hash of the type that it reads. docs/parquet.md has the writers that were tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["WRONG_DICTIONARIES", "Guard", "Leaf", "Trust", "leaf_guard", "writer_trust"]

_WRITER = re.compile(r"(?P<name>.*?)(?: version (?P<version>[0-9]+(?:\.[0-9]+)*).*)?", re.DOTALL)
_UNSIGNED = re.compile(r"UINT_|isSigned=0")
_MOST_DIGITS = 38
_EVERY: tuple[int, ...] = ()

# From which version on a writer gives no bounds where there is NaN.
_WITHOUT_NAN = {"DuckDB": _EVERY, "parquet-mr": (1, 10)}
# From which version on a writer orders bytes and unsigned numbers as the kernel does, whatever its footers say.
_ORDERED = {"DuckDB": _EVERY, "parquet-mr": (1, 10)}
# Whose bounds of Arrow's dictionaries leave the empty text out.
WRONG_DICTIONARIES = "parquet-go"


class Guard(Enum):
    """What has to stand between a column and the kernel's optimizer."""

    NONE = "none"
    FLOATS = "floats"  # the upper bounds are not those of NaN
    OPAQUE = "opaque"  # nothing beside the values is to be used


@dataclass(frozen=True)
class Leaf:
    """A column of values as the footer describes it; `annotation` is the logical and the converted type."""

    physical: str
    annotation: str
    precision: int


@dataclass(frozen=True)
class Trust:
    """What a writer is trusted in: `nan` that bounds of floats are told only of values without NaN (or with their
    number), `order` that bytes and unsigned numbers are ordered as the kernel does, `dictionaries` that bounds of
    Arrow's dictionaries are those of all values."""

    nan: bool
    order: bool
    dictionaries: bool


def writer_trust(created_by: str, ordered: bool, counts_nan: Callable[[], bool]) -> Trust:
    """The trust in a file by its writer; `ordered` says that it has an order of types for each column, `counts_nan`
    whether all its bounds of floats come with the number of NaN."""
    found = _WRITER.fullmatch(created_by)
    name = found["name"] if found else ""
    version = tuple(map(int, found["version"].split("."))) if found and found["version"] else _EVERY
    return Trust(
        nan=_since(_WITHOUT_NAN, name, version) or counts_nan(),
        order=_since(_ORDERED, name, version) or (ordered and name != "parquet-mr"),
        dictionaries=name != WRONG_DICTIONARIES,
    )


def leaf_guard(leaf: Leaf, trust: Trust, dictionary: bool) -> Guard:
    """The guard of a column; `dictionary` says that it may have been one of Arrow's dictionaries."""
    if leaf.physical == "INT96" or leaf.precision > _MOST_DIGITS or "INTERVAL" in leaf.annotation:
        return Guard.OPAQUE
    if "Float16" in leaf.annotation:  # whose bloom filters would be asked with the hash of FLOAT
        return Guard.OPAQUE
    if leaf.physical in ("FLOAT", "DOUBLE"):
        return Guard.NONE if trust.nan else Guard.FLOATS
    if leaf.physical in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
        return Guard.NONE if trust.order and (trust.dictionaries or not dictionary) else Guard.OPAQUE
    return Guard.OPAQUE if _UNSIGNED.search(leaf.annotation) and not trust.order else Guard.NONE


def _since(known: dict[str, tuple[int, ...]], name: str, version: tuple[int, ...]) -> bool:
    return name in known and version >= known[name]
