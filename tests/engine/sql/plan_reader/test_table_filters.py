"""Filters of scans are the conditions that the kernel has pushed down, as storages take them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.sql.plan_reader.expressions import table_filters
from engine.sql.plan_reader.not_read import NotRead
from engine.storage.pushdown import Columns, push
from tests.engine.sql.plan_reader.binding import Binder, nodes_of

SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("n", pa.decimal128(15, 2)),
        ("s", pa.string()),
        ("d", pa.date32()),
        ("ts", pa.timestamp("us")),
        ("bo", pa.bool_()),
        ("st", pa.struct([("p", pa.int32()), ("Q", pa.string())])),
    ]
)
TABLE = (
    "CREATE TABLE t (i BIGINT, n DECIMAL(15, 2), s VARCHAR, d DATE, ts TIMESTAMP, bo BOOLEAN, "
    'st STRUCT(p INTEGER, "Q" VARCHAR))'
)


@pytest.fixture(scope="module")
def binder() -> Binder:
    made = Binder()
    made.connection.execute(TABLE)
    return made


def _filters(binder: Binder, condition: str) -> list[str]:
    (scan,) = nodes_of(binder.plan(f"SELECT * FROM t WHERE {condition}"), "LOGICAL_GET")
    names = [scan["names"][column.get("index", 0)] for column in scan["column_indexes"]]
    return [each.sql("duckdb") for each in table_filters(scan["table_filters"], names)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("i > 5", ['"i" > 5']),
        ("i > 5 AND i < 10 AND n <= 0.05", ['"i" > 5', '"i" < 10', '"n" <= 0.05']),
        ("i IS NULL", ['"i" IS NULL']),
        ("s = 'it''s'", ["\"s\" = 'it''s'"]),
        (
            "d BETWEEN '2020-01-01' AND '2020-12-31'",
            ["\"d\" >= CAST('2020-01-01' AS DATE)", "\"d\" <= CAST('2020-12-31' AS DATE)"],
        ),
        ("i <> -3", ['"i" <> -3']),
        ("i IS NOT DISTINCT FROM 3", ['"i" IS NOT DISTINCT FROM 3']),
        ("NOT bo", ['NOT "bo"']),
        ("i IN (1, 7)", []),  # the condition itself stays above the scan
        ("i = 1 OR i = 7", []),
        ("s LIKE 'a%'", ["\"s\" >= 'a'", "\"s\" < 'b'"]),
    ],
)
def test_what_the_kernel_has_pushed(binder: Binder, condition: str, expected: list[str]) -> None:
    assert _filters(binder, condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "i > 5",
        "i = -9223372036854775807",
        "n <= 0.05",
        "n = -12.00",
        "s >= 'a'",
        "d < '1995-03-15'",
        "ts >= '2020-01-08 01:02:03.5'",
        "i IS NOT NULL",
        "bo IS NULL",
    ],
)
def test_storages_take_them(binder: Binder, condition: str) -> None:
    (scan,) = nodes_of(binder.plan(f"SELECT * FROM t WHERE {condition}"), "LOGICAL_GET")
    names = [scan["names"][column.get("index", 0)] for column in scan["column_indexes"]]
    (expression,) = table_filters(scan["table_filters"], names)
    assert push(expression, Columns(SCHEMA)).exact


_IS_NULL = {"filter_type": "LEGACY_IS_NULL"}
_IS_NOT_NULL = {"filter_type": "LEGACY_IS_NOT_NULL"}
_OPTIONAL = {"filter_type": "LEGACY_OPTIONAL_FILTER", "child_filter": _IS_NULL}
_SEVEN = {"type": {"id": "BIGINT"}, "is_null": False, "value": 7}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"filter_type": "LEGACY_IN_FILTER", "values": [_SEVEN, _SEVEN]}, ['"a" IN (7, 7)']),
        (
            {"filter_type": "LEGACY_CONJUNCTION_OR", "child_filters": [_IS_NULL, _IS_NOT_NULL]},
            ['"a" IS NULL OR "a" IS NOT NULL'],
        ),
        ({"filter_type": "LEGACY_CONJUNCTION_OR", "child_filters": [_IS_NULL, _OPTIONAL]}, []),
        (
            {"filter_type": "LEGACY_STRUCT_EXTRACT", "child_idx": 0, "child_name": "Q", "child_filter": _IS_NULL},
            ["STRUCT_EXTRACT(\"a\", 'Q') IS NULL"],
        ),
    ],
)
def test_kinds_of_filters(node: dict[str, object], expected: list[str]) -> None:
    filters = {"filters": [{"key": 1, "value": node}]}
    assert [each.sql("duckdb") for each in table_filters(filters, ["b", "a"])] == expected


@pytest.mark.parametrize(
    "node",
    [
        {"filter_type": "SURPRISE"},
        {"filter_type": "LEGACY_IS_NULL", "surprise": 1},
        {"filter_type": "LEGACY_CONSTANT_COMPARISON", "comparison_type": "SURPRISE", "constant": _SEVEN},
    ],
)
def test_a_filter_that_is_not_known_is_not_read(node: dict[str, object]) -> None:
    with pytest.raises(NotRead):
        table_filters({"filters": [{"key": 0, "value": node}]}, ["a"])
