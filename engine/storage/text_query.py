"""The language in which texts are searched for: words, phrases, AND, OR, minus, and how near and how much they count.

    quick fox             any of the words; rows with more of them come first
    "quick fox"           the phrase; "quick fox"~2 with at most two words in between
    quick AND fox         both; AND binds more than words side by side, OR less
    quick -fox            the first, and not the other; NOT is the same
    (quick OR slow) AND fox
    quick~1               words that differ in one letter; ~2 in two, ~ in as many as fit its length
    quick^2               counts twice

Words go to the index as they are: what it takes for a word, in which case and form, is its own affair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import InvalidValueError

__all__ = [
    "All",
    "AnyOf",
    "Phrase",
    "TextNode",
    "Words",
    "has_no_marks",
    "is_fuzzy",
    "parse_text_query",
    "phrases",
    "plain_words",
]

_MOST_PARTS = 1_000
_MOST_DEPTH = 30
_TOKEN = re.compile(r'\s*(?:(?P<phrase>"[^"]*")(?P<slop>~[0-9]*)?(?P<boost>\^)?|(?P<bracket>[()])|(?P<word>[^\s()"]+))')
_WORD = re.compile(r"(?P<text>.+?)(?P<fuzzy>~[0-9]?)?(?P<boost>\^[0-9]+(\.[0-9]+)?)?")
_UNMARKED = re.compile(r"(?!.*\b(?:AND|OR|NOT)\b)[\w\s]*", re.DOTALL)
_MOST_DIFFERENCES = 2


@dataclass(frozen=True)
class Words:
    """Any, or with `every` all, of some words. `fuzziness` is the number of letters that may differ."""

    text: str
    boost: float = 1.0
    fuzziness: int = 0
    every: bool = False


@dataclass(frozen=True)
class Phrase:
    """Words one after another, with at most `slop` in between."""

    text: str
    slop: int = 0


@dataclass(frozen=True)
class AnyOf:
    """What matches one of the `parts`, and none of the `without`."""

    parts: tuple[TextNode, ...]
    without: tuple[TextNode, ...] = ()


@dataclass(frozen=True)
class All:
    """What matches all of the `parts`, and none of the `without`."""

    parts: tuple[TextNode, ...]
    without: tuple[TextNode, ...] = ()


TextNode = Words | Phrase | AnyOf | All


def plain_words(text: str, *, every: bool = False) -> Words:
    """The words of a text in which no sign means anything."""
    return Words(text, every=every)


def parse_text_query(text: str, *, every: bool = False) -> TextNode:
    """What `text` asks for; words side by side must all be there with `every`.

    Raises InvalidValueError for brackets and quotes that do not match, for operators that have nothing beside them, and
    where all that is asked for is what must not be there.
    """
    if len(text) <= _MOST_PARTS and has_no_marks(text):
        return plain_words(text, every=every)
    return _Parser(text, every).parse()


def has_no_marks(text: str) -> bool:
    """Whether a query is words side by side, and no more, as most are."""
    return _UNMARKED.fullmatch(text) is not None


def is_fuzzy(node: TextNode) -> bool:
    """Whether words may differ from those of the query."""
    return any(isinstance(leaf, Words) and leaf.fuzziness != 0 for leaf in _leaves(node))


def phrases(node: TextNode) -> list[Phrase]:
    """The phrases in a query."""
    return [leaf for leaf in _leaves(node) if isinstance(leaf, Phrase)]


def _leaves(node: TextNode) -> list[Words | Phrase]:
    if isinstance(node, AnyOf | All):
        return [leaf for part in (*node.parts, *node.without) for leaf in _leaves(part)]
    return [node]


@dataclass(frozen=True)
class _Token:
    """A bracket, an operator, or a part of the query."""

    sign: str
    node: TextNode | None = None


class _Parser:
    def __init__(self, text: str, every: bool) -> None:
        self._text, self._every = text, every
        self._tokens = self._read()
        self._at = 0

    def parse(self) -> TextNode:
        if not self._tokens:
            return Words("")  # which matches nothing
        found = self._either(0)
        if self._at < len(self._tokens):
            raise self._error("a bracket is closed that was not opened")
        if isinstance(found, _Exclusion):
            raise self._error("it says only what must not be there; name something that must")
        return found

    def _read(self) -> list[_Token]:
        tokens, at = [], 0
        while self._text[at:].strip():
            found = _TOKEN.match(self._text, at)
            if found is None:
                raise self._error("a quote is opened and not closed")
            at = found.end()
            if found["phrase"] is not None:
                slop = (found["slop"] or "~0")[1:] or "0"
                if found["boost"]:
                    raise self._error("a phrase cannot be boosted; boost words")
                tokens.append(_Token("", Phrase(found["phrase"][1:-1], int(slop[:6]))))
            elif found["word"] is None:
                tokens.append(_Token(found["bracket"]))
            else:
                tokens += self._words(found["word"])
            if len(tokens) > _MOST_PARTS:
                raise self._error(f"it has more than {_MOST_PARTS} parts")
        return tokens

    def _words(self, word: str) -> list[_Token]:
        if word in ("AND", "OR", "NOT"):
            return [_Token(word)]
        minus = [_Token("NOT")] if word.startswith("-") else []
        word = word.removeprefix("-")
        found = _WORD.fullmatch(word)
        if found is None:
            return minus  # a minus before a phrase or a bracket
        fuzzy, boost = found["fuzzy"], found["boost"]
        fuzziness = 0 if fuzzy is None else int(fuzzy[1:] or min(2, (len(found["text"]) - 1) // 2))
        if fuzziness > _MOST_DIFFERENCES:
            raise self._error(f"words differ in at most {_MOST_DIFFERENCES} letters, {word} asks for {fuzziness}")
        amount = 1.0 if boost is None else float(boost[1:])
        return [*minus, _Token("", Words(found["text"], amount, fuzziness, self._every))]

    def _peek(self) -> str | None:
        return self._tokens[self._at].sign if self._at < len(self._tokens) else None

    def _either(self, depth: int) -> TextNode | _Exclusion:
        """Parts with OR between them, or nothing."""
        if depth > _MOST_DEPTH:
            raise self._error(f"its brackets are nested more than {_MOST_DEPTH} deep")
        sides = [self._side_by_side(depth)]
        while self._peek() == "OR":
            self._at += 1
            sides.append(self._side_by_side(depth))
        if len(sides) == 1:
            return sides[0]
        if any(isinstance(side, _Exclusion) for side in sides):
            raise self._error("OR stands beside what must not be there alone")
        return AnyOf(tuple(side for side in sides if not isinstance(side, _Exclusion)))

    def _side_by_side(self, depth: int) -> TextNode | _Exclusion:
        parts = [self._both(depth)]
        while self._peek() in ("", "(", "NOT"):
            parts.append(self._both(depth))
        return _combine(parts, every=self._every)

    def _both(self, depth: int) -> TextNode | _Exclusion:
        parts = [self._part(depth)]
        while self._peek() == "AND":
            self._at += 1
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else _combine(parts, every=True)

    def _part(self, depth: int) -> TextNode | _Exclusion:
        sign = self._peek()
        if sign is None or sign in ("AND", "OR", ")"):
            raise self._error(f"something is missing before {sign}" if sign else "something is missing at its end")
        token = self._tokens[self._at]
        self._at += 1
        if token.node is not None:
            return token.node
        if sign == "NOT":
            inner = self._part(depth)
            if isinstance(inner, _Exclusion):
                raise self._error("a minus stands before a minus")
            return _Exclusion((inner,))
        found = self._either(depth + 1)
        if self._peek() != ")":
            raise self._error("a bracket is opened and not closed")
        self._at += 1
        return found

    def _error(self, reason: str) -> InvalidValueError:
        return InvalidValueError(f"The text query '{self._text[:200]}' is not understood: {reason}.")


@dataclass(frozen=True)
class _Exclusion:
    """What must not be there."""

    nodes: tuple[TextNode, ...]


def _combine(parts: Sequence[TextNode | _Exclusion], *, every: bool) -> TextNode | _Exclusion:
    """Parts side by side, or with AND between them. Words without marks are one question to the index."""
    without = tuple(node for part in parts if isinstance(part, _Exclusion) for node in part.nodes)
    wanted: list[TextNode] = []
    for part in parts:
        if isinstance(part, _Exclusion):
            continue
        last = wanted[-1] if wanted else None
        if (
            isinstance(part, Words)
            and isinstance(last, Words)
            and _is_plain(part)
            and _is_plain(last)
            and last.every == every
        ):
            wanted[-1] = replace(last, text=f"{last.text} {part.text}")
        else:
            wanted.append(part)
    if not wanted:
        return _Exclusion(without)
    if len(wanted) == 1 and not without:
        return wanted[0]
    return All(tuple(wanted), without) if every else AnyOf(tuple(wanted), without)


def _is_plain(words: Words) -> bool:
    return words.boost == 1.0 and words.fuzziness == 0
