"""Which tables and columns the names in a statement mean, and what is told where one means nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.errors import (
    GrismError,
    InvalidValueError,
    SqlSyntaxError,
    TypeMismatchError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
)
from engine.sql.views import Names
from local_runtime import LocalRuntime
from tests.engine.querying import rows

OTHER = Names(schemas=("other",))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT size FROM teams WHERE code = 'x'", [(2,)]),
        ("SELECT SIZE FROM TEAMS WHERE Code = 'x'", [(2,)]),
        ('SELECT "SIZE" FROM "TEAMS" WHERE "code" = \'x\'', [(2,)]),
        ("SELECT size FROM main.teams WHERE teams.code = 'x'", [(2,)]),
        ("SELECT main.teams.size FROM main.teams WHERE main.teams.code = 'x'", [(2,)]),
        ("SELECT grism.main.teams.size FROM grism.main.teams WHERE code = 'x'", [(2,)]),
        ("SELECT GRISM.Main.TEAMS.size FROM grism.main.teams WHERE code = 'x'", [(2,)]),
        ("SELECT size FROM grism.teams WHERE code = 'x'", [(2,)]),
        ("SELECT colour FROM other.teams", [("red",)]),
        ("SELECT grism.other.teams.colour FROM grism.other.teams", [("red",)]),
        ("SELECT t.colour, m.size FROM other.teams t JOIN main.teams m ON m.code = 'x'", [("red", 2)]),
        ("SELECT count(*) FROM teams, other.teams AS o", [(3,)]),
        ("TABLE other.teams", [("q", "red")]),
        ("FROM other.teams SELECT teams.colour", [("red",)]),
    ],
)
def test_tables_and_columns_under_all_their_names(local: LocalRuntime, text: str, want: list[tuple[Any, ...]]) -> None:
    assert rows(local, text) == want


def test_a_bare_name_is_looked_for_in_the_schema_of_the_session(local: LocalRuntime) -> None:
    assert rows(local, "SELECT colour FROM teams", names=OTHER) == [("red",)]
    assert rows(local, "SELECT count(*) FROM main.teams", names=OTHER) == [(3,)]
    assert rows(local, "SELECT current_schema(), current_schema", names=OTHER) == [("other", "other")]
    assert rows(local, "SELECT current_schema(), current_database(), current_catalog") == [("main", "grism", "grism")]
    with pytest.raises(UnknownTableError):
        local.frontend.plan("SELECT * FROM people", names=OTHER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM poeple", '"main.poeple"; did you mean "people"'),
        ("SELECT * FROM 'data/people.parquet'", 'without the ending: did you mean "people"'),
        ("SELECT * FROM zzzz", '"main.zzzz"; list the tables'),
        ("SELECT * FROM mian.people", 'no schema "mian"; did you mean "main"'),
        ("SELECT * FROM grims.main.people", 'no catalog "grims"; did you mean "grism"'),
        ("SELECT * FROM elsewhere.main.people", 'no catalog "elsewhere"; the catalog is "grism"'),
        ("SELECT * FROM a.b.c.people", 'no catalog "a"'),
        ("SELECT zz.* FROM people", 'no table "zz" in reach'),
        ("SELECT peple.id FROM people", 'no table "peple" in reach; did you mean "people"'),
    ],
)
def test_unknown_tables_name_the_nearest(local: LocalRuntime, text: str, message: str) -> None:
    with pytest.raises(UnknownTableError, match=message):
        local.frontend.plan(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT nmae FROM people",
        "SELECT people.nmae FROM people",
        "SELECT p.nmae FROM people p",
        "SELECT id FROM people WHERE nmae = 'x'",
        "SELECT id FROM people ORDER BY nmae",
        "SELECT id FROM people GROUP BY id, nmae",
        "SELECT (SELECT nmae FROM people LIMIT 1)",
        "WITH x AS (SELECT nmae FROM people) SELECT * FROM x",
        "SELECT * EXCLUDE (nmae) FROM people",
    ],
)
def test_unknown_columns_name_the_nearest(local: LocalRuntime, text: str) -> None:
    with pytest.raises(UnknownColumnError, match='no column "nmae" in reach; did you mean "name"'):
        local.frontend.plan(text)


ODD_NAMES = (
    'a"b',
    '"',
    "a\nb",
    "\n",
    "n.m",
    "x" * 700,
    'a" not found',
    "a\n\nLINE 1: b",
    "Parquet file",
    "/lance/src/io.rs:1",
)


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
@pytest.mark.parametrize(
    "text",
    [
        "SELECT {} FROM people",
        "SELECT {}",
        "SELECT people.{} FROM people",
        "SELECT id FROM people ORDER BY {}",
        "SELECT * EXCLUDE ({}) FROM people",
        "SELECT * REPLACE (1 AS {}) FROM people",
        "SELECT people.* EXCLUDE (people.{}) FROM people",
        "SELECT * FROM people JOIN people AS p USING ({})",
        "SELECT v.{} FROM (VALUES (1)) AS v(x)",
    ],
)
def test_an_unknown_column_is_told_whatever_its_name(local: LocalRuntime, text: str, name: str) -> None:
    with pytest.raises(UnknownColumnError) as raised:
        local.frontend.plan(text.format('"' + name.replace('"', '""') + '"'))
    assert raised.value.message.startswith(f'There is no column "{name[:600]}')


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_an_unknown_table_is_told_whatever_its_name(local: LocalRuntime, name: str) -> None:
    with pytest.raises(UnknownTableError) as raised:
        local.frontend.plan('SELECT "' + name.replace('"', '""') + '".id FROM people')
    assert raised.value.message.startswith(f'There is no table "{name[:600]}')


def test_a_name_that_is_suggested_may_hold_anything(local: LocalRuntime) -> None:
    for meant in ('na"me', "na\nme", "na.me"):
        text = f"""SELECT nmae FROM (SELECT 1 AS "{meant.replace('"', '""')}")"""
        with pytest.raises(UnknownColumnError, match=re.escape(f'did you mean "{meant}"?')):
            local.frontend.plan(text)


@pytest.mark.parametrize("value", ["Parquet file", "/lance/src/io.rs:1", "Failed to read file"])
def test_a_value_is_not_taken_for_what_is_told_of_files(local: LocalRuntime, value: str) -> None:
    with pytest.raises(InvalidValueError, match=f"Could not convert string '{value}'"):
        rows(local, f"SELECT CAST('{value}' AS INTEGER)")
    with pytest.raises(InvalidValueError, match=f"Could not convert string '{value}'"):
        rows(local, f"SELECT CAST('{value}' || left(name, 0) AS INTEGER) FROM people")


def test_an_unknown_column_without_a_table(local: LocalRuntime) -> None:
    with pytest.raises(UnknownColumnError, match='no column "nosuch" in reach'):
        local.frontend.plan("SELECT nosuch")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT name + 1 FROM people", TypeMismatchError),
        ("SELECT nosuch(id) FROM people", TypeMismatchError),
        ("SELECT id, count(*) FROM people", TypeMismatchError),
        ("SELECT * FROM people WHERE count(*) > 1", TypeMismatchError),
        ("SELECT id FROM people UNION SELECT id, name FROM people", TypeMismatchError),
        ("SELECT * FROM people LIMIT -1", TypeMismatchError),
        ("SELECT id FROM people, people", TypeMismatchError),
        ("SELECT FROM people", SqlSyntaxError),
        ("SHOW TABLES", UnsupportedError),
    ],
)
def test_other_planning_errors(local: LocalRuntime, text: str, error: type[GrismError]) -> None:
    with pytest.raises(error) as caught:
        local.frontend.plan(text)
    assert "__t" not in str(caught.value)


# CTEs


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("WITH teams AS (SELECT 1 AS one) SELECT * FROM teams", [(1,)]),
        ("WITH teams AS (SELECT count(*) AS n FROM teams) SELECT * FROM teams", [(3,)]),
        ("WITH Teams AS (SELECT 1 AS one) SELECT * FROM TEAMS", [(1,)]),
        ("WITH teams AS (SELECT 1 AS one) SELECT count(*) FROM main.teams", [(3,)]),
        ("WITH x AS (SELECT 1 AS i), x2 AS (SELECT i + 1 AS i FROM x) SELECT x.i, x2.i FROM x, x2", [(1, 2)]),
        ("WITH x AS (SELECT 1 AS i) SELECT * FROM (WITH x AS (SELECT 2 AS i) SELECT * FROM x) y, x", [(2, 1)]),
        ("WITH x AS (SELECT 1 AS i) SELECT (WITH x AS (SELECT 2 AS i) SELECT i FROM x), i FROM x", [(2, 1)]),
        ("WITH x(a, b) AS (SELECT 1, 2) SELECT b, a FROM x", [(2, 1)]),
        ("WITH x AS (SELECT random() AS r) SELECT a.r = b.r FROM x a, x b", [(True,)]),
        ("WITH x AS NOT MATERIALIZED (SELECT 1 AS i) SELECT a.i + b.i FROM x a, x b", [(2,)]),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 4) SELECT sum(i)::INT FROM r",
            [(10,)],
        ),
        (
            "WITH RECURSIVE teams AS (SELECT 1 AS i UNION SELECT i + 1 FROM teams WHERE i < 3) FROM teams",
            [(1,), (2,), (3,)],
        ),
        ("WITH RECURSIVE x AS (SELECT 7 AS i) SELECT * FROM x", [(7,)]),
        (
            "SELECT * FROM (WITH teams AS (SELECT 1 AS i) SELECT i FROM teams) a, (SELECT count(*) FROM teams) b",
            [(1, 3)],
        ),
    ],
)
def test_ctes_hide_tables_where_they_are_in_reach(local: LocalRuntime, text: str, want: list[tuple[Any, ...]]) -> None:
    assert rows(local, text) == want


@pytest.mark.parametrize("cte", ["__t0", "__t1", "__T0", "__s0", "__raw0", "cte_x", "t", "l", "r"])
def test_ctes_may_have_the_names_that_plans_use_inside(local: LocalRuntime, cte: str) -> None:
    text = (
        f'WITH "{cte}" AS (SELECT 42 AS v) SELECT p.id, v, t.code FROM people p, "{cte}", teams t ORDER BY 1, 3 LIMIT 1'
    )
    assert rows(local, text) == [(1, 42, "x")]
    recursive = f'WITH RECURSIVE "{cte}" AS (SELECT 1 AS v UNION SELECT v + 1 FROM "{cte}" WHERE v < 3) '
    assert rows(local, recursive + f'SELECT max(v), count(DISTINCT id) FROM "{cte}", people') == [(3, 5)]


def test_text_that_looks_like_an_inner_name_stays_text(local: LocalRuntime) -> None:
    text = """SELECT '"__raw0"' AS a, '"__s0"' AS "__t0", id FROM people QUALIFY row_number() OVER (ORDER BY id) = 1"""
    assert rows(local, text) == [('"__raw0"', '"__s0"', 1)]
    pivot = """SELECT '"__raw0"' AS a, * FROM (SELECT team FROM people) PIVOT (count(*) FOR team IN ('x'))"""
    assert rows(local, pivot) == [('"__raw0"', 2)]
