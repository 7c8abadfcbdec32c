"""Places in texts: lines and columns count characters, and a mark stands under what it means."""

from __future__ import annotations

import unicodedata

import pytest

from engine.place import Place


def marked(excerpt: str) -> str:
    """What the mark in an excerpt stands under; columns are counted as a terminal shows them."""
    line, marks = excerpt.split("\n")
    shown, columns = [], 0
    wanted = range(len(marks) - marks.count("^"), len(marks))
    assert "\t" not in line
    for character in line:
        if columns in wanted:
            shown.append(character)
        if not unicodedata.combining(character):
            columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return "".join(shown)


TEXTS = [
    "SELECT nope FROM t",
    "\n\nSELECT a,\n  nope FROM t",
    "SELECT 'é', nope FROM t",
    "SELECT '日本語', nope FROM t",
    "SELECT 'e\u0301', nope FROM t",
    "SELECT '👩', nope FROM t",
    "SELECT 1,\r\n nope\r\nFROM t",
    "nope",
    "SELECT\u00a01,\u3000nope FROM t",
    "SELECT '\u202e\x01\u2028', nope FROM t",
    f"SELECT {'x, ' * 90}nope{', y' * 90}",
    f"SELECT {'日本, ' * 90}nope{', 日本' * 90}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_mark_stands_under_what_it_means(text: str) -> None:
    at = text.index("nope")
    place = Place.of_bytes(text, len(text[:at].encode()), 4)
    assert place == Place(text, at, 4)
    assert place.span == (len(text[:at].encode()), 4)
    assert place.line == text[:at].count("\n") + 1
    assert text.split("\n")[place.line - 1][place.column - 1 :].startswith("nope")
    assert place.excerpt.startswith(f"LINE {place.line}: ")
    assert marked(place.excerpt) == "nope"
    assert len(place.excerpt.split("\n")[0]) < 140
    assert all(character.isprintable() for character in place.excerpt.replace("\n", ""))


def test_tabs_stand_above_tabs() -> None:
    assert Place("\tSELECT\tnope", 8, 4).excerpt == "LINE 1: \tSELECT\tnope\n        \t      \t^^^^"


def test_a_place_without_a_length_has_one_mark() -> None:
    assert Place("SELECT s + d", 9).excerpt == "LINE 1: SELECT s + d\n                 ^"


def test_the_end_of_a_text_is_a_place() -> None:
    assert Place("SELECT", 6).excerpt == "LINE 1: SELECT\n              ^"
    assert Place("", 0).excerpt == "LINE 1: \n        ^"


def test_a_place_over_several_lines_is_marked_in_its_first() -> None:
    assert Place("SELECT f(\n 1)", 7, 6).excerpt == "LINE 1: SELECT f(\n               ^^"


def test_half_a_character_is_none() -> None:
    assert Place.of_bytes("é x", 1, 1) == Place("é x", 0, 0)


def test_what_is_no_character_can_be_shown() -> None:
    assert Place("SELECT '\ud800'", 8, 1).excerpt.encode()
