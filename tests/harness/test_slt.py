"""The runner itself: what it reads, what it accepts and, above all, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.harness.regenerate import regenerate
from tests.harness.slt import Record, SltSyntaxError, check, expected_lines, letters, parse

TEXT = """# a comment

table t
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(i, s)

onlyif ray
query IT rowsort label
SELECT i, s
FROM t
----
1	a
2	NULL

skipif ray
statement error UnknownColumnError no.*column
SELECT nope FROM t

statement ok
SELECT 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "file.slt"
    path.write_text(text, encoding="utf-8")
    return path


def test_parse_gives_tables_and_records(tmp_path: Path) -> None:
    parsed = parse(write(tmp_path, TEXT))
    (table,) = parsed.tables
    query, error, plain = parsed.records
    assert (table.name, table.line) == ("t", 3)
    assert (query.types, query.sort, query.label) == ("IT", "rowsort", "label")
    assert (query.sql, query.expected) == ("SELECT i, s\nFROM t", ("1\ta", "2\tNULL"))
    assert (query.runs_on("ray"), query.runs_on("local")) == (True, False)
    assert (error.error, error.message) == ("UnknownColumnError", "no.*column")
    assert (error.runs_on("ray"), error.runs_on("local")) == (False, True)
    assert (plain.error, plain.expected) == (None, None)


@pytest.mark.parametrize(
    "text", ["query I\n", "statement maybe\nSELECT 1\n", "query I sorted\nSELECT 1\n", "SELECT 1\nX\n"]
)
def test_parse_refuses_other_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(SltSyntaxError, match=r"file\.slt:1"):
        parse(write(tmp_path, text))


ROWS = pa.table({"i": pa.array([2, 1], pa.int32()), "d": [0.5, 1 / 3]})


@pytest.mark.parametrize(
    ("sort", "expected", "agrees"),
    [
        ("nosort", ["2\t0.5", "1\t0.333333333333"], True),
        ("nosort", ["1\t0.333333333333", "2\t0.5"], False),
        ("rowsort", ["1\t0.333333333333", "2\t0.5"], True),
        ("rowsort", ["1\t0.3333333", "2\t0.5"], False),
        ("rowsort", ["1\t0.333333333333"], False),
        ("rowsort", ["1\t0.333333333333", "2\t0.5", "2\t0.5"], False),
        ("rowsort", ["1\t0.333333333333", "3\t0.5"], False),
        ("rowsort", ["1\t0.333333333333", "2\tNULL"], False),
        ("valuesort", ["0.333333333333", "0.5", "1", "2"], True),
        ("valuesort", ["0.333333333333", "0.5", "1", "1"], False),
    ],
)
def test_check_compares_as_the_sort_mode_says(sort: str, expected: list[str], agrees: bool) -> None:
    message = check(Record(1, "", types="IR", sort=sort, expected=tuple(expected)), ROWS)
    assert (message is None) is agrees, message


def test_check_compares_the_column_letters() -> None:
    message = check(Record(1, "", types="IT", expected=tuple(expected_lines(ROWS, "nosort"))), ROWS)
    assert message == "column letters are IR, expected IT"


def test_letters_name_the_kinds_of_columns() -> None:
    types = [
        pa.bool_(),
        pa.uint8(),
        pa.decimal128(5, 2),
        pa.binary(),
        pa.date32(),
        pa.timestamp("us"),
        pa.list_(pa.int8()),
    ]
    assert letters(pa.schema([(str(i), kind) for i, kind in enumerate(types)])) == "BIRTDPX"


def test_regenerate_fills_results_in(tmp_path: Path) -> None:
    path = write(tmp_path, "table t\nSELECT 7 AS i\n\nquery\nSELECT i, 'x' FROM t\n\nquery rowsort\nSELECT NULL, 1.5\n")
    lines, complaints = regenerate(path)
    assert complaints == []
    first = ["query IT", "SELECT i, 'x' FROM t", "----", "7\tx", ""]
    second = ["query XR rowsort", "SELECT NULL, 1.5", "----", "NULL\t1.5", ""]
    assert lines == ["table t", "SELECT 7 AS i", "", *first, *second]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("table t\nSELECT i FROM range(9) r(i)\n\nquery\nSELECT i FROM t\n", "depends on the order"),
        ("table t\nSELECT i FROM range(9) r(i)\n\nquery\nSELECT i FROM t LIMIT 1\n", "depends on the order"),
        ("query\nSELECT nope\n", "the oracle refuses it"),
        ("statement error PlanningError\nSELECT 1\n", "rows where an error is expected"),
    ],
)
def test_regenerate_complains_of_records_that_prove_nothing(tmp_path: Path, text: str, complaint: str) -> None:
    _, complaints = regenerate(write(tmp_path, text))
    assert [complaint in c for c in complaints] == [True], complaints
