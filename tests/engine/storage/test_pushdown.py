"""What is pushed must be what the kernel means: checked by hand, and against the kernel on values made for it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import parse_one

from engine.storage.pushdown import Columns, push

SCHEMA = pa.schema(
    [
        ("i", pa.int8()),
        ("u", pa.uint64()),
        ("d", pa.decimal128(15, 2)),
        ("f", pa.float64()),
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("day", pa.date32()),
        ("ts", pa.timestamp("us")),
        ("tz", pa.timestamp("us", "UTC")),
        ("ns", pa.timestamp("ns")),
        ("Mixed Case", pa.int64()),
        ("big", pa.decimal128(38, 0)),
        ("bin", pa.binary()),
        ("st", pa.struct([("i", pa.int64())])),
        ("dict", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def pushed(text: str):
    return push(parse_one(text, dialect="duckdb"), Columns(SCHEMA))


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("i > -5", "`i` > -5"),
        ("5 >= i", "`i` <= 5"),
        ('"mixed case" = 1', "`Mixed Case` = 1"),
        ("d < 24", "`d` < CAST('24' AS DECIMAL(15, 2))"),
        ("d >= 0.050", "`d` >= CAST('0.05' AS DECIMAL(15, 2))"),
        ("i = 3.0", "`i` = 3"),
        (f"big = -{'123456789' * 4}12", f"`big` = CAST('-{'123456789' * 4}12' AS DECIMAL(38, 0))"),
        ("s = 'it''s'", "`s` = 'it''s'"),
        ("b", "`b`"),
        ("b = false", "`b` = FALSE"),
        ("day < DATE '1995-01-01'", "`day` < DATE '1995-01-01'"),
        ("day < TIMESTAMP '1995-01-01 00:00:00'", "`day` < DATE '1995-01-01'"),
        ("ts >= '2020-01-08'", "`ts` >= arrow_cast(1578441600000000, 'Timestamp(Microsecond, None)')"),
        (
            "tz >= TIMESTAMPTZ '2020-01-08 01:00:00+01'",
            "`tz` >= arrow_cast(1578441600000000, 'Timestamp(Microsecond, Some(\"UTC\"))')",
        ),
        ("i BETWEEN 1 AND 2", "(`i` >= 1 AND `i` <= 2)"),
        ("s NOT IN ('a', 'b')", "NOT (`s` IN ('a', 'b'))"),
        ("f IS NOT NULL", "NOT (`f` IS NULL)"),
        ("dict = 'a'", "`dict` = 'a'"),
        ("i = 1 OR (s = 'a' AND b)", "((`i` = 1) OR (`s` = 'a' AND `b`))"),
    ],
)
def test_pushed_whole(text, sql):
    assert (pushed(text).text, pushed(text).exact) == (sql, True)


@pytest.mark.parametrize(
    "text",
    [
        "f > 0.5",
        "f = 'NaN'",
        "i = 300",
        "i > 3.5",
        "i = '5'",
        "i = -128",
        "u > -1",
        "d > 0.055",
        "d > 1e2",
        "d = 99999999999999999",
        "i = NULL",
        "i IN (1, NULL)",
        "i IN (SELECT 1)",
        "i IS NOT DISTINCT FROM 1",
        "i BETWEEN SYMMETRIC 2 AND 1",
        "i + 1 = 2",
        "i = u",
        "s LIKE 'a%'",
        "s = 5",
        "s COLLATE NOCASE = 'a'",
        "dict > 'a'",
        "bin = 'a'",
        "st.i = 1",
        "st IS NULL",
        "day < TIMESTAMP '1995-01-01 12:00:00'",
        "day < 'tomorrow'",
        "ts < '2020-01-01 00:00:00+01'",
        "tz < TIMESTAMP '2020-01-01 00:00:00'",
        "tz < '2020-01-01'",
        "ns < TIMESTAMP '2020-01-01 00:00:00'",
        "nope = 1",
        "NOT (i = 1 AND f > 1)",
        "i = 1 OR f > 1",
        "1 = 1",
    ],
)
def test_not_pushed_at_all(text):
    assert (pushed(text).text, pushed(text).exact) == (None, False)


def test_of_a_conjunction_the_part_that_can_be():
    found = pushed("i = 1 AND f > 1 AND s = 'a'")
    assert (found.text, found.exact) == ("`i` = 1 AND `s` = 'a'", False)
    assert pushed("(i = 1 AND f > 1) OR s = 'a'").text == "((`i` = 1) OR (`s` = 'a'))"
    assert not pushed("(i = 1 AND f > 1) OR s = 'a'").exact


@pytest.mark.parametrize(
    "around", ["NOT ({} AND i <> {i})", "({} OR i <> {i}) AND i <> 5", "NOT ({})", "{} OR ((i <> {i}))"]
)
@pytest.mark.parametrize("levels", [4, 30, 90])
def test_what_is_nested_more_deeply_than_lance_parses_is_left_to_the_kernel(dataset, kernel, around, levels):
    text = "i > 0"
    for level in range(levels):
        text = around.format(f"({text})", i=level)
    test_a_pushed_filter_passes_what_the_kernel_passes.hypothesis.inner_test(dataset, kernel, text)
    assert (pushed(f"s = 'a' AND ({text})").text or "").startswith("`s` = 'a'")


DATA = pa.table(
    {
        "id": range(8),
        "i": pa.array([None, -127, -1, 0, 1, 5, 127, 2], pa.int8()),
        "u": pa.array([2**64 - 1, 2**63, 0, None, 1, 5, 7, 9], pa.uint64()),
        "d": pa.array(
            [None, *(Decimal(x) for x in ("-0.05", "0", "0.05", "0.06", "24", "9999999999999.99", "-1"))],
            pa.decimal128(15, 2),
        ),
        "f": [float("nan"), float("inf"), -0.0, 0.0, None, 1.5, -1.5, 0.5],
        "s": ["", None, "a", "A", "ä", "b'c", "日本", "a\n\\"],
        "b": [True, False, None, True, False, None, True, False],
        "day": [None, *(date(1995, 1, d) for d in range(1, 8))],
        "ts": [None, *(datetime(1995, 1, 1, 0, 0, 0, m) for m in range(7))],
        "tz": pa.array(
            [None, *(datetime(1995, 1, 1, 0, 0, s, tzinfo=UTC) for s in range(7))], pa.timestamp("us", "UTC")
        ),
    }
)
LITERALS = {
    "i": ["-127", "0", "1", "5.0", "127", "128", "2.5", "NULL"],
    "u": ["0", "18446744073709551615", "9223372036854775808", "-1"],
    "d": ["0", "0.05", "0.055", "24", "-0.05", "9999999999999.99"],
    "f": ["0.0", "1.5", "'NaN'::DOUBLE"],
    "s": ["''", "'a'", "'ä'", "'b''c'", "'日本'", "'a\n\\'", "'zz'"],
    "b": ["TRUE", "FALSE", "NULL"],
    "day": ["DATE '1995-01-03'", "'1995-01-03'", "TIMESTAMP '1995-01-03 00:00:00'", "TIMESTAMP '1995-01-03 01:00:00'"],
    "ts": ["TIMESTAMP '1995-01-01 00:00:00.000003'", "DATE '1995-01-01'", "'1995-01-01 00:00:00'"],
    "tz": ["TIMESTAMPTZ '1995-01-01 01:00:03+01'", "TIMESTAMPTZ '1995-01-01 00:00:00+00'"],
}


@st.composite
def atoms(draw) -> str:
    column = draw(st.sampled_from(sorted(LITERALS)))
    value = st.sampled_from(LITERALS[column])
    form = draw(st.sampled_from(["compare", "mirror", "in", "between", "null"]))
    sign = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    if form == "compare":
        return f"{column} {sign} {draw(value)}"
    if form == "mirror":
        return f"{draw(value)} {sign} {column}"
    if form == "in":
        return f"{column} IN ({', '.join(draw(st.lists(value, min_size=1, max_size=3)))})"
    if form == "between":
        return f"{column} BETWEEN {draw(value)} AND {draw(value)}"
    return f"{column} IS NULL"


PREDICATES = st.recursive(
    atoms(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} AND {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} OR {p[1]})"),
        inner.map(lambda p: f"(NOT ({p}))"),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory):
    return lance.write_dataset(DATA, Path(tmp_path_factory.mktemp("pushdown"), "t.lance"))


@pytest.fixture(scope="module")
def kernel():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("t", DATA)
        yield connection


@settings(max_examples=200)
@given(text=PREDICATES)
def test_a_pushed_filter_passes_what_the_kernel_passes(dataset, kernel, text):
    kept = {row[0] for row in kernel.sql(f"SELECT id FROM t WHERE {text}").fetchall()}
    found = push(parse_one(text, dialect="duckdb"), Columns(DATA.schema))
    scanned = set(dataset.scanner(columns=["id"], filter=found.text).to_table()["id"].to_pylist())
    assert scanned >= kept
    if found.exact:
        assert scanned == kept
