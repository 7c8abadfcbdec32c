"""The tokens of SQL text, as the kernel's own parser cuts it: in one walk from the left, in time linear in the text.

Every expression here is possessive, and what it does not match ends the walk: no character is looked at again. So a
text may be as long and as strange as it likes; an expression that backtracks over it would hold the interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from itertools import islice
from typing import NamedTuple

from engine.cancellation import current_cancellation

__all__ = ["Kind", "Token", "first_words", "scan", "tokens"]

_CHECKED = 4096  # tokens between two looks at whether the walk is to stop


class Kind(Enum):
    """What a token is. Brackets, commas, dots and each character of an operator are symbols."""

    WORD = auto()
    NAME = auto()  # in quotes
    STRING = auto()
    NUMBER = auto()
    PARAMETER = auto()
    SYMBOL = auto()
    OPEN = auto()  # a quote or a comment without an end: the rest of the text


class Token(NamedTuple):
    """A token and where it stands: `text[start:end]`. `value` is a name without its quotes, or the text as it is."""

    kind: Kind
    value: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """A word or a symbol in upper case; empty for anything else."""
        return self.value.upper() if self.kind in (Kind.WORD, Kind.SYMBOL) else ""


# The kernel takes these for spaces, and every other character beyond ASCII for a letter.
_SPACE = " \t\n\r\f\v\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"
_LETTER = rf"(?:[A-Za-z_]|[^\x00-\x7f{_SPACE}])"
_TOKEN = re.compile(
    rf"""
    (?:[{_SPACE}]++|--[^\n\r]*+|/\*(?:[^*/]++|\*(?!/)|/(?!\*))*+\*/)*+  # comments that hold no other
    (?:
      ([eE]'(?:[^'\\]++|\\.|'')*+'|'(?:[^']++|'')*+')
    | ("(?:[^"]++|"")*+"|`(?:[^`]++|``)*+`)
    | (\$(?:{_LETTER}(?:{_LETTER}|[0-9])*+)?+\$|/\*|[eE]'|['"`])
    | ({_LETTER}(?:{_LETTER}|[0-9$])*+)
    | ((?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][-+]?+[0-9]++)?+)
    | (\?[0-9]*+|\$(?:[0-9]++|{_LETTER}(?:{_LETTER}|[0-9])*+))
    | (.)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# By group; what may turn out to be a text in dollar quotes or a comment is open until its end is found.
_KINDS = (Kind.OPEN, Kind.STRING, Kind.NAME, Kind.OPEN, Kind.WORD, Kind.NUMBER, Kind.PARAMETER, Kind.SYMBOL)


def scan(text: str, at: int = 0) -> Iterator[Token]:
    """The tokens of `text` from the place `at` on, without spaces and comments, one at a time.

    The last one is `Kind.OPEN` where a quote or a comment has no end. Raises the cause where planning was stopped.
    """
    steps = 0
    while found := _TOKEN.match(text, at):
        steps += 1
        if steps % _CHECKED == 0:
            current_cancellation().check()
        group = found.lastindex or 0
        kind, value, start, at = _KINDS[group], found[group], found.start(group), found.end()
        if kind is Kind.OPEN:
            at = _comment_end(text, at) if value == "/*" else _dollar_end(text, value, at)
            if at < 0:
                yield Token(kind, text[start:], start, len(text))
                return
            if value != "/*":
                yield Token(Kind.STRING, text[start:at], start, at)
        elif kind is Kind.NAME:
            yield Token(kind, value[1:-1].replace(value[0] * 2, value[0]), start, at)
        else:
            yield Token(kind, value, start, at)


def tokens(text: str) -> list[Token]:
    """All tokens of `text`; none where a quote or a comment has no end, which the kernel's parser then reports."""
    found = list(scan(text))
    return [] if found and found[-1].kind is Kind.OPEN else found


def first_words(text: str, count: int) -> list[str]:
    """The first `count` tokens of `text` as `Token.word` has them, or as many as there are."""
    return [token.word for token in islice(scan(text), count)]


def _comment_end(text: str, at: int) -> int:
    """Where the comment ends whose text begins at `at`; comments stand in each other. -1 where it has no end."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return -1


def _dollar_end(text: str, tag: str, at: int) -> int:
    """Where the text in dollar quotes ends that begins at `at`, behind `tag`. -1 where it has no end."""
    found = text.find(tag, at) if tag[0] == "$" else -1
    return found if found < 0 else found + len(tag)
