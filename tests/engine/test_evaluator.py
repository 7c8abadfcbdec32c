"""Expressions on one record batch."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidValueError, TypeMismatchError, UnknownColumnError, UnsupportedError
from engine.evaluator import ExprEvaluator
from engine.kernel import Kernel
from engine.logical.nodes import col, lit

BATCH = pa.record_batch(
    {
        "age": pa.array([20, 30, None], pa.int32()),
        "name": ["ann", "Bob", None],
        "ok": [True, False, None],
        "Odd Name": [1.5, float("nan"), -0.0],
    }
)


@pytest.fixture(scope="module")
def evaluator(kernel: Kernel) -> ExprEvaluator:
    return ExprEvaluator(kernel)


def parsed(text: str) -> Any:
    return sqlglot.parse_one(text, dialect="duckdb")


@pytest.mark.parametrize(
    ("text", "want", "kind"),
    [
        ("age > 21", [False, True, None], pa.bool_()),
        ("age + 1", [21, 31, None], pa.int32()),
        ("age + 1::BIGINT", [21, 31, None], pa.int64()),
        ("upper(name)", ["ANN", "BOB", None], pa.string()),
        ("coalesce(age, 0)", [20, 30, 0], pa.int32()),
        ("age IS NULL", [False, False, True], pa.bool_()),
        ("1", [1, 1, 1], pa.int32()),
        ("NULL", [None, None, None], pa.null()),
        ('"Odd Name" * 2', [3.0, pytest.approx(float("nan"), nan_ok=True), 0.0], pa.float64()),
        ("CASE WHEN ok THEN name ELSE 'no' END", ["ann", "no", "no"], pa.string()),
        ("age / 0", [float("inf"), float("inf"), None], pa.float64()),
        ("name LIKE '%o%'", [False, True, None], pa.bool_()),
        ("[age, 1]", [[20, 1], [30, 1], [None, 1]], pa.list_(pa.field("l", pa.int32()))),
        ("{'a': age}", [{"a": 20}, {"a": 30}, {"a": None}], pa.struct([("a", pa.int32())])),
        ("1.5::DECIMAL(4, 2)", None, pa.decimal128(4, 2)),
    ],
)
def test_values_and_types(evaluator: ExprEvaluator, text: str, want: list[Any] | None, kind: pa.DataType) -> None:
    got = evaluator.evaluate(parsed(text), BATCH)
    assert isinstance(got, pa.Array)
    assert got.type == kind
    assert len(got) == BATCH.num_rows
    if want is not None:
        assert got.to_pylist() == want


def test_columns_and_constants_built_in_python(evaluator: ExprEvaluator) -> None:
    assert evaluator.evaluate(col("age") > 21, BATCH).to_pylist() == [False, True, None]
    assert evaluator.evaluate(col("Odd Name").eq(lit(1.5)), BATCH).to_pylist() == [True, False, False]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, pa.null()),
        (True, pa.bool_()),
        (7, pa.int32()),
        (-(2**31), pa.int32()),
        (-(2**63), pa.int64()),
        (2**40, pa.int64()),
        (1.5, pa.float64()),
        (0.1, pa.float64()),
        (float("inf"), pa.float64()),
        (Decimal("-1.50"), pa.decimal128(3, 2)),
        ("it's", pa.string()),
        (b"\x00'\xff", pa.binary()),
        (datetime.date(1969, 12, 31), pa.date32()),
        (datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), pa.timestamp("us")),
        (datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), pa.timestamp("us", "UTC")),
        (datetime.time(1, 2, 3, 4), pa.time64("us")),
        ([1, None, 3], pa.list_(pa.field("l", pa.int64()))),
        ({"a": 1, "b": "x"}, pa.struct([("a", pa.int64()), ("b", pa.string())])),
        (pa.scalar(3, pa.uint8()), pa.uint8()),
    ],
    ids=str,
)
def test_constants_from_python_keep_value_and_type(evaluator: ExprEvaluator, value: Any, kind: pa.DataType) -> None:
    got = evaluator.evaluate(lit(value), BATCH.slice(0, 1))
    assert got.type == kind
    assert got[0].as_py() == (value.as_py() if isinstance(value, pa.Scalar) else value)


def test_a_float_constant_is_a_double_to_the_last_bit(evaluator: ExprEvaluator) -> None:
    value = 0.1 + 0.2
    batch = pa.record_batch({"x": [value]})
    assert evaluator.evaluate(col("x").eq(lit(value)), batch).to_pylist() == [True]
    assert math.isnan(evaluator.evaluate(lit(float("nan")), batch)[0].as_py())


TRUTHS = [True, False, None]


def _and(a: bool | None, b: bool | None) -> bool | None:
    return False if False in (a, b) else None if None in (a, b) else True


def _or(a: bool | None, b: bool | None) -> bool | None:
    return True if True in (a, b) else None if None in (a, b) else False


def test_logic_has_three_values(evaluator: ExprEvaluator) -> None:
    pairs = [(a, b) for a in TRUTHS for b in TRUTHS]
    batch = pa.record_batch({"a": pa.array([a for a, _ in pairs]), "b": pa.array([b for _, b in pairs])})
    assert evaluator.evaluate(parsed("a AND b"), batch).to_pylist() == [_and(a, b) for a, b in pairs]
    assert evaluator.evaluate(parsed("a OR b"), batch).to_pylist() == [_or(a, b) for a, b in pairs]
    assert evaluator.evaluate(parsed("NOT a"), batch).to_pylist() == [None if a is None else not a for a, _ in pairs]
    assert evaluator.evaluate(parsed("a IS DISTINCT FROM b"), batch).to_pylist() == [a is not b for a, b in pairs]


@given(values=st.lists(st.none() | st.integers(-(2**31), 2**31 - 1)), limit=st.integers(-5, 5))
def test_the_order_of_rows_stays(evaluator: ExprEvaluator, values: list[int | None], limit: int) -> None:
    batch = pa.record_batch({"v": pa.array(values, pa.int64())})
    got = evaluator.evaluate(col("v") > limit, batch)
    assert got.to_pylist() == [None if v is None else v > limit for v in values]


def test_a_large_batch_comes_in_one_array(evaluator: ExprEvaluator) -> None:
    batch = pa.record_batch({"v": pa.array(range(300_000))})
    got = evaluator.evaluate(parsed("v + 1"), batch)
    assert isinstance(got, pa.Array)
    assert got.equals(pa.array(range(1, 300_001)))


def test_a_batch_without_rows(evaluator: ExprEvaluator) -> None:
    got = evaluator.evaluate(col("age") > 1, BATCH.slice(0, 0))
    assert (got.type, len(got)) == (pa.bool_(), 0)


def test_a_batch_without_columns(evaluator: ExprEvaluator) -> None:
    batch = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert evaluator.evaluate(lit(7), batch).to_pylist() == [7, 7]


def test_a_sliced_batch_keeps_its_place(evaluator: ExprEvaluator) -> None:
    assert evaluator.evaluate(parsed("name"), BATCH.slice(1, 1)).to_pylist() == ["Bob"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("agee + 1", UnknownColumnError, '"agee".*did you mean "age"'),
        ("name + 1", TypeMismatchError, "VARCHAR"),
        ("name + DATE '2020-01-01'", TypeMismatchError, r"\+\(VARCHAR, DATE\)"),
        ("no_such_function(age)", TypeMismatchError, "no_such_function"),
        ("CAST(name AS INTEGER)", InvalidValueError, "Could not convert string 'ann' to INT32"),
        ("age * 2147483647", InvalidValueError, "Overflow"),
        ("age // 0", InvalidValueError, "Division by zero"),
        ("sum(age)", UnsupportedError, "An aggregate has no value for a single row"),
        ("1 + count(*)", UnsupportedError, "An aggregate"),
        ("row_number() OVER ()", UnsupportedError, "A window function"),
        ("(SELECT 1)", UnsupportedError, "A subquery"),
        ("unnest([1, 2])", UnsupportedError, "A function that makes rows"),
    ],
)
def test_typed_errors(evaluator: ExprEvaluator, text: str, error: type[Exception], message: str) -> None:
    for _ in range(2):
        with pytest.raises(error, match=message):
            evaluator.evaluate(parsed(text), BATCH)
    assert evaluator.evaluate(lit(1), BATCH).to_pylist() == [1, 1, 1]


def test_the_same_text_over_other_columns_is_checked_again(evaluator: ExprEvaluator) -> None:
    assert evaluator.evaluate(col("age") > 21, BATCH).to_pylist() == [False, True, None]
    with pytest.raises(UnknownColumnError):
        evaluator.evaluate(col("age") > 21, pa.record_batch({"years": [1]}))
