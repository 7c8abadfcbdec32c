"""What the language of text searches means."""

from __future__ import annotations

import pytest

from engine.errors import InvalidValueError
from engine.storage.text_query import All, AnyOf, Phrase, TextNode, Words, is_fuzzy, parse_text_query, phrases

QUICK, FOX, DOG = Words("quick"), Words("fox"), Words("dog")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("quick fox", Words("quick fox")),
        ('"quick fox"', Phrase("quick fox")),
        ('"quick fox"~2 dog', AnyOf((Phrase("quick fox", 2), DOG))),
        ("quick AND fox", All((QUICK, FOX))),
        ("quick OR fox", AnyOf((QUICK, FOX))),
        ("quick and fox", Words("quick and fox")),
        ("dog quick AND fox", AnyOf((DOG, All((QUICK, FOX))))),
        ("quick fox OR dog", AnyOf((Words("quick fox"), DOG))),
        ("quick -fox", AnyOf((QUICK,), (FOX,))),
        ("quick AND -fox", All((QUICK,), (FOX,))),
        ('-"fox dog" quick', AnyOf((QUICK,), (Phrase("fox dog"),))),
        ("NOT (fox OR dog) quick", AnyOf((QUICK,), (AnyOf((FOX, DOG)),))),
        ("(-dog) quick", AnyOf((QUICK,), (DOG,))),
        ("quick~ fox~1 it~", AnyOf((Words("quick", fuzziness=2), Words("fox", fuzziness=1), Words("it")))),
        ("quick^2.5", Words("quick", 2.5)),
        ("e-mail don't", Words("e-mail don't")),
        ("", Words("")),
    ],
)
def test_meanings(text: str, wanted: TextNode) -> None:
    assert parse_text_query(text) == wanted


def test_every_word() -> None:
    every = Words("quick fox", every=True)
    assert parse_text_query("quick fox -dog", every=True) == All((every,), (Words("dog", every=True),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-dog", "only what must not be there"),
        ("-dog AND -fox", "only what must not be there"),
        ("quick OR -dog", "must not be there alone"),
        ('"quick', "a quote is opened"),
        ("(quick", "a bracket is opened"),
        ("quick)", "a bracket is closed"),
        ("AND quick", "missing before AND"),
        ("quick OR", "missing at its end"),
        ("()", "missing before"),
        ("quick~3", "at most 2 letters"),
        ('"quick fox"^2', "cannot be boosted"),
        ("(" * 40 + "a" + ")" * 40, "nested"),
        ("a OR " * 600 + "a", "parts"),
    ],
)
def test_what_is_not_understood(text: str, reason: str) -> None:
    with pytest.raises(InvalidValueError, match=reason):
        parse_text_query(text)


def test_what_is_in_a_query() -> None:
    node = parse_text_query('quick~1 AND -"fox dog"')
    assert is_fuzzy(node)
    assert phrases(node) == [Phrase("fox dog")]
    assert not is_fuzzy(parse_text_query("it~ quick"))
