"""Types that Arrow has not, and what stands for them where rows leave the kernel.

::

    kernel type           to another kernel    to a client
    HUGEINT               itself               DECIMAL(38,0), or an error
    UHUGEINT              VARCHAR              DECIMAL(38,0), or an error
    BIT, TIMETZ           VARCHAR              VARCHAR
    ENUM                  VARCHAR              itself
    BIGNUM                itself               VARCHAR
    INTERVAL              VARCHAR              itself, or an error
    TYPE                  not at all           VARCHAR

The same holds inside of lists, structs, maps, arrays, tuples and unions. Another kernel makes of a column what it was,
so only exactness counts there. Clients get types that each of them can read, and never a value that is not the one
that was computed: Arrow's decimal has 38 digits, its times have no offset, its intervals count nanoseconds in 64 bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache

__all__ = ["Boundary", "is_retyped", "leaving_items", "leaving_type", "travels"]


class Boundary(Enum):
    """Who reads the rows that leave the kernel."""

    KERNEL = "kernel"
    CLIENT = "client"


_TEXT = "VARCHAR"
_NUMBER = "DECIMAL(38,0)"
_INSTEAD: Mapping[Boundary, Mapping[str, str]] = {
    Boundary.KERNEL: {
        "UHUGEINT": _TEXT,
        "BIT": _TEXT,
        "TIME WITH TIME ZONE": _TEXT,
        "INTERVAL": _TEXT,
        "ENUM": _TEXT,
    },
    Boundary.CLIENT: {
        "HUGEINT": _NUMBER,
        "UHUGEINT": _NUMBER,
        "BIT": _TEXT,
        "TIME WITH TIME ZONE": _TEXT,
        "BIGNUM": _TEXT,
        "TYPE": _TEXT,
    },
}
# An empty tuple has no type that a cast could name.
_RETYPED = re.compile(r"HUGEINT|UUID|BIT|TIME WITH TIME ZONE|INTERVAL|JSON|BIGNUM|UNION|ENUM|TUPLE\(")

# Arrow's nanoseconds end within the hour after these.
_HOURS = 2**63 // (3600 * 10**9) - 1

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[(),\[\]]|[^\s'"(),\[\]]+|\s+""")


@lru_cache(maxsize=4096)
def leaving_type(kind: str, boundary: Boundary) -> str:
    """The kernel type as which columns of type `kind` leave; `kind` itself where Arrow carries it."""
    return _TypeText(kind, _INSTEAD[boundary]).rewritten()


def leaving_items(columns: Sequence[tuple[str, str]], boundary: Boundary) -> list[str] | None:
    """Select items that make of (name, type) columns, told by their places, what leaves; None where all do as they are.

    Evaluating them raises InvalidValueError for a value that the type of its column cannot hold.
    """
    items = [_leaving(f"#{i}", kind, boundary) for i, (_, kind) in enumerate(columns, 1)]
    if all(item == f"#{i}" for i, item in enumerate(items, 1)):
        return None
    names = ('"' + name.replace('"', '""') + '"' for name, _ in columns)
    return [f"{item} AS {name}" for item, name in zip(items, names, strict=True)]


def travels(kind: str) -> bool:
    """Whether a column of type `kind` may leave for another kernel: the names of types may not."""
    return "TYPE" not in _TOKEN.findall(kind)


def is_retyped(kind: str) -> bool:
    """Whether Arrow data of a column of type `kind` may be read back as another type."""
    return _RETYPED.search(kind) is not None


def _leaving(column: str, kind: str, boundary: Boundary) -> str:
    to = leaving_type(kind, boundary)
    if boundary is Boundary.CLIENT and kind in ("HUGEINT", "UHUGEINT"):
        refused = f"error({column} || ' has more than the 38 digits of a number in a result; cast it to VARCHAR')"
        return f"coalesce(TRY_CAST({column} AS {to}), CASE WHEN {column} IS NOT NULL THEN {refused} END)"
    if boundary is Boundary.CLIENT and kind == "INTERVAL":
        fits = f"date_part('hour', {column}) BETWEEN {-_HOURS} AND {_HOURS}"
        refused = f"error({column} || ' has more hours than an interval in a result; cast it to VARCHAR')"
        return f"CASE WHEN {column} IS NULL OR {fits} THEN {column} ELSE {refused} END"
    return column if to == kind else f"CAST({column} AS {to})"


class _TypeText:
    """A type as the kernel writes it, with other types for some of those in it."""

    def __init__(self, text: str, instead: Mapping[str, str]) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)
        self._at = 0
        self._instead = instead

    def rewritten(self) -> str:
        first = self._at
        while self._next not in ("(", ")", ",", "[", ""):
            self._at += 1
        name = "".join(self._tokens[first : self._at]).strip()
        written = self._instead.get(name, name)
        if self._next == "(":
            match name:
                case "STRUCT" | "UNION":
                    written += self._listed(named=True)
                case "MAP" | "TUPLE":
                    written += self._listed(named=False)
                case _:
                    whole = name + self._through(")")
                    written = self._instead.get(name, whole)
        while self._next == "[":
            written += self._through("]")
        return written

    @property
    def _next(self) -> str:
        """The token to come; empty after the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _listed(self, *, named: bool) -> str:
        members = []
        while self._take() != ")":
            while self._next.isspace():
                self._at += 1
            name = f"{self._take()} " if named else ""
            members.append(name + self.rewritten())
        return f"({', '.join(members)})"

    def _through(self, end: str) -> str:
        """The tokens up to the first `end`, as they are."""
        first, self._at = self._at, self._tokens.index(end, self._at) + 1
        return "".join(self._tokens[first : self._at])
