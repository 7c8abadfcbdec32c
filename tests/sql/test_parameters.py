"""Values that are bound to parameters mean what they mean to the kernel's own prepared statements, on every runtime."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import InvalidValueError, TypeMismatchError
from tests.harness.compare import difference
from tests.harness.oracle import Oracle, OracleError
from tests.harness.runtimes import SqlRuntime, Tables

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

ROWS = 40
DAY = datetime.datetime(2024, 1, 1)
VALUES: dict[str, tuple[pa.DataType, Callable[[int], Any]]] = {
    "d": (pa.date32(), lambda i: (DAY + datetime.timedelta(days=i)).date()),
    "ts": (pa.timestamp("us"), lambda i: DAY + datetime.timedelta(hours=i)),
    "tz": (pa.timestamp("us", "UTC"), lambda i: DAY + datetime.timedelta(hours=i)),
    "tm": (pa.time64("us"), lambda i: datetime.time(i % 24, 30)),
    "dec": (pa.decimal128(9, 2), lambda i: decimal.Decimal(i).scaleb(-1)),
    "i": (pa.int32(), lambda i: i),
    "f": (pa.float64(), lambda i: i / 4),
    "b": (pa.bool_(), lambda i: i % 2 == 0),
    "bl": (pa.binary(), lambda i: f"{i:02}".encode()),
    "s": (pa.string(), lambda i: f"{i:02}"),
    "l": (pa.list_(pa.int32()), lambda i: [i, i]),
    "u": (pa.uuid(), lambda i: uuid.UUID(int=i).bytes),
}
TABLE = pa.table(
    {"id": range(ROWS)}
    | {
        name: pa.array([None if i % 7 == 3 else value(i) for i in range(ROWS)], kind)
        for name, (kind, value) in VALUES.items()
    }
)
FORMS = ["{0} < ?", "{0} <= ?", "? < {0}", "{0} = ?", "{0} <> ?", "{0} IN (?, ?)", "{0} BETWEEN ? AND ?"]
FORMS += ["coalesce({0}, ?)", "greatest({0}, ?)", "CASE WHEN id > 5 THEN {0} ELSE ? END", "nullif({0}, ?)"]
TEXTS = [("d", "2024-01-09"), ("ts", "2024-01-02"), ("ts", "2024-01-02 03:00:00.5"), ("tz", "2024-01-02 03:00:00+01")]
TEXTS += [("tm", "13:30:00"), ("dec", "1.5"), ("i", "6"), ("i", "06"), ("f", "2"), ("b", "false"), ("bl", "07")]
TEXTS += [("s", "07"), ("l", "[3, 3]"), ("u", str(uuid.UUID(int=9)))]


def run(runtime: SqlRuntime, sql: str, values: list[pa.Scalar]) -> pa.Table:
    with runtime.execute(runtime.plan(runtime.frontend.plan(sql, parameters=values))) as result:
        return result.read_all()


@pytest.fixture(scope="module")
def oracle() -> Any:
    with Oracle.over({"t": TABLE}) as oracle:
        yield oracle


@pytest.fixture
def over(runtime_name: str, make_runtime: Make) -> SqlRuntime:
    """A runtime with the table `t`."""
    runtime, tables = make_runtime(runtime_name, "memory")
    tables.put("t", TABLE)
    return runtime


def values_of_all(texts: Sequence[tuple[str, str | None]]) -> tuple[str, list[str | None]]:
    """Every form of every column in one statement, and the values of its parameters."""
    items = [(form.format(column), text) for column, text in texts for form in FORMS]
    sql = "SELECT id, " + ", ".join(f"{item} AS c{place}" for place, (item, _) in enumerate(items))
    return f"{sql} FROM t ORDER BY id", [text for item, text in items for _ in range(item.count("?"))]


def filters_of_all(texts: Sequence[tuple[str, str | None]]) -> tuple[str, list[str | None]]:
    """How many rows a range of each column has, in one statement, and the values of its parameters."""
    counts = [
        f"(SELECT count(*) FROM t WHERE {column} >= ? AND ? < {column}) AS n{i}" for i, (column, _) in enumerate(texts)
    ]
    return f"SELECT {', '.join(counts)}", [text for _, text in texts for _ in range(2)]


@pytest.mark.parametrize("statement", [values_of_all, filters_of_all])
@pytest.mark.parametrize("texts", [TEXTS, [(column, None) for column in VALUES]], ids=["texts", "NULL"])
def test_a_text_takes_the_type_of_its_place(
    statement: Callable[[Sequence[tuple[str, str | None]]], tuple[str, list[str | None]]],
    texts: Sequence[tuple[str, str | None]],
    over: SqlRuntime,
    oracle: Oracle,
) -> None:
    sql, values = statement(texts)
    got = run(over, sql, [pa.scalar(value, pa.string()) for value in values])
    assert difference(got, oracle.run(sql, values), ordered=True) is None


def test_a_statement_that_is_asked_again_has_the_rows_of_its_own_values(over: SqlRuntime, oracle: Oracle) -> None:
    known = ["d", "ts", "i", "f", "b", "s"]  # of which a plan holds for all values
    sql = f"SELECT id, i + $7 AS x FROM t WHERE {' OR '.join(f'{name} = ${n}' for n, name in enumerate(known, 1))}"
    for i in (5, 8, 9, 12):
        values = [pa.scalar(VALUES[name][1](i + n), VALUES[name][0]) for n, name in enumerate(known)]
        read = sum(over.frontend.readings.values())
        got = run(over, f"{sql} ORDER BY id", [*values, pa.scalar(i, pa.int32())])
        assert (sum(over.frontend.readings.values()) == read) == (i > 8)
        told = [*(value.as_py() for value in values), i]
        assert difference(got, oracle.run(f"{sql} ORDER BY id", told), ordered=True) is None


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_every_type_of_text_is_one(kind: pa.DataType, over: SqlRuntime) -> None:
    day = pa.array(["2024-01-09"]).cast(kind)[0]
    assert run(over, "SELECT count(*) AS n FROM t WHERE d < ?", [day])["n"].to_pylist() == [7]
    none = pa.array([None], pa.string()).cast(kind)[0]
    assert run(over, "SELECT count(*) AS n FROM t WHERE d < ?", [none])["n"].to_pylist() == [0]


def test_a_text_alone_is_a_text(over: SqlRuntime) -> None:
    for value in ("a", "it's", "2024-01-01", "a\0b", None):
        got = run(over, "SELECT ? AS x", [pa.scalar(value, pa.string())])
        assert got.schema.types == [pa.string()]
        assert got["x"].to_pylist() == [value]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT round(f, ?) AS x FROM t ORDER BY id", 1),
        ("SELECT d + ? AS x FROM t ORDER BY id", 3),
        ("SELECT d - ? AS x FROM t ORDER BY id", -3),
        ("SELECT ts + to_days(?) AS x FROM t ORDER BY id", 2),
        ("SELECT chr(?) AS x", 65),
    ],
)
@pytest.mark.parametrize("kind", [pa.int64(), pa.int8()], ids=str)
def test_an_integer_that_is_longer_than_its_place_fits_by_its_value(
    sql: str, value: int, kind: pa.DataType, over: SqlRuntime, oracle: Oracle
) -> None:
    got = run(over, sql, [pa.scalar(value, kind)])
    assert difference(got, oracle.run(sql, [value]), ordered=True) is None


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT count(*) FROM t WHERE d < ?", pa.scalar("no date")),
        ("SELECT count(*) FROM t WHERE i BETWEEN ? AND 3", pa.scalar("one")),
        ("SELECT count(*) FROM t WHERE d < ?", pa.scalar(1)),
        ("SELECT d + ? FROM t", pa.scalar(2**40)),
        ("SELECT count(*) FROM t WHERE dec < ?", pa.scalar(True)),
    ],
)
def test_what_does_not_fit_is_refused(sql: str, value: pa.Scalar, over: SqlRuntime, oracle: Oracle) -> None:
    with pytest.raises((TypeMismatchError, InvalidValueError)):
        run(over, sql, [value])
    with pytest.raises(OracleError):
        oracle.run(sql, [value.as_py()])


@pytest.mark.parametrize(
    ("value", "kind"), [(5, pa.int64()), (5, pa.int16()), (2**40, pa.int64()), (1.5, pa.float64())]
)
def test_a_number_that_its_place_takes_keeps_its_type(value: float, kind: pa.DataType, over: SqlRuntime) -> None:
    assert run(over, "SELECT ? AS x", [pa.scalar(value, kind)]).schema.types == [kind]
    wider = run(over, "SELECT i + ? AS x FROM t WHERE id = 1", [pa.scalar(value, kind)])
    assert wider["x"].to_pylist() == [1 + value]


NULLS = [
    "SELECT i + ? AS x FROM t",
    "SELECT -? AS x",
    "SELECT ? + ? AS x",
    "SELECT d - ? AS x FROM t",
    "SELECT dec * ? AS x FROM t",
    "SELECT sum(i + ?) AS x FROM t",
    "SELECT avg(?) AS x FROM t",
    "SELECT l || ? AS x FROM t",
    "SELECT id FROM t WHERE i + ? > 1",
    "SELECT id FROM t WHERE i = ANY(?)",
    "SELECT id FROM t WHERE ? OR id = 1",
    "SELECT id FROM t ORDER BY id LIMIT ?",
    "SELECT * FROM generate_series(1, ?)",
    "SELECT unnest(?) AS x",
    "SELECT a, b FROM (VALUES (1, ?), (2, 3)) v(a, b)",
    "SELECT list_transform(l, lambda e: e + ?) AS x FROM t ORDER BY id",
]


@pytest.mark.parametrize("kind", [pa.null(), pa.string(), pa.int64(), pa.float64()], ids=str)
def test_a_null_of_any_type_stands_where_null_does(kind: pa.DataType, over: SqlRuntime, oracle: Oracle) -> None:
    for sql in NULLS:
        got = run(over, sql, [pa.scalar(None, kind)] * sql.count("?"))
        rows = oracle.run(sql.replace("?", "NULL"))
        assert [list(row.values()) for row in got.to_pylist()] == [list(row.values()) for row in rows.to_pylist()], sql


def test_a_null_keeps_its_type_where_that_fits(over: SqlRuntime) -> None:
    none = pa.scalar(None, pa.string())
    assert run(over, "SELECT ? AS x", [none]).schema.types == [pa.string()]
    assert run(over, "SELECT round(f, ?) AS x, ? AS y FROM t", [pa.scalar(1), none]).schema.types == [
        pa.float64(),
        pa.string(),
    ]
    assert run(over, "SELECT i + ? AS x FROM t", [none]).schema.types == [pa.int32()]
    with pytest.raises(TypeMismatchError):  # as of a NULL in its place
        run(over, "SELECT extract(year FROM ?) AS x", [none])


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT i FROM t ORDER BY ?", None),
        ("SELECT i FROM t UNION SELECT i FROM t ORDER BY ? DESC, i", "i"),
        ("SELECT DISTINCT ON (?) i FROM t", "i"),
        ("SELECT first(i ORDER BY ?) FROM t", "i"),
    ],
)
def test_an_order_by_a_text_is_refused_by_what_was_asked(sql: str, value: str | None, over: SqlRuntime) -> None:
    """And not by a setting of the kernel, which nobody here may change."""
    with pytest.raises(TypeMismatchError, match=r"has a constant here, .* bound to a parameter, is no name") as caught:
        run(over, sql, [pa.scalar(value, pa.string() if value else pa.null())])
    assert "SET" not in caught.value.message
