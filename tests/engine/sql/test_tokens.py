"""Tokens are cut as the kernel cuts them, and in time linear in the text, whatever the text is."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import duckdb
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, GrismError
from engine.sql.bounds import require_bounds
from engine.sql.escapes import without_escapes
from engine.sql.tokens import Kind, first_words, scan, tokens
from engine.statements.parsed_statement import parse
from engine.statements.reader import number_parameters
from tests.harness.growth import assert_linear, exponent

LETTER, UMLAUT, NO_BREAK, IDEOGRAPHIC, BYTE_ORDER = "a", "ä", "\u00a0", "\u3000", "\ufeff"


def values(text: str) -> list[str]:
    return [token.value for token in scan(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT a.b, 1.5e-3 FROM t", ["SELECT", "a", ".", "b", ",", "1.5e-3", "FROM", "t"]),
        ("/* a /* b */ c */ x -- y\rz -- w\n;", ["x", "z", ";"]),
        ("\"a\"\"b\" `c``d` 'e''f' E'g\\'h'", ['a"b', "c`d", "'e''f'", "E'g\\'h'"]),
        ("'a\\' b", ["'a\\'", "b"]),
        ("$$a'b$$ $x$ $y$ $$ $x$ c", ["$$a'b$$", "$x$ $y$ $$ $x$", "c"]),
        ("a$b$c$ ?, $1,$2, $name::INT ?3", ["a$b$c$", "?", ",", "$1", ",", "$2", ",", "$name", ":", ":", "INT", "?3"]),
        ("'-- no' '/* no */' -- $$", ["'-- no'", "'/* no */'"]),
        (f"{UMLAUT}b{NO_BREAK}c{IDEOGRAPHIC}d{BYTE_ORDER}e", [f"{UMLAUT}b", "c", "d", "e"]),
        ("1_000 .5 1.", ["1_000", ".5", "1."]),
        ("a<=b", ["a", "<", "=", "b"]),
        ("", []),
        (" -- x", []),
    ],
)
def test_a_text_is_cut_into_tokens(text: str, found: list[str]) -> None:
    assert values(text) == found
    assert [text[token.start : token.end] for token in scan(text) if token.kind is not Kind.NAME] == [
        token.value for token in scan(text) if token.kind is not Kind.NAME
    ]


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a `b", "a $$b", "a $x$ b $y$", "a /* b /* c */", "a E'b\\'"])
def test_what_has_no_end_takes_the_rest(text: str) -> None:
    assert [(token.kind, token.start, token.end) for token in scan(text)] == [
        (Kind.WORD, 0, 1),
        (Kind.OPEN, 2, len(text)),
    ]
    assert tokens(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT /* a /* b */ c */ 'x' AS \"y\"\"z\", e'\\'' AS w -- end",
        "select $$'$$ as a, $t$ $$ $t$ as b, 1_0 as c, .5 as d",
        f"SELECT{NO_BREAK}1 AS {UMLAUT}{IDEOGRAPHIC}, '--' || '/*' AS x",
        "SELECT a$b$c$ FROM (SELECT 1 AS a$b$c$) `t`",
        "SELECT 1 -- x\r+ 2",
        "SELECT $2, ?, ?3",
        "SELECT [1, {'a': 2}], CASE WHEN true THEN 1 END",
    ],
)
def test_the_kernel_reads_the_same_without_spaces_and_comments(text: str) -> None:
    # Each token behind one space: were a quote or a comment cut otherwise, the kernel would read something else.
    parts = [text[token.start : token.end] for token in scan(text)]
    assert tree(" ".join(_joined(parts))) == tree(text)


def _joined(parts: list[str]) -> list[str]:
    """Operators of several characters are written together."""
    found: list[str] = []
    for part in parts:
        if found and found[-1] == part == "|":
            found[-1] += part
        else:
            found.append(part)
    return found


def tree(text: str) -> object:
    (row,) = duckdb.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    answer = json.loads(row[0])
    assert not answer["error"], answer
    return without_places(answer)


def without_places(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items() if not key.startswith("query_location")}
    return [without_places(item) for item in value] if isinstance(value, list) else value


def test_first_words() -> None:
    assert first_words("  -- x\n select * from t", 2) == ["SELECT", "*"]
    assert first_words("'select'", 1) == [""]
    assert first_words("", 1) == []


def test_a_walk_stops_when_planning_does() -> None:
    cancellation = Cancellation()
    with cancellation.scope():
        walk = scan("a " * 10_000)
        next(walk)
        cancellation.cancel("enough")
        with pytest.raises(CancelledError):
            list(walk)


GROWING: dict[str, Callable[[int], str]] = {
    "spaces": lambda n: " " * n + "SELECT 1",
    "lines": lambda n: "\n\t" * n + "x",
    "empty comments": lambda n: "/**/" * n + "SELECT 1",
    "comments and spaces": lambda n: " /* */ \n-- x\n" * n,
    "comment without end": lambda n: "/*" * n,
    "comment ends": lambda n: "*/" * n,
    "nested comments": lambda n: "/*" * n + "*/" * n + "x",
    "stars": lambda n: "/" + "*" * n,
    "dollar quotes": lambda n: "$$" * n,
    "tags": lambda n: "$a$ " * n,
    "other tags": lambda n: "".join(f"$a{i}$ " for i in range(n)),
    "a long tag": lambda n: f"${'a' * n}$" * 3,
    "tags cut short": lambda n: f"${'a' * 50}$" + f"${'a' * 49} " * n,
    "quotes": lambda n: "'" * n,
    "odd quotes": lambda n: "'" * (2 * n + 1),
    "names": lambda n: '"' * n,
    "backslashes": lambda n: "E'" + "\\" * n,
    "a long text": lambda n: "'" + "a" * n,
    "a long word": lambda n: "a" * n,
    "digits": lambda n: "1" * n,
    "points": lambda n: "1." * n,
    "exponents": lambda n: "1e" * n,
    "underscores": lambda n: "_" * n,
    "brackets": lambda n: "(" * n,
    "operators": lambda n: "<" * n,
    "minus": lambda n: "- " * n,
    "dashes": lambda n: "-" * n,
    "parameters": lambda n: "$1," * n,
    "semicolons": lambda n: ";" * n,
    "words of WITH": lambda n: "WITH a AS (SELECT 1), " * n,
    "letters beyond ASCII": lambda n: UMLAUT * n,
}


@pytest.mark.parametrize("kind", GROWING)
def test_time_grows_with_the_length_only(kind: str) -> None:
    def read(text: str) -> None:
        number_parameters(text)
        with suppress(GrismError):
            require_bounds(text)
        for before in ("", "EXPLAIN ", "WITH a AS (", "INSERT INTO t VALUES ("):
            with suppress(GrismError):  # as no SQL, or as something that is not handled
                parse(without_escapes(before + text))

    assert_linear(read, GROWING[kind], longest=20_000)


def test_growth_is_told() -> None:
    def quadratic(text: str) -> None:
        for i in range(len(text)):
            text.count("b", i)

    def doubling(text: str) -> None:
        for _ in range(1000 << len(text) // 4):
            pass

    assert max(exponent(quadratic, lambda n: "a" * n) for _ in range(3)) > 1.6
    assert exponent(doubling, lambda n: "a" * n) > 3
    assert exponent(len, lambda n: "a" * n) == 0.0
