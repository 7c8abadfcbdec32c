"""Patterns for names: what they match, and that no pattern takes longer than its length tells."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest

from engine.wildcards import glob, like
from tests.harness.growth import assert_linear


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("%", "anything", True),
        ("%", "", True),
        ("", "", True),
        ("", "a", False),
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        (r"a\_c", "abc", False),
        (r"a\_c", "a_c", True),
        (r"100\%", "100%", True),
        ("a.c", "abc", False),
        ("A%", "abc", True),
        ("%b%", "a\nb\nc", True),
        (r"a\\c", r"a\c", True),
        (r"a\c", r"a\c", True),
        ("a\\", "a\\", True),
        ("ab%ba", "aba", False),
        ("ab%ba", "abba", True),
        ("%a%a%", "a", False),
        ("%a_%_a%", "xaba", False),
        ("%a_%_a%", "xabba", True),
        ("_%_", "ab", True),
        ("_%_", "a", False),
        ("%ä_", "ÄÖ", True),
        ("%.%", "ab", False),
    ],
)
def test_patterns_are_like_patterns(pattern: str, name: str, found: bool) -> None:
    assert like(pattern).matches(name) is found


def test_patterns_match_what_their_expressions_match() -> None:
    words = ["".join(letters) for count in range(6) for letters in itertools.product("ab", repeat=count)]
    patterns = ["".join(signs) for count in range(6) for signs in itertools.product("a%_", repeat=count)]
    for pattern in patterns:
        expression = re.compile(re.sub("%+", ".*", pattern).replace("_", "."), re.DOTALL)
        found = [word for word in words if like(pattern).matches(word)]
        assert found == [word for word in words if expression.fullmatch(word)], pattern


def test_globs() -> None:
    assert glob("*").matches("")
    assert glob("sales_*").matches("sales_2024")
    assert not glob("sales_*").matches("salesX2024")
    assert glob("a*.b*c").matches("ax.bxc")


NAME = "a" * 30


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "%a" * n + "b",
        lambda n: "%" * n + "b",
        lambda n: "%_" * min(n, 30) + "b" * n,
        lambda n: "_" * n,
        lambda n: "%a%" + "a" * n,
        lambda n: "\\" * n,
        lambda n: "%aa_" * n,
    ],
)
def test_time_grows_with_the_pattern_only(make: Callable[[int], str]) -> None:
    assert_linear(lambda pattern: [like(pattern).matches(NAME[:length]) for length in range(30)], make)


@pytest.mark.parametrize("pattern", ["%a%a%a%a%a%a%a%a%b", "%_%_%_%_%_%_%_%_b", "a%a%a%a%a%a%a%a%a%b%a", "%a_a%b"])
def test_time_hardly_grows_with_the_name(pattern: str) -> None:
    assert_linear(like(pattern).matches, lambda n: "a" * n)
