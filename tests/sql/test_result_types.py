"""Values for which Arrow has no room: told, and never sent as others, on every runtime."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pyarrow as pa
import pytest

from engine.errors import InvalidValueError
from tests.harness.runtimes import SqlRuntime, Tables, query

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

ONE = "(-170141183460469231731687303715884105728)"
OTHER = "340282366920938463463374607431768211455::UHUGEINT"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (ONE, "-170141183460469231731687303715884105728 has more than the 38 digits .*cast it to VARCHAR"),
        (OTHER, "340282366920938463463374607431768211455 has more than the 38 digits .*cast it to VARCHAR"),
        (f"[{OTHER}]", "340282366920938463463374607431768211455 has more than the 38 digits .*cast it to VARCHAR"),
        ("TIME '24:00:00'", "24:00:00 is no time of day .*cast it to VARCHAR"),
        ("TIME_NS '24:00:00'", "24:00:00 is no time of day .*cast it to VARCHAR"),
        ("[TIME '12:00:00', NULL, TIME '24:00:00']", "24:00:00 is no time of day .*cast it to VARCHAR"),
        ("MAP {'k': {'a b': [TIME '24:00:00']}}", "24:00:00 is no time of day .*cast it to VARCHAR"),
        ("row(1, TIME '24:00:00')", "24:00:00 is no time of day .*cast it to VARCHAR"),
        ("[union_value(t := TIME_NS '24:00:00')]", "24:00:00 is no time of day .*cast it to VARCHAR"),
        ("to_hours(-2562048)", "-2562048:00:00 has more hours .*cast it to VARCHAR"),
    ],
)
@pytest.mark.parametrize("sql", ["SELECT {}", "SELECT DISTINCT x FROM (SELECT {} AS x FROM n)"])
def test_a_value_that_does_not_fit_is_an_error(
    value: str, message: str, sql: str, runtime_name: str, make_runtime: Make
) -> None:
    runtime, tables = make_runtime(runtime_name, "memory")
    tables.put("n", pa.table({"id": range(20)}))
    with pytest.raises(InvalidValueError, match=message):
        query(runtime, sql.format(value))
    assert query(runtime, f"SELECT DISTINCT ({value})::VARCHAR FROM n").num_rows == 1


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("'10101'::BIT", pa.string(), "10101"),
        ("'12:34:56+02'::TIMETZ", pa.string(), "12:34:56+02"),
        ("1234567890123456789012345678901234567890::BIGNUM", pa.string(), "1234567890123456789012345678901234567890"),
        ("TIME '12:34:56.789'", pa.time64("us"), datetime.time(12, 34, 56, 789_000)),
        ("[TIME '01:02:03', NULL]", pa.list_(pa.field("l", pa.time64("us"))), [datetime.time(1, 2, 3), None]),
        (
            "{'a b': TIME '01:02:03', 'b': '1'::BIT}",
            pa.struct({"a b": pa.time64("us"), "b": pa.string()}),
            {"a b": datetime.time(1, 2, 3), "b": "1"},
        ),
        ("NULL::TIME", pa.time64("us"), None),
        (
            "row(TIME '01:02:03', '1'::BIT)",
            pa.struct({"element1": pa.time64("us"), "element2": pa.string()}),
            {"element1": datetime.time(1, 2, 3), "element2": "1"},
        ),
        (
            "union_value(t := TIME '01:02:03')::UNION(\"a b\" BIT, t TIME)",
            pa.sparse_union([pa.field("a b", pa.string()), pa.field("t", pa.time64("us"))]),
            datetime.time(1, 2, 3),
        ),
        (
            'union_value("a b" := \'1\'::BIT)::UNION("a b" BIT, t TIME)',
            pa.sparse_union([pa.field("a b", pa.string()), pa.field("t", pa.time64("us"))]),
            "1",
        ),
        ("['1'::BIT]", pa.list_(pa.field("l", pa.string())), ["1"]),
        ("{'t': '12:34:56+02'::TIMETZ}", pa.struct({"t": pa.string()}), {"t": "12:34:56+02"}),
        ("MAP {'1'::BIT: 7::BIGNUM}", pa.map_(pa.string(), pa.string()), [("1", "7")]),
        ("99999999999999999999999999999999999999::UHUGEINT", pa.decimal128(38, 0), 10**38 - 1),
    ],
)
def test_the_schema_that_is_told_is_that_of_the_rows(
    value: str, kind: pa.DataType, expected: object, runtime_name: str, make_runtime: Make
) -> None:
    runtime, tables = make_runtime(runtime_name, "memory")
    tables.put("n", pa.table({"id": range(20)}))
    plan = runtime.plan(runtime.frontend.plan(f"SELECT DISTINCT {value} AS x, 1 AS x FROM n"))
    with runtime.execute(plan) as result:
        table = result.read_all()
    assert table.schema.equals(plan.schema)
    assert table.schema.names == ["x", "x"]
    assert table.schema.field(0).type == kind
    assert table.column(0).to_pylist() == [expected]
