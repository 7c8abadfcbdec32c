"""Every type of the kernel through every kind of Exchange: another task reads the rows that were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
import pytest

from engine.physical import PhysicalPlan, walk
from ray_runtime.operators import ExchangeSourceExec
from ray_runtime.planner import DistributedPlan
from ray_runtime.stages import ExchangeMode
from tests.harness.runtimes import SqlRuntime, Tables, query

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

ROWS = 20  # five splits
TRAVELLING: Mapping[str, Sequence[str]] = {
    "BOOLEAN": ("true", "false"),
    "TINYINT": ("-128", "127"),
    "SMALLINT": ("-32768",),
    "INTEGER": ("-2147483648",),
    "BIGINT": ("-9223372036854775808", "9223372036854775807"),
    "HUGEINT": ("-170141183460469231731687303715884105728", "170141183460469231731687303715884105727"),
    "UTINYINT": ("255",),
    "USMALLINT": ("65535",),
    "UINTEGER": ("4294967295",),
    "UBIGINT": ("18446744073709551615",),
    "UHUGEINT": ("340282366920938463463374607431768211455", "0"),
    "FLOAT": ("'nan'", "'-inf'", "'-0.0'", "1e-45"),
    "DOUBLE": ("'nan'", "'inf'", "'-0.0'", "5e-324"),
    "DECIMAL(4,1)": ("-999.9",),
    "DECIMAL(9,9)": ("0.999999999",),
    "DECIMAL(18,3)": ("999999999999999.999",),
    "DECIMAL(38,10)": ("'-9999999999999999999999999999.9999999999'",),
    "VARCHAR": ("''", "'ü'", "chr(0)", "repeat('x', 13)"),
    "BLOB": ("''", r"'\x00\xFF'"),
    "BIT": ("'0'", "'101010101'"),
    "DATE": ("'infinity'", "'5877642-06-25 (BC)'"),
    "TIME": ("'23:59:59.999999'", "'24:00:00'"),
    "TIME_NS": ("'12:00:00.123456789'",),
    "TIME WITH TIME ZONE": ("'12:34:56.000001-15:59:59'", "'24:00:00+00'"),
    "TIMESTAMP": ("'infinity'", "'290309-12-22 (BC) 00:00:00'"),
    "TIMESTAMP_S": ("'-infinity'", "'2020-01-01 00:00:01'"),
    "TIMESTAMP_MS": ("'infinity'", "'2020-01-01 00:00:01.001'"),
    "TIMESTAMP_NS": ("'infinity'", "'2020-01-01 00:00:01.000000001'"),
    "TIMESTAMP WITH TIME ZONE": ("'infinity'", "'2020-01-01 00:00:00.000001+00'"),
    "TIMESTAMPTZ_NS": ("'2020-01-01 00:00:00.000000001+00'",),
    "INTERVAL": ("'-14 months 3 days -00:00:00.000001'", "to_microseconds(-9223372036854775807)"),
    "UUID": ("'00000000-0000-0000-0000-000000000001'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    "JSON": ("'{\"a\" : 1e400}'", "'null'"),
    "ENUM('b', 'a', 'it''s')": ("'b'", "'it''s'"),
    "BIGNUM": ("'12345678901234567890123456789012345678901234567890'", "'-1'"),
    "GEOMETRY": ("'POINT(1 2)'", "'POINT EMPTY'"),
    "STRUCT(a INTEGER, b VARCHAR)": ("{'a': 1, 'b': 'x'}", "{'a': NULL, 'b': NULL}"),
    "TUPLE(INTEGER, VARCHAR)": ("row(1, 'x')", "row(NULL, NULL)"),
    "INTEGER[]": ("[]", "[NULL]", "[1, NULL, 2]"),
    "INTEGER[2]": ("[1, NULL]",),
}
TOO_LARGE_FOR_CLIENTS = ("HUGEINT", "UHUGEINT", "INTERVAL", "TIME")  # in these values, which is an error
STAYING: Mapping[str, Sequence[str]] = {
    "UNION(a INTEGER, b VARCHAR)": (
        "union_value(a := 1)",
        "union_value(b := 'x')",
        "union_value(b := NULL::VARCHAR)",
        "union_value(a := NULL::INTEGER)",
    ),
    "VARIANT": ("1::UBIGINT", "1.5::DECIMAL(9,4)", "'2020-01-01'::DATE", "'\\xAA'::BLOB", "'a'", "[1, 2]", "{'a': 1}"),
    "MAP(INTEGER, VARCHAR)": ("MAP {}", "MAP {1: NULL}", "MAP {2: 'x', 1: 'y'}"),
    "TYPE": ("get_type(1)", "get_type('x')"),
}


def nested(kind: str, values: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The type, and one with it in arrays and lists in structs in a list, with values; NULL stands on every level."""
    null = f"NULL::{kind}"
    full = [*(f"({value})::{kind}" for value in values), null]
    both = f"[{', '.join(full)}]"
    yield kind, full
    array = f"array_value({full[0]}, {null})::{kind}[2]"
    inner = f"STRUCT(f {kind}[2], g {kind}[])"
    lists = (both, f"[]::{kind}[]", f"[{null}]", f"NULL::{kind}[]")
    structs = [*(f"{{'f': {array}, 'g': {values}}}" for values in lists), f"{{'f': NULL::{kind}[2], 'g': {both}}}"]
    yield f"{inner}[]", [*(f"[{struct}, NULL::{inner}]" for struct in structs), f"NULL::{inner}[]"]


def column(values: Sequence[str]) -> str:
    """One of the values for each row of `n`."""
    return "CASE " + " ".join(f"WHEN id % {len(values)} = {i} THEN {v}" for i, v in enumerate(values)) + " END"


# The rows of `t` pass Exchanges before somebody looks at them: broadcast (`n` may not be), hash and gather; and range,
# on to the client.
SHOWN = """SELECT id, row, rows, {shown} FROM (
    SELECT t.*, sum(t.id) OVER (PARTITION BY t.id % 7) AS row, count(*) OVER () AS rows
    FROM n LEFT JOIN t ON n.id = t.id + 0 * random()::INTEGER
)"""
SENT = "SELECT * FROM t ORDER BY id"


def statement(shape: str, columns: Mapping[str, Sequence[str]]) -> str:
    """A query over one column of each type."""
    names = [f"x{i}" for i in range(len(columns))]
    items = ", ".join(f"{column(values)} AS {name}" for name, values in zip(names, columns.values(), strict=True))
    shown = ", ".join(f"[typeof({x}), {x}::VARCHAR, ({x} IS NULL)::VARCHAR] AS {x}" for x in names)
    return f"WITH t AS (SELECT id, {items} FROM n) {shape.format(shown=shown)}"


def carried(plan: PhysicalPlan) -> dict[ExchangeMode, set[str]]:
    """The types of the columns that the plan's Exchanges carry."""
    assert isinstance(plan, DistributedPlan)
    types: dict[ExchangeMode, set[str]] = {}
    for node in (node for stage in plan.stages for node in walk(stage.root) if isinstance(node, ExchangeSourceExec)):
        types.setdefault(node.mode, set()).update(column.type for column in node.columns)
    return types


@pytest.fixture(scope="module")
def runtimes(make_runtime: Make) -> tuple[SqlRuntime, SqlRuntime]:
    local, ray = make_runtime("local", "memory"), make_runtime("ray", "memory")
    for _, tables in (local, ray):
        tables.put("n", pa.table({"id": range(ROWS)}))
    return local[0], ray[0]


def test_what_travels_is_the_same_behind_exchanges(runtimes: tuple[SqlRuntime, SqlRuntime]) -> None:
    columns = dict(found for kind, values in TRAVELLING.items() for found in nested(kind, values))
    types = assert_same(*runtimes, statement(SHOWN, columns))
    assert all(set(columns) <= types[mode] for mode in ExchangeMode)


def test_what_travels_comes_to_the_client_unchanged(runtimes: tuple[SqlRuntime, SqlRuntime]) -> None:
    fitting = {kind: values for kind, values in TRAVELLING.items() if kind not in TOO_LARGE_FOR_CLIENTS}
    columns = dict(found for kind, values in fitting.items() for found in nested(kind, values))
    types = assert_same(*runtimes, statement(SENT, columns))
    assert set(columns) <= types[ExchangeMode.SHUFFLE]


@pytest.mark.parametrize("sql", [SHOWN, SENT])
@pytest.mark.parametrize("kind", STAYING)
def test_what_does_not_travel_stays_in_one_task(kind: str, sql: str, runtimes: tuple[SqlRuntime, SqlRuntime]) -> None:
    types = assert_same(*runtimes, statement(sql, dict(nested(kind, STAYING[kind]))))
    assert set[str]().union(*types.values()) <= {"BIGINT"}  # of `n`, where the statement runs whole


@pytest.mark.parametrize("value", ["INTERVAL 1 DAY", "'101'::BIT", "'12:00:00+02'::TIMETZ", "1::UHUGEINT"])
def test_variants_of_what_arrow_has_not_can_be_asked(value: str, runtimes: tuple[SqlRuntime, SqlRuntime]) -> None:
    assert not assert_same(*runtimes, statement(SHOWN, {"VARIANT": [f"({value})::VARIANT", "NULL::VARIANT"]}))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id % 3 AS k, count(x), count(x) FILTER (x IS NULL), count(union_tag(x)) FROM t GROUP BY k",
        "SELECT x, typeof(x), union_tag(x), x IS NULL, count(*) FROM t GROUP BY ALL",
        "SELECT id % 3 AS k, arg_max(x, id) IS NULL, arg_max(union_tag(x), id) FROM t GROUP BY k",
        "SELECT union_tag(max_by(x, id)), max_by(x, id) IS NULL FROM t",
        "SELECT count(DISTINCT x), count(DISTINCT union_tag(x)) FROM t",
        "SELECT l.id, union_tag(r.x), r.x IS NULL FROM t l JOIN t r ON l.id = r.id AND l.x IS NOT DISTINCT FROM r.x",
        "SELECT union_tag(x), x IS NULL FROM (SELECT x FROM t UNION SELECT x FROM t)",
    ],
)
def test_members_that_are_null_count_as_they_do_locally(sql: str, runtimes: tuple[SqlRuntime, SqlRuntime]) -> None:
    kind = "UNION(a INTEGER, b VARCHAR)"
    assert_same(*runtimes, f"WITH t AS (SELECT id, {column(STAYING[kind])} AS x FROM n) {sql}")


def test_a_map_with_a_key_twice_is_given_as_it_lies(make_runtime: Make) -> None:
    kind = pa.map_(pa.string(), pa.int64())
    maps = pa.array([[("a", i), ("a", 2)] if i % 3 else [("b", i)] for i in range(ROWS)], kind)
    runtimes = []
    for name in ("local", "ray"):
        runtime, tables = make_runtime(name, "parquet")
        tables.put("maps", pa.table({"id": range(ROWS), "m": maps}))
        runtimes.append(runtime)
    for sql in (
        "SELECT * FROM maps",
        "SELECT * FROM maps ORDER BY id",
        "SELECT id, map_entries(m) AS e, count(*) OVER (PARTITION BY id % 7) FROM maps",
        "SELECT sum(len(map_keys(m))) FROM maps",
    ):
        assert_same(*runtimes, sql)


def assert_same(local: SqlRuntime, ray: SqlRuntime, sql: str) -> dict[ExchangeMode, set[str]]:
    """Both give the same schema and rows; the types that Exchanges carry on Ray, by mode."""
    expected, found = query(local, sql), query(ray, sql)
    assert found.schema == expected.schema
    assert texts(found) == texts(expected)
    return carried(ray.plan(ray.frontend.plan(sql)))


def texts(table: pa.Table) -> list[tuple[str, ...]]:
    """The rows, in some order, as Arrow prints them: Python has not all of its values."""
    columns = [pa.concat_arrays(column.chunks) if column.num_chunks else column for column in table.columns]
    return sorted(tuple(c.slice(i, 1).to_string(window=100) for c in columns) for i in range(table.num_rows))
