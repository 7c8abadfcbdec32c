"""Several files as one table."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UnsupportedError
from tests.harness.runtimes import query

DATE, INSTANT = datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4, 5)


@pytest.fixture
def table(runtime_name, make_runtime):
    """Gives what writes files of a table, asks for its rows and removes it at the end."""
    runtime, tables = make_runtime(runtime_name, "parquet")
    folder = Path(tables.storage.directories()[0]) / "several"
    folder.mkdir()

    def rows(sql: str, *files: pa.Table) -> list[dict[str, object]]:
        for i, data in enumerate(files):
            pq.write_table(data, folder / f"{i}.parquet", row_group_size=2)
        return query(runtime, sql).to_pylist()

    yield rows
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def decimals(digits: int, scale: int, text: str) -> pa.Array:
    return pa.array([Decimal(text)], pa.decimal128(digits, scale))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pa.array([1, 2]), pa.array([9.5, 2.4]), [1.0, 2.0, 9.5, 2.4]),
        (pa.array([9.5]), pa.array([2**53, 2**60]), [9.5, 2.0**53, 2.0**60]),
        (pa.array([1], pa.int32()), pa.array([2**40]), [1, 2**40]),
        (pa.array([1], pa.uint64()), pa.array([-1]), [Decimal(1), Decimal(-1)]),
        (decimals(5, 1, "1.5"), decimals(6, 3, "2.125"), [Decimal("1.500"), Decimal("2.125")]),
        (pa.array([DATE]), pa.array([INSTANT]), [datetime.datetime(2024, 1, 2), INSTANT]),
        (pa.nulls(2), pa.array(["x"]), [None, None, "x"]),
        (pa.array([[1]], pa.list_(pa.int32())), pa.array([[2**40]]), [[1], [2**40]]),
        (pa.array([{"a": 1}]), pa.array([{"b": "x", "a": 2}]), [{"a": 1, "b": None}, {"a": 2, "b": "x"}]),
        (pa.array([{"a": None}]), pa.array([{"a": {"b": 1}}]), [{"a": None}, {"a": {"b": 1}}]),
    ],
)
def test_the_exact_common_type_counts(table, first, second, expected):
    n = len(first)
    files = pa.table({"c": first, "i": range(n)}), pa.table({"i": range(n, n + len(second)), "c": second})
    assert [row["c"] for row in table("SELECT c FROM several ORDER BY i", *files)] == expected
    if not isinstance(expected[-1], dict | list):
        last = table("SELECT max(i) AS i FROM several WHERE c = (SELECT c FROM several ORDER BY i DESC LIMIT 1)")
        assert last == [{"i": len(expected) - 1}]


@pytest.mark.parametrize(
    ("first", "second", "types"),
    [
        (pa.array([0.5]), pa.array([2**53 + 1]), ("DOUBLE", "BIGINT")),
        (pa.array(["7"]), pa.array([7]), ("VARCHAR", "BIGINT")),
        (pa.array([True]), pa.array([1]), ("BOOLEAN", "BIGINT")),
        (
            pa.array([INSTANT]),
            pa.array([INSTANT], pa.timestamp("us", "UTC")),
            ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
        ),
        (decimals(5, 1, "1.5"), pa.array([1.5]), ("DECIMAL(5,1)", "DOUBLE")),
        (pa.array([{"a": 1}]), pa.array([{"a": "x"}]), ("STRUCT(a BIGINT)", "STRUCT(a VARCHAR)")),
    ],
)
def test_a_column_without_one_is_told_with_both_files_and_hides_no_other(table, first, second, types):
    files = pa.table({"i": [1], "c": pa.nulls(1)}), pa.table({"c": first, "i": [2]}), pa.table({"i": [3], "c": second})
    with pytest.raises(UnsupportedError) as caught:
        table("SELECT * FROM several", *files)
    told = caught.value.message
    assert 'Column "c" of table "main.several"' in told
    assert f'{types[0]} in "1.parquet" and {types[1]} in "2.parquet"' in told
    assert "/" not in told
    assert table("SELECT sum(i)::INT AS n, count(*) AS m FROM several") == [{"n": 6, "m": 3}]


def test_columns_are_united_by_name(table):
    files = (
        pa.table({"a": [1, 2], "b": ["x", "y"]}),
        pa.table({"new": [True], "B": ["z"], "a": [3]}),
        pa.table({"a": [4]}),
    )
    assert table("SELECT * FROM several ORDER BY a", *files) == [
        {"a": 1, "b": "x", "new": None},
        {"a": 2, "b": "y", "new": None},
        {"a": 3, "b": "z", "new": True},
        {"a": 4, "b": None, "new": None},
    ]
    assert table("SELECT a FROM several WHERE new IS NULL AND b IS NULL") == [{"a": 4}]
    assert table("SELECT count(*) AS n FROM several") == [{"n": 4}]


def test_names_that_differ_in_case_only_stay_apart(table):
    files = (
        pa.table([pa.array([1]), pa.array([2])], ["a", "A"]),
        pa.table([pa.array([20]), pa.array([10])], ["A", "a"]),
        pa.table({"A": [200]}),
    )
    rows = table("SELECT * FROM several ORDER BY A_1", *files)
    assert rows == [{"a": 1, "A_1": 2}, {"a": 10, "A_1": 20}, {"a": None, "A_1": 200}]
