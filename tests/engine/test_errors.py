"""The error tree: what it says about itself is so."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from engine import errors
from engine.errors import GrismError, SqlSyntaxError, nearest
from engine.place import Place

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GrismError)]


def test_the_drawing_shows_every_class_below_its_parent() -> None:
    drawn: dict[str, str] = {}
    levels: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.search(r"[A-Za-z]+Error\b", line)
        if found is None or not (line.startswith("    GrismError") or "─ " in line):
            continue
        level = (found.start() - 4) // 4
        del levels[level:]
        drawn[found[0]] = levels[-1] if levels else "Exception"
        levels.append(found[0])
    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in CLASSES}


def test_the_drawing_marks_what_may_be_retried() -> None:
    marked = set(re.findall(r"([A-Za-z]+Error)\b.*\(retryable\)", errors.__doc__ or ""))
    assert marked == {kind.__name__ for kind in CLASSES if kind.retryable}


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_travel(kind: type[GrismError]) -> None:
    sent = kind("what was asked")
    got = pickle.loads(pickle.dumps(sent))
    assert type(got) is kind
    assert got.message == sent.message
    assert "what was asked" in got.message


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_keep_their_place_on_the_way(kind: type[GrismError]) -> None:
    sent = kind("near x.")
    sent.place = Place("SELECT\n\n      x", 14, 1)
    got = pickle.loads(pickle.dumps(sent))
    assert got.place == sent.place
    assert str(got) == sent.message
    excerpt = "\n\nLINE 3:       x\n              ^"
    told = "Syntax error at line 3, column 7: near x." if kind is SqlSyntaxError else "near x (line 3, column 7)."
    assert got.message == told + excerpt


def test_an_error_without_text_has_its_name() -> None:
    assert GrismError().message == "GrismError"


@pytest.mark.parametrize(
    ("name", "candidates", "want"),
    [
        ("poeple", ["people", "teams"], "people"),
        ("PEOPLE", ["people"], "people"),
        ("Nmae", ["id", "Name"], "Name"),
        ("zzz", ["people"], None),
        ("x", [], None),
    ],
)
def test_nearest(name: str, candidates: list[str], want: str | None) -> None:
    assert nearest(name, candidates) == want
