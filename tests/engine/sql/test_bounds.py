"""What a statement may be before a parser and the binder see it."""

from __future__ import annotations

import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, UnsupportedError
from engine.kernel import Kernel
from engine.sql.bounds import (
    MAX_DEPTH,
    MAX_NESTING,
    MAX_REPEATED,
    MAX_TOKENS,
    require_bounds,
    require_few_repeats,
)
from engine.sql.syntax import Tree
from engine.statements.parser import parse_statement
from local_runtime import LocalRuntime
from tests.engine.querying import rows
from tests.tpch.dataset import QUERIES, query_text


@pytest.mark.parametrize("bracket", ["(", "[", "{", "(["])
def test_brackets_in_brackets(bracket: str) -> None:
    most = MAX_DEPTH // len(bracket)
    require_bounds("SELECT " + bracket * most)
    with pytest.raises(UnsupportedError, match=f"nested too deeply: at most {MAX_DEPTH} brackets"):
        require_bounds("SELECT " + bracket * (most + 1))


@pytest.mark.parametrize(
    "inside",
    ["'{}'", '"{}"', "e'\\'{}'", "$$ {} $$", "$a$ {} $a$", "/* /* {} */ */", "-- {}\n", "`{}`"],
)
def test_brackets_in_quotes_and_comments_do_not_count(inside: str) -> None:
    require_bounds("SELECT 1, " + inside.format("(" * 1_000))
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        require_bounds("SELECT 1, " + inside.format("(" * 1_000) + "(" * (MAX_DEPTH + 1))


def test_brackets_beside_each_other() -> None:
    require_bounds("VALUES " + "(1)," * (MAX_TOKENS // 4 - 1))
    deep = "(" * MAX_DEPTH + ")" * MAX_DEPTH
    most = MAX_NESTING // (MAX_DEPTH * (MAX_DEPTH + 1) // 2)
    require_bounds(deep * most)
    with pytest.raises(UnsupportedError, match=rf"too large.*{MAX_NESTING} all together"):
        require_bounds(deep * (most + 1))


def test_tokens() -> None:
    require_bounds("1," * (MAX_TOKENS // 2))
    require_bounds("'" + "1, " * MAX_TOKENS + "'")
    require_bounds(" " * 2 * MAX_TOKENS + "SELECT 1")
    with pytest.raises(UnsupportedError, match=f"too large: it may have {MAX_TOKENS} tokens"):
        require_bounds("1," * (MAX_TOKENS // 2) + "1")


@pytest.mark.parametrize("number", QUERIES)
def test_real_queries_are_far_below(number: int) -> None:
    require_bounds(query_text(number).replace("(", "(" * 10).replace(")", ")" * 10))


def test_measuring_stops_when_planning_does() -> None:
    cancellation = Cancellation()
    with cancellation.scope():
        cancellation.cancel()
        with pytest.raises(CancelledError):
            require_bounds("1," * MAX_TOKENS)


@pytest.mark.parametrize("text", ["SELECT {}", "CREATE TABLE t AS SELECT {}", "INSERT INTO t VALUES ({})"])
def test_statements_of_every_kind_are_measured(local: LocalRuntime, text: str) -> None:
    deep = text.format("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1))
    read = local.frontend.plan if text.startswith("SELECT") else parse_statement
    with pytest.raises(UnsupportedError, match="at most"):
        read(deep)


REPEATS = {
    "lambdas": ("list_transform([1], lambda x: ", ")"),
    "comprehensions": ("[", " for x in [1]]"),
    "nullif": ("nullif(", ", 1)"),
    "in LIMIT": ("(SELECT 1 LIMIT ", ")"),
    "in OFFSET": ("(SELECT 1 OFFSET ", ")"),
    "PIVOT": ("(SELECT * FROM (SELECT ", " AS z) PIVOT (sum(z) FOR z IN (1)))"),
    "some of each": ("nullif(list_transform((SELECT [1] LIMIT ", "), lambda x: nullif(x, 2))[1], 1)"),
}


@pytest.mark.parametrize("kind", REPEATS)
def test_what_the_binder_reads_again_is_bounded(local: LocalRuntime, kind: str) -> None:
    before, after = REPEATS[kind]
    local.frontend.columns("SELECT " + before * 2 + "1" + after * 2)
    deep = "SELECT " + before * 14 + "1" + after * 14
    with pytest.raises(UnsupportedError, match=r"nested too deeply.*read several times"):
        local.frontend.columns(deep)


def test_many_beside_each_other_are_no_matter(kernel: Kernel) -> None:
    text = ", ".join(["nullif(1, 2)", "list_transform([1], lambda x: x + 1)"] * (MAX_REPEATED // 20))
    require_few_repeats(Tree(kernel.parse("SELECT " + text)), kernel.functions.repeats)


def test_macros_that_name_an_argument_again(kernel: Kernel) -> None:
    assert kernel.functions.repeats["nullif"] == 2
    assert "list_avg" not in kernel.functions.repeats


def test_subqueries_in_conditions_of_joins(local: LocalRuntime) -> None:
    deep = "(SELECT id FROM people p JOIN people q USING (id) WHERE p.id = 1 AND q.id = " * 10 + "1" + ")" * 10
    assert rows(local, f"SELECT {deep}") == [(1,)]
    joins = "(SELECT p.id FROM people p JOIN people q ON p.id = 1 AND q.id = " * 10 + "1" + ")" * 10
    assert rows(local, f"SELECT {joins}") == [(1,)]


def test_a_text_that_takes_long_to_parse_holds_up_no_other(kernel: Kernel) -> None:
    with kernel._binder() as busy, kernel._binder() as other:
        assert busy is not other
        assert kernel.parse("SELECT 1")["node"]["type"] == "SELECT_NODE"
