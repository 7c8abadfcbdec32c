"""Texts that are empty, huge, deep or broken: a result or a typed error, soon, and the next query works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from engine.errors import (
    ExecutionError,
    ForbiddenError,
    GrismError,
    InvalidValueError,
    SqlSyntaxError,
    TypeMismatchError,
    UnsupportedError,
)
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.engine.querying import put, result, rows

PATIENCE = 60  # seconds; what is measured is that nothing hangs, on a busy machine too


@pytest.fixture(autouse=True)
def the_next_query_works_and_nothing_hangs(local: LocalRuntime) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE
    assert rows(local, "SELECT count(*) FROM people") == [(5,)]


@pytest.mark.parametrize("text", ["", " \n\t ", ";", ";;;", "-- nothing", "/* nothing */", "\ufeff", "\u00a0"])
def test_empty_texts(local: LocalRuntime, text: str) -> None:
    with pytest.raises(SqlSyntaxError, match="at line 1, column 1"):
        local.frontend.plan(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT",
        "SELECT 'open",
        'SELECT "open',
        "SELECT /* open",
        "SELECT $$ open",
        "SELECT (1",
        "SELECT 1)",
        "SELECT 1 FROM",
        "FROM FROM FROM",
        "\x01\x02",
        "💥",
        "SELECT * FROM people WHERE",
        "<xml/>",
        '{"sql": "SELECT 1"}',
    ],
)
def test_texts_that_are_no_sql(local: LocalRuntime, text: str) -> None:
    with pytest.raises(GrismError) as caught:
        local.frontend.plan(text)
    assert isinstance(caught.value, SqlSyntaxError)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("SELECT '\ud800'", 1, 9), ("SELECT 1\n, '\udfff'", 2, 4), ('SELECT 1 AS "\udc80"', 1, 14), ("\ud83d", 1, 1)],
)
def test_half_surrogate_pairs(local: LocalRuntime, text: str, line: int, column: int) -> None:
    with pytest.raises(SqlSyntaxError, match="not valid Unicode") as caught:
        local.frontend.plan(text)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (line, column)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("SELECT 1\0", 1, 9), ("SELECT 1,\n'a\0b'", 2, 3), ("SELECT 1 -- \0", 1, 13), ("\0", 1, 1)],
)
def test_nul_is_refused_and_not_taken_for_the_end(local: LocalRuntime, text: str, line: int, column: int) -> None:
    with pytest.raises(SqlSyntaxError, match=r"NUL.*chr\(0\)") as caught:
        local.frontend.plan(text)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (line, column)


@pytest.mark.parametrize("text", ["SELECT B'é'", "SELECT 1, B'\u2028e'", "WITH c AS (SELECT B'💥' AS b) FROM c"])
def test_bits_that_are_none(local: LocalRuntime, text: str) -> None:
    with pytest.raises(SqlSyntaxError, match="is malformed"):
        local.frontend.plan(text)


def test_control_characters_are_values(local: LocalRuntime) -> None:
    text = "ab\x01\x1f\x7f\u202e"
    assert rows(local, f"SELECT '{text}' AS v, length('{text}')") == [(text, 6)]
    assert rows(local, "SELECT ?, 'a' || chr(0)", [pa.scalar(text + "\0")]) == [(text + "\0", "a\0")]


def test_names_of_any_characters(local: LocalRuntime) -> None:
    name = 'a b \'c\' ""d"" é 日本 👩‍👩‍👧 ' + "x" * 10_000
    table = result(local, f'SELECT v."{name}" FROM (SELECT id AS "{name}" FROM people) v WHERE v."{name}" = 1')
    assert table.column_names == [name.replace('""', '"')]
    assert table.num_rows == 1


def test_a_megabyte_of_text(local: LocalRuntime) -> None:
    million = 1_000_000
    assert rows(local, f"SELECT length('{'x' * million}')") == [(million,)]
    assert rows(local, f"SELECT 1 /*{'x' * million}*/") == [(1,)]
    assert rows(local, "SELECT 1" + " " * million + "+ 1") == [(2,)]
    names = ", ".join(f"'{'n' * 990}{i:06}'" for i in range(1000))
    assert rows(local, f"SELECT id FROM people WHERE name IN ({names}, 'bob')") == [(2,)]


def test_a_long_list(local: LocalRuntime) -> None:
    numbers = ", ".join(str(i) for i in range(4, 20_000))
    assert rows(local, f"SELECT count(*) FROM people WHERE id IN ({numbers})") == [(2,)]


def test_a_long_values_clause(local: LocalRuntime) -> None:
    values = ", ".join(f"({i}, 'x{i}')" for i in range(5_000))
    assert rows(local, f"SELECT count(*), max(b) FROM (VALUES {values}) v(a, b)") == [(5_000, "x999")]


def test_ten_thousand_columns(local: LocalRuntime, storage: InMemoryStorage) -> None:
    computed = result(local, "SELECT " + ", ".join(f"{i} AS c{i}" for i in range(10_000)))
    assert computed.num_columns == 10_000
    assert [c[0].as_py() for c in computed.columns[:3]] == [0, 1, 2]
    wide = InMemoryStorage()
    put(wide, "wide", pa.table({f"c{i}": [i] for i in range(10_000)}))
    with LocalRuntime(wide, threads=1) as runtime:
        table = result(runtime, "SELECT * FROM wide WHERE c5000 = 5000")
        assert (table.num_columns, table["c9999"].to_pylist()) == (10_000, [9999])


DEEP: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "sum": lambda n: "SELECT " + " + ".join(["id"] * n) + " FROM people",
    "functions": lambda n: "SELECT " + "abs(" * n + "id" + ")" * n + " FROM people",
    "case": lambda n: "SELECT " + "CASE WHEN id = 1 THEN 1 ELSE " * n + "0" + " END" * n + " AS c FROM people",
    "not": lambda n: "SELECT " + "NOT " * n + "true",
    "lists": lambda n: "SELECT " + "[" * n + "1" + "]" * n,
    "structs": lambda n: "SELECT " + "{'a': " * n + "1" + "}" * n,
    "subqueries in FROM": lambda n: "SELECT * FROM " + "(SELECT * FROM " * n + "people" + ")" * n,
    "scalar subqueries": lambda n: "SELECT " + "(SELECT " * n + "1" + ")" * n,
    "exists": lambda n: "SELECT id FROM people WHERE " + "EXISTS (SELECT 1 FROM people WHERE " * n + "true" + ")" * n,
    "and or": lambda n: "SELECT id FROM people WHERE " + "(id = 1 AND (id = 2 OR " * n + "true" + "))" * n,
    "sorts": lambda n: "SELECT * FROM " + "(SELECT * FROM " * n + "people" + " ORDER BY id LIMIT 3)" * n,
    "unions": lambda n: " UNION ALL ".join(["SELECT 1"] * n),
    "casts": lambda n: "SELECT id" + "::INT" * n + " FROM people",
}


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("depth", [60, 90, 250])
def test_depth_gives_the_kernel_s_result_or_a_typed_error(local: LocalRuntime, shape: str, depth: int) -> None:
    text = DEEP[shape](depth)
    sources = {"people": result(local, "FROM people")}
    try:
        plan = local.plan(local.frontend.plan(text))
        local.explain(plan)
        got = local.execute(plan).read_all()
    except UnsupportedError:
        assert depth > 60
    else:
        assert got.equals(local.kernel.stream(text, sources).reader.read_all())


def test_ctes_that_read_others_twice(local: LocalRuntime) -> None:
    doubling = "".join(f", c{i} AS (SELECT a.x FROM c{i - 1} a, c{i - 1} b)" for i in range(1, 40))
    assert rows(local, f"WITH c0 AS (SELECT 1 AS x){doubling} SELECT x FROM c39") == [(1,)]


def test_a_name_of_a_hundred_thousand_parts(local: LocalRuntime) -> None:
    with pytest.raises(UnsupportedError, match="100000 parts"):
        local.frontend.plan("SELECT " + ".".join("a" * 100_000))


@pytest.mark.parametrize("shape", [shape for shape in DEEP if shape != "unions"])
def test_five_thousand_levels_are_too_many(local: LocalRuntime, shape: str) -> None:
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        local.frontend.plan(DEEP[shape](5_000))


def test_a_type_nested_too_deeply_for_arrow(local: LocalRuntime) -> None:
    with pytest.raises(UnsupportedError, match="64 levels"):
        result(local, "SELECT " + "[" * 100 + "1" + "]" * 100)
    assert rows(local, "SELECT length(CAST(" + "[" * 100 + "1" + "]" * 100 + " AS VARCHAR))") == [(201,)]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("SELECT row()", UnsupportedError, "cannot have columns of these types: TUPLE"),
        ("SELECT ()", UnsupportedError, "TUPLE"),
        ("SELECT x FROM (SELECT 1 AS y, row() AS x)", UnsupportedError, "TUPLE"),
        ("SELECT sum(1) EXPORT_STATE", UnsupportedError, "AGGREGATE_STATE"),
        ("SELECT id, avg(id) EXPORT_STATE FROM people GROUP BY id", UnsupportedError, "AGGREGATE_STATE"),
        ("SELECT unhex('é')", InvalidValueError, "hex"),
        ("SELECT unhex(name || 'é') FROM people", InvalidValueError, "hex"),
        ("SELECT from_hex('日本')", InvalidValueError, "hex"),
        ("SELECT unbin('é')", InvalidValueError, "binary"),
        ("SELECT 'a' LIKE 'b' ESCAPE 'cc'", SqlSyntaxError, "escape string"),
        ("SELECT name LIKE 'b' ESCAPE name || 'cc' FROM people", SqlSyntaxError, "escape string"),
        ("SELECT list_reduce([], lambda x, y: x + y)", InvalidValueError, "empty"),
        (
            "SELECT list_reduce(list_filter([id], lambda x: x > 9), lambda x, y: x + y) FROM people",
            InvalidValueError,
            "empty",
        ),
        ("SELECT NULL::GEOMETRY('nowhere:1')", TypeMismatchError, "unrecognized coordinate system 'nowhere:1'"),
        ("SELECT st_transform(1)", TypeMismatchError, "not in the catalog"),
        ("SELECT variant_bytes_to_variant('')", InvalidValueError, "malformed"),
        ("SELECT variant_bytes_to_variant(CAST(name AS BLOB)) FROM people", InvalidValueError, "malformed"),
        ("SELECT current_connection_id()", ForbiddenError, "may not be used"),
        ("SELECT current_transaction_id()", ForbiddenError, "may not be used"),
        ("SELECT current_query_id()", ForbiddenError, "may not be used"),
        ("SELECT txid_current()", ForbiddenError, "may not be used"),
        ("SELECT has_table_privilege('nowhere', 'select')", UnsupportedError, "information_schema"),
        ("SELECT pg_has_role('root', 'USAGE')", UnsupportedError, "information_schema"),
    ],
)
def test_each_mistake_has_its_type(local: LocalRuntime, text: str, error: type[GrismError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        rows(local, text)
    assert type(caught.value) is not ExecutionError
    assert "INSTALL" not in str(caught.value)
    assert "configuration" not in str(caught.value)


@pytest.mark.parametrize("step", ["{'a': x}", "[x]", "MAP {1: x}", "row(x)"])
def test_a_type_that_grows_from_cte_to_cte(local: LocalRuntime, step: str) -> None:
    """The text is flat, and the type is not."""
    ctes = "".join(f", c{i + 1} AS (SELECT {step} AS x FROM c{i})" for i in range(90))
    with pytest.raises(UnsupportedError, match="deep"):
        rows(local, f"WITH c0 AS (SELECT 1 AS x){ctes} SELECT x FROM c90")
