"""The escapes that JDBC and ODBC have in SQL text, as the dialect writes them; and what the kernel's parser lacks.

======================================  ===============================================================
``{d '2024-01-31'}``                    a date; ``t`` a time, ``ts`` a timestamp, ``guid`` a UUID
``{interval '1' DAY}``                  an interval
``{fn UCASE(name)}``                    a function under the name that the standard has for it
``LIKE 'a!%' {escape '!'}``             the character that makes a pattern's next one plain
``{oj a LEFT OUTER JOIN b ON ...}``     an outer join
``{limit 10 offset 5}``                 how many rows
``AT (TAG => 'name')``                  a version of a table by its tag, which is ``VERSION => 'tag:name'``
======================================  ===============================================================

They are taken where they are written as text of the statement, not in strings, names and comments, and may stand in
each other. What has another form is left as it is: to the kernel a brace begins a struct. The text is walked once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from engine.errors import UnsupportedError
from engine.place import Place
from engine.sql.escaped_functions import ARGUMENT, call_template
from engine.sql.syntax import TAGGED
from engine.sql.tokens import Kind, Token, tokens

__all__ = ["WrittenText", "without_escapes"]

_LITERALS = {"D": "DATE", "T": "TIME", "TS": "TIMESTAMP", "GUID": "UUID", "ESCAPE": "ESCAPE"}
_CLAUSES = {"OJ": ("(", ")"), "LIMIT": ("LIMIT", ""), "INTERVAL": ("INTERVAL", "")}
_PAIRS = {")": "(", "]": "[", "}": "{"}
_MAY_ESCAPE = re.compile(r"\{\s*+(?:[dt]|ts|guid|fn|oj|escape|limit|interval|call|\?)(?![\w$])", re.IGNORECASE)
_MAY_ASK_FOR_TAG = re.compile(r"\(\s*+TAG\s*+=", re.IGNORECASE)
_ASK_FOR_TAG = ("AT", "(", "TAG", "=", ">")
_NAME, _BRACKET = 2, 3  # where they stand behind the brace of {fn


@dataclass(frozen=True)
class _Edit:
    """What stands in the place of `source[start:end]`; what is wrong with it is told at the token `told`."""

    start: int
    end: int
    text: str
    told: Token


@dataclass(frozen=True)
class WrittenText:
    """A client's text, `source`, and the `text` that the kernel reads in its place."""

    source: str
    text: str
    edits: Sequence[_Edit] = ()
    ends: Sequence[int] = ()  # where what stands in the place of each edit ends in `text`

    def place(self, place: Place) -> Place:
        """Where in the client's text something stands that has its `place` in `text`."""
        if not self.edits or place.text != self.text:
            return place
        start, end = self._source(place.start), self._source(place.start + place.length, is_end=True)
        return Place(self.source, start, max(0, end - start) if place.length else 0)

    def _source(self, at: int, *, is_end: bool = False) -> int:
        """The character of the client's text that `at` comes from; one that comes from an edit is that of its token."""
        done = bisect_right(self.ends, at - is_end)  # edits that end before the character
        if done < len(self.edits):
            edit = self.edits[done]
            if at - is_end >= self.ends[done] - len(edit.text):
                return edit.told.end if is_end else edit.told.start
        return at if not done else self.edits[done - 1].end + at - self.ends[done - 1]


@dataclass
class _Bracket:
    """A bracket that is open: the number of its token, its escape's word, and the commas of a call right inside."""

    at: int
    value: str
    word: str = ""
    is_call: bool = False
    commas: list[int] = field(default_factory=list)
    call: _Bracket | None = None  # the brackets of {fn NAME(...)}
    call_end: int = 0


def without_escapes(source: str) -> WrittenText:
    """`source` with the dialect's own words in the place of its escapes.

    Raises UnsupportedError for a call of a procedure.
    """
    if _MAY_ESCAPE.search(source) is None and _MAY_ASK_FOR_TAG.search(source) is None:
        return WrittenText(source, source)
    found = tokens(source)
    edits = sorted([*_edits(source, found), *_tags(found)], key=lambda edit: edit.start)
    parts, ends, done, length = [], [], 0, 0
    for edit in edits:
        parts += [source[done : edit.start], edit.text]
        length += edit.start - done + len(edit.text)
        ends.append(length)
        done = edit.end
    return WrittenText(source, "".join([*parts, source[done:]]), edits, ends)


def _tags(found: list[Token]) -> Iterator[_Edit]:
    """The edits for versions that are asked for by their tags."""
    for at, token in enumerate(found):
        behind = found[at : at + len(_ASK_FOR_TAG) + 1]
        if token.word == "AT" and tuple(each.word for each in behind[:-1]) == _ASK_FOR_TAG:
            unit, tag = behind[2], behind[-1]
            if tag.kind is Kind.STRING and tag.value.startswith("'"):
                yield _Edit(unit.start, unit.end, "VERSION", unit)
                yield _Edit(tag.start, tag.end, f"'{TAGGED}{tag.value[1:]}", tag)


def _edits(source: str, found: list[Token]) -> Iterator[_Edit]:
    open_brackets: list[_Bracket] = []
    for at, token in enumerate(found):
        around = open_brackets[-1] if open_brackets else None
        match token.word:
            case "{":
                open_brackets.append(_Bracket(at, "{", _escape_word(source, found, at)))
            case "(" | "[" as value:
                is_call = around is not None and around.word == "FN" and at == around.at + _BRACKET
                open_brackets.append(_Bracket(at, value, is_call=is_call))
            case "," if around is not None and around.is_call:
                around.commas.append(at)
            case ")" | "]" | "}" as value if around is not None and around.value == _PAIRS[value]:
                open_brackets.pop()
                if around.is_call:
                    open_brackets[-1].call, open_brackets[-1].call_end = around, at
                yield from _escape(found, around, at)


def _escape_word(source: str, found: list[Token], at: int) -> str:
    """The word of the escape whose brace has the number `at`; empty where it is another brace."""
    word, behind = (found[i] if i < len(found) else None for i in (at + 1, at + 2))
    if word is None or behind is None or behind.word == ":":
        return ""
    if word.word == "CALL" or (word.kind is Kind.PARAMETER and behind.word == "="):
        error = UnsupportedError("{call} is not handled: there are no procedures here.")
        error.place = Place(source, found[at].start, word.end - found[at].start)
        raise error
    return word.word if word.word in ("FN", *_LITERALS, *_CLAUSES) else ""


def _escape(found: list[Token], brace: _Bracket, end: int) -> Iterator[_Edit]:
    """The edits for the escape between two braces; none where it has not the form of one."""
    first, last = found[brace.at], found[end]
    if not brace.word:
        return
    word = found[brace.at + 1]
    if brace.word in _CLAUSES:
        opening, closing = _CLAUSES[brace.word]
        yield _Edit(first.start, word.end, f" {opening}", word)
        yield _Edit(last.start, last.end, f"{closing} ", last)
    elif brace.word in _LITERALS and end == brace.at + 3 and found[brace.at + 2].kind is Kind.STRING:
        yield _Edit(first.start, word.end, f" {_LITERALS[brace.word]}", word)
        yield _Edit(last.start, last.end, " ", last)
    elif brace.word == "FN" and found[brace.at + _NAME].kind is Kind.WORD:
        yield from _call(found, brace, end)


def _call(found: list[Token], brace: _Bracket, end: int) -> Iterator[_Edit]:
    """The edits for ``{fn NAME(...)}``, or ``{fn NAME}``."""
    name, call = found[brace.at + _NAME], brace.call
    bounds = [] if call is None else [call.at, *call.commas, brace.call_end]
    if (bounds and bounds[-1] != end - 1) or (not bounds and end != brace.at + _BRACKET):
        return
    if not bounds or bounds[0] + 1 == bounds[1]:
        template, _ = call_template(name.word, [])
        yield _Edit(found[brace.at].start, found[end].end, f" {template} ", name)
        return
    template, kept = call_template(name.word, [_only_word(found, *pair) for pair in pairwise(bounds)])
    first, last = kept.start or 0, kept.stop or len(bounds) - 1
    ends = [(brace.at, bounds[first]), *((at, at) for at in bounds[first + 1 : last]), (bounds[last], end)]
    for (start, stop), piece in zip(ends, f" {template} ".split(ARGUMENT), strict=True):
        yield _Edit(found[start].start, found[stop].end, piece, name if start == brace.at else found[start])


def _only_word(found: list[Token], before: int, behind: int) -> str:
    """The word that stands alone between two tokens; empty where something else does."""
    return found[before + 1].word if behind == before + 2 else ""
