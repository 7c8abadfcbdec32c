"""A place in a text, as an error tells it: by line and column, and with the line itself and a mark under it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

__all__ = ["Place", "width"]

_BEFORE, _AFTER = 60, 60  # columns of a long line that are shown before a mark and from there on
_CUT = "..."
_MARKS = ("Mn", "Me")  # categories of what stands on the character before


@dataclass(frozen=True)
class Place:
    """What stands from `start` on in `text`, counted in characters; a `length` of 0 tells the beginning alone."""

    text: str
    start: int
    length: int = 0

    @classmethod
    def of_bytes(cls, text: str, start: int, length: int = 0) -> Place:
        """The place that is counted in bytes of UTF-8."""
        encoded = text.encode()
        before = len(encoded[:start].decode(errors="ignore"))
        marked = encoded[start : start + length].decode(errors="ignore")
        return cls(text, before, len(marked))

    @property
    def span(self) -> tuple[int, int]:
        """Where it begins and how long it is, in bytes of UTF-8."""
        end = self.start + self.length
        return len(self.text[: self.start].encode()), len(self.text[self.start : end].encode())

    @property
    def line(self) -> int:
        """The number of its line, from 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """The number of its first character in the line, from 1."""
        return self.start - self._line_start + 1

    @property
    def excerpt(self) -> str:
        """Its line, cut to some characters around it, with a mark below, as the kernel shows them.

        >>> print(Place("SELECT a,\\n  nope\\nFROM t", 12, 4).excerpt)
        LINE 2:   nope
                  ^^^^
        """
        end = self.text.find("\n", self.start)
        line = self.text[self._line_start : len(self.text) if end < 0 else end].removesuffix("\r")
        at = min(self.start - self._line_start, len(line))
        first, last = _window(line, at)
        head = f"LINE {self.line}: " + (_CUT if first else "")
        shown = "".join(map(_printable, line[first:last])) + (_CUT if last < len(line) else "")
        space = " " * len(head) + "".join("\t" if c == "\t" else " " * _width(c) for c in line[first:at])
        marks = width(line[at : min(at + self.length, last)])
        return f"{head}{shown}\n{space}{'^' * max(1, marks)}"

    @property
    def _line_start(self) -> int:
        return self.text.rfind("\n", 0, self.start) + 1


def _window(line: str, at: int) -> tuple[int, int]:
    """The part of a line that is shown around a character."""
    first, columns = at, _BEFORE
    while first > 0 and (columns := columns - _width(line[first - 1])) >= 0:
        first -= 1
    last, columns = at, _AFTER
    while last < len(line) and (columns := columns - _width(line[last])) >= 0:
        last += 1
    return first, last


def _printable(character: str) -> str:
    """A character as a line can hold it: not one that moves the mark, or is none at all."""
    if character.isprintable() or character == "\t":
        return character
    return " " * _width(character) if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def width(text: str) -> int:
    """The columns of a terminal that a text takes.

    >>> width("a"), width("e\\u0301"), width("表")
    (1, 1, 2)
    """
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    """The columns of a terminal that a character takes."""
    if unicodedata.category(character) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
