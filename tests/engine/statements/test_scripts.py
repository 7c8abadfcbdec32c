"""Several statements in one text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import grism
from engine.errors import ForbiddenError, GrismError, InvalidValueError, SqlSyntaxError, UnknownColumnError
from engine.statements.scripts import split
from grism import Connection


@pytest.fixture
def db() -> Iterator[Connection]:
    with grism.connect() as db:
        db.sql("CREATE TABLE t (a INTEGER)")
        yield db


def values(db: Connection) -> list[int]:
    found: list[int] = db.sql("SELECT a FROM t ORDER BY a").to_arrow().column("a").to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SELECT 1", []),
        ("SELECT 1;", []),
        (";; SELECT 1 ; -- a; b\n;", []),
        ("SELECT ';' AS \";\" /* ; */", []),
        ("SELECT 1; 'open", []),
        ("A; B", ["A", "B"]),
        ("  A x ;;\n B $$;$$ ; -- end", ["A x", "B $$;$$"]),
    ],
)
def test_where_a_text_is_cut(text: str, parts: list[str]) -> None:
    assert [part.text for part in split(text)] == parts


def test_all_run_and_the_last_answers(db: Connection) -> None:
    result = db.sql(
        "INSERT INTO t VALUES (1), (2); UPDATE t SET a = 5 WHERE a = 2; SELECT count(*) AS n, max(a) AS m FROM t"
    )
    assert result.to_arrow().to_pylist() == [{"n": 2, "m": 5}]
    assert db.sql("SELECT * FROM t; DELETE FROM t WHERE a = 1;").changed == 1
    assert db.sql("CREATE TEMP TABLE u AS SELECT 7 AS b; SELECT b FROM u").to_arrow().to_pylist() == [{"b": 7}]


@pytest.mark.parametrize(
    ("text", "error", "message", "kept"),
    [
        (
            "INSERT INTO t VALUES (1);\n  SELECT nope FROM t; SELECT 1",
            UnknownColumnError,
            r"2 of 3; those before it have taken effect and stay \(line 2, column 10\)\.\n\nLINE 2:   SELECT nope",
            [1],
        ),
        (
            "INSERT INTO t VALUES (1); INSERT INTO t VALUES ('x')",
            InvalidValueError,
            "statement 2 of 2; those before",
            [1],
        ),
        ("INSERT INTO t VALUES ('x'); INSERT INTO t VALUES (1)", InvalidValueError, "statement 1 of 2; none has", []),
        ("INSERT INTO t VALUES (1); SELEC 1", SqlSyntaxError, "line 1, column 27.*statement 2 of 2; none has", []),
        ("INSERT INTO t VALUES (1); INSERT t", SqlSyntaxError, "statement 2 of 2; none has", []),
        ("INSERT INTO t VALUES (1); COPY t TO 'x'", ForbiddenError, "statement 2 of 2; none has", []),
        ("INSERT INTO t VALUES (1); ATTACH 'x'; SELECT 1", ForbiddenError, "statement 2 of 3; none has", []),
        ("INSERT INTO t VALUES (?); SELECT 1", GrismError, "Parameters belong to one statement; this text has 2", []),
        (";".join(["SELECT 1"] * 1001), GrismError, "at most 1000", []),
    ],
)
def test_what_an_error_leaves(db: Connection, text: str, error: type[Exception], message: str, kept: list[int]) -> None:
    with pytest.raises(error, match=message):
        db.sql(text)
    assert values(db) == kept
