"""A short call makes no value that takes all memory; calls that make small ones are as they always were."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from engine.errors import GrismError, MemoryExceededError, UnsupportedError
from engine.kernel import Kernel
from engine.storage import InMemoryStorage, TableName, WriteMode
from engine.value_bounds import BOUNDED_FUNCTIONS
from local_runtime import LocalRuntime
from tests.engine.querying import result, rows

DAY, SECOND = "INTERVAL 1 DAY", "INTERVAL 1 SECOND"
# Constants, and the same where the row tells: each is refused before anything is made.
TOO_LARGE = [
    "repeat('ab', {n})",
    "repeat('ab'::BLOB, {n})",
    "repeat([1], {n})",
    "lpad('a', {n}::INTEGER, 'x')",
    "rpad('a', {n}::INTEGER, 'x')",
    "list_resize([1], {n})",
    "list_resize([1], {n}, 'x')",
    "array_resize([1], {n})",
    "range({n})",
    "range(1, {n})",
    "generate_series(1, {n}, 2)",
    "range(-{n}, 1, 1)",
    f"range(TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-01' + {{n}}::INTEGER * {SECOND}, {SECOND})",
    f"range(TIMESTAMPTZ '2020-01-01', TIMESTAMPTZ '2020-01-01' + {{n}}::INTEGER * {SECOND}, {SECOND})",
    "equi_width_bins(0, {n}, {n}, false)",
    "bitstring('1', {n}::INTEGER)",
    "replace(repeat('a', 100000), 'a', repeat('b', ({n} / 10000)::BIGINT))",
    "regexp_replace(repeat('a', 100000), 'a', repeat('b', ({n} / 10000)::BIGINT), 'g')",
    "format('{{:>' || {n} || '}}', 'x')",
    "printf('%' || {n} || 'd', 1)",
    "printf(concat('%', '*d'), {n}, 1)",
    "length(repeat(repeat('x', 30000), {n} // 30000))",
    "list_transform([{n}], lambda x: repeat('ab', x))",
]
MANY = 700_000_000


@pytest.mark.parametrize("call", TOO_LARGE)
def test_values_that_would_be_too_large(local: LocalRuntime, call: str) -> None:
    given = f" FROM (SELECT {MANY} + id AS n FROM people)"
    for text in (f"SELECT {call.format(n=MANY)} AS v", f"SELECT {call.format(n='n')} AS v{given}"):
        with pytest.raises(MemoryExceededError, match="more than 256 MB"):
            result(local, text)


def test_rows_that_are_computed_together(local: LocalRuntime) -> None:
    """1.2 GB in a vector, of values of 600 KB."""
    with pytest.raises(MemoryExceededError, match="1024 MB for rows that are computed together"):
        result(local, "SELECT sum(length(repeat('abcdef', 100000 + i % 7))) AS n FROM range(2048) t(i)")
    assert rows(local, "SELECT count(repeat('abcdef', 100000 + i % 7)) AS n FROM range(20) t(i)") == [(20,)]


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("repeat('ab', 100)", "ab" * 100),
        ("repeat(name, id) FROM people WHERE id = 2", "bobbob"),
        ("repeat('a'::BLOB, 3)", b"aaa"),
        ("repeat([1, 2], 2)", [1, 2, 1, 2]),
        ("repeat(NULL, 3)", None),
        ("repeat('a', NULL)", None),
        ("'ab'.repeat(2)", "abab"),
        ("length(repeat('x', 10000000))", 10_000_000),
        ("lpad('7', 10, '0')", "0000000007"),
        ("rpad('7', 3, 'ab')", "7ab"),
        ("lpad(NULL, 3, '0')", None),
        ("lpad('abc', 0, 'x')", ""),
        ("list_resize([1], 3)", [1, None, None]),
        ("list_resize([1], 3, 7)", [1, 7, 7]),
        ("range(3)", [0, 1, 2]),
        ("range(5, 1, -2)", [5, 3]),
        ("range(1, 5, 0)", []),
        ("range(1, NULL)", None),
        ("len(range(1000000))", 1_000_000),
        (f"len(range(DATE '2020-01-01', DATE '2020-01-05', {DAY}))", 4),
        (f"len(generate_series(TIMESTAMPTZ '2020-01-01', TIMESTAMPTZ '2020-01-05', {DAY}))", 5),
        ("equi_width_bins(0, 10, 5, true)", [2, 4, 6, 8, 10]),
        ("bitstring('1', 3)::VARCHAR", "001"),
        ("replace('aXbX', 'X', '--')", "a--b--"),
        ("replace('abc', 'b', '')", "ac"),
        ("replace(replace(replace('<&>', '&', '&amp;'), '<', '&lt;'), '>', '&gt;')", "&lt;&amp;&gt;"),
        ("regexp_replace('abcb', 'b', 'xy')", "axycb"),
        ("regexp_replace('abcb', '(b)', '[\\1]', 'g')", "a[b]c[b]"),
        ("format('{:>5}|{}', 'x', 1)", "    x|1"),
        ("printf('%5d * %d', 1, 2)", "    1 * 2"),
        ("printf('%' || 5 || 'd', 1)", "    1"),
        ("list_transform([1, 2], lambda x: repeat('a', x))", ["a", "aa"]),
        ("count(*) FROM range(1000000)", 1_000_000),
        ("count(*) FROM (SELECT unnest(range(id)) FROM people)", 15),
        ("sum(id + j) FROM people, range(people.id) r(j)", 75),
    ],
)
def test_calls_that_stay_as_they_are(local: LocalRuntime, call: str, value: Any) -> None:
    assert rows(local, f"SELECT {call}") == [(value,)]


def test_columns_keep_their_names(local: LocalRuntime) -> None:
    text = "SELECT replace('a', 'a', 'bb'), format('{:>' || 3 || '}', 'x'), repeat('a', 2)"
    found = result(local, text).column_names
    assert found == [column.name for column in local.kernel.describe(text)]
    assert "grism" not in "".join(found)


@pytest.mark.parametrize(
    "call",
    [
        "system.main.repeat('a', 2)",
        "main.lpad('a', 2, 'x')",
        "system.main.range(3)",
        "repeat('a', (random() * 9)::INT)",
    ],
)
def test_calls_that_would_go_round_the_bounds(local: LocalRuntime, call: str) -> None:
    with pytest.raises(UnsupportedError):
        result(local, f"SELECT {call}")


def test_bounds_hold_below_exchanges_and_in_parameters(local: LocalRuntime) -> None:
    with pytest.raises(MemoryExceededError):
        result(local, "SELECT repeat('ab', ?)", [pa.scalar(MANY)])
    assert rows(local, "SELECT repeat('ab', ?), lpad(?, ?, '0')", [pa.scalar(2), pa.scalar("7"), pa.scalar(3)]) == [
        ("abab", "007")
    ]


def test_every_instance_has_them(kernel: Kernel) -> None:
    for call in ("repeat('ab', 700000000)", "range(700000000)"):
        with pytest.raises(MemoryExceededError):
            kernel.stream(f"SELECT {call} AS v")


def test_who_reads_the_list_finds_functions() -> None:
    assert {"repeat", "range", "replace", "format"} <= BOUNDED_FUNCTIONS


def test_bounds_in_a_table_of_rows() -> None:
    storage = InMemoryStorage()
    storage.write(TableName("main", "t"), pa.table({"n": [1, 2, MANY]}).to_reader(), WriteMode.CREATE)
    with LocalRuntime(storage, threads=1) as runtime:
        with pytest.raises(GrismError, match="more than 256 MB"):
            result(runtime, "SELECT repeat('ab', n) FROM t")
        assert rows(runtime, "SELECT repeat('ab', n) FROM t WHERE n < 3") == [("ab",), ("abab",)]
