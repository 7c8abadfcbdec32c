"""Patterns for names, matched in time linear in the pattern: a client's may hold any number of wildcards.

As one regular expression such a pattern backtracks: each further wildcard multiplies the time by the name's length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

__all__ = ["Wildcards", "glob", "like"]

_LIKE_PART = re.compile(r"\\[%_\\]|.", re.DOTALL)


@dataclass(frozen=True)
class Wildcards:
    """A pattern without regard to case, cut where it stands for any text: `parts` are what comes between.

    A part is a sequence of characters, in which None stands for any character.
    """

    parts: tuple[tuple[str | None, ...], ...]

    def matches(self, name: str) -> bool:
        """Whether the whole of `name` is like the pattern. Takes at most the square of the name's length."""
        if len(name) < self._length:
            return False
        first, *inner = self._expressions
        if not inner:
            return first.fullmatch(name) is not None
        *inner, last = inner
        # Each part is of one length, so where it is found first leaves the most room for the others.
        end = len(name) - len(self.parts[-1])
        at = len(self.parts[0])
        if not first.match(name) or not last.match(name, end):
            return False
        for part in inner:
            found = part.search(name, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    @cached_property
    def _length(self) -> int:
        """The characters that a name has at least."""
        return sum(map(len, self.parts))

    @cached_property
    def _expressions(self) -> list[re.Pattern[str]]:
        """The parts that are not empty, and the first and the last; made once a name is long enough."""
        kept = (part for i, part in enumerate(self.parts) if part or i in (0, len(self.parts) - 1))
        return [_expression(part) for part in kept]


def _expression(part: Sequence[str | None]) -> re.Pattern[str]:
    text = "".join("." if character is None else re.escape(character) for character in part)
    return re.compile(text, re.DOTALL | re.IGNORECASE)


def like(pattern: str) -> Wildcards:
    r"""The pattern of the metadata commands: ``%`` is any text, ``_`` any character, ``\`` escapes these and itself."""
    parts: list[list[str | None]] = [[]]
    for found in _LIKE_PART.findall(pattern):
        if found == "%":
            parts.append([])
        else:
            parts[-1].append(None if found == "_" else found[-1])
    return Wildcards(tuple(map(tuple, parts)))


def glob(pattern: str) -> Wildcards:
    """The pattern of a right: ``*`` is any text."""
    return Wildcards(tuple(tuple(part) for part in pattern.split("*")))
