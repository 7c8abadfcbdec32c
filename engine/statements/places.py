"""Where an error stands in a statement that is not planned as it is written.

DESCRIBE, EXPLAIN, texts with escapes and whatever changes something hand texts to the planner that hold parts of the
statement, as they are written. A place in such a text is looked up among these parts. Where it could be in several, or
is in none, no place is told rather than a wrong one. Nothing of this happens where there is no error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from engine.errors import ForbiddenError, GrismError, SqlSyntaxError
from engine.on_error import OnError
from engine.place import Place
from engine.sql.escapes import WrittenText
from engine.statements.descriptions import DEFAULT_VALUE, Insert, Statement, Update
from engine.statements.parsed_statement import ParsedStatement
from engine.statements.parser import read_statement
from engine.statements.reader import number_parameters, parameters_of

__all__ = ["no_places", "places_in", "places_of"]


def places_in(written: WrittenText, parse: Callable[[str], object]) -> OnError:
    """What is raised inside leaves with its place in the statement's text as it was `written`, or with none.

    `parse` is the kernel's parser, which knows statements of every kind.
    """
    return OnError(partial(_find_place, written, parse))


def places_of(parsed: ParsedStatement, parse: Callable[[str], object]) -> OnError:
    """As `places_in` what a client wrote, and as `no_places` where that was a plan."""
    return no_places() if parsed.is_plan else places_in(parsed.written, parse)


def no_places() -> OnError:
    """What is raised inside leaves without a place: it would be one in a text that nobody wrote."""
    return OnError(_forget_place)


def _find_place(written: WrittenText, parse: Callable[[str], object], error: BaseException) -> None:
    """Tell the place of an error in what was written, or raise what the kernel's parser says of that."""
    if not isinstance(error, GrismError):
        return
    text = written.text
    place, error.place = error.place, None
    if isinstance(error, SqlSyntaxError) and (place is None or place.text not in (text, number_parameters(text))):
        with suppress(ForbiddenError):  # what it says of one that is right, but no query
            parse(text)
    found = None if place is None else _place_in(text, place)
    error.place = None if found is None else written.place(found)


def _forget_place(error: BaseException) -> None:
    if isinstance(error, GrismError):
        error.place = None


def _place_in(text: str, place: Place) -> Place | None:
    """Where in `text` something stands that has its `place` in a text that was made of it."""
    if place.text == text:
        return place
    if len(place.text) == len(text) and place.text[place.start :] == text[place.start :]:
        return Place(text, place.start, place.length)  # behind EXPLAIN
    with_numbers = number_parameters(text)
    start: int | None = place.start
    if place.text != with_numbers:
        statement, parts = read_statement(with_numbers)
        start = _start_in_parts(with_numbers, parts, place, _values(statement))
    if start is None:
        return None
    first, end = (_original_place(text, with_numbers, at) for at in (start, start + place.length))
    return Place(text, first, end - first)


def _start_in_parts(text: str, parts: list[tuple[int, int]], place: Place, values: Counter[str]) -> int | None:
    """Where in `text` something begins that stands in another one, in one of the parts of `text`.

    Of several `values` that are written alike the first is meant: what is wrong with one is so with all.
    """
    found: dict[int, str] = {}
    for start, end in parts:
        part = text[start:end]
        # Where the part could begin in the other text, if it reaches over the place.
        last = place.start + place.length - len(part)
        at = place.text.find(part, max(0, last), place.start + len(part))
        if at >= 0:
            found.setdefault(start + place.start - at, part)
    alike = set(found.values())
    if len(found) > 1 and (len(alike) > 1 or len(found) != values[alike.pop()]):
        return None
    return min(found, default=None)


def _values(statement: Statement | None) -> Counter[str]:
    """The texts of the values that a statement gives to columns, all of which may name the same."""
    match statement:
        case Insert(rows=rows):
            texts = [text for row in rows for text in row]
        case Update(assignments=assignments):
            texts = [text for _, text in assignments]
        case _:
            texts = []
    return Counter(text for text in texts if text.upper() != DEFAULT_VALUE)


def _original_place(text: str, with_numbers: str, at: int) -> int:
    """The character of `text` that stands at `at` where its parameters have numbers."""
    shift = 0
    for own, other in zip(parameters_of(text), parameters_of(with_numbers), strict=True):
        if other.start >= at:
            break
        shift = (own.end if other.end <= at else own.start) - (other.end if other.end <= at else other.start)
    return at + shift
