"""The escapes of JDBC and ODBC mean what the dialect says with other words, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.errors import GrismError, UnsupportedError
from engine.sql.escapes import without_escapes
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.harness.growth import assert_linear

T = pa.table({"i": [1, 2, None], "s": ["a_b", "aXb", None], "fn": [7, 8, 9], "d": ["x", "y", "z"]})


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with LocalRuntime(InMemoryStorage({"t": T}), threads=1) as runtime:
        yield Database(runtime)


def rows(database: Database, text: str, *values: object) -> list[tuple[object, ...]]:
    parameters = [tuple(map(pa.scalar, values))] if values else None
    with database.sql(text, parameters) as result:
        return [tuple(row.values()) for row in result.read_all().to_pylist()]


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("{d '2024-01-31'}", "DATE '2024-01-31'"),
        ("{ D'2024-01-31' }", "DATE '2024-01-31'"),
        ("{t '10:20:30'}", "TIME '10:20:30'"),
        ("{ts '2024-01-31 10:20:30.5'}", "TIMESTAMP '2024-01-31 10:20:30.5'"),
        ("{guid '12345678-1234-1234-1234-123456789012'}", "UUID '12345678-1234-1234-1234-123456789012'"),
        ("{interval '3' DAY}", "INTERVAL '3' DAY"),
        ("{fn UCASE('abc')}", "'ABC'"),
        ("{fn lcase({fn CONCAT('A', {fn\n UCASE('b') /* } */})})}", "'ab'"),
        ("{fn LENGTH('ab  ')}", "2::BIGINT"),
        ("{fn LOCATE('b', 'abcb')}", "2::BIGINT"),
        ("{fn LOCATE('b', 'abcb', 3)}", "4::BIGINT"),
        ("{fn LOCATE('z', 'abcb', 3)}", "0::BIGINT"),
        ("{fn LOCATE(NULL, 'abcb', 3)}", "NULL::BIGINT"),
        ("{fn INSERT('hello', 2, 3, 'XY')}", "'hXYo'"),
        ("{fn SPACE(3)}||'x'", "'   x'"),
        ("{fn CHAR(65)}", "'A'"),
        ("{fn OCTET_LENGTH('é')}", "2::BIGINT"),
        ("{fn POSITION('b' IN 'abc')}", "2::BIGINT"),
        ("{fn LOG(1)}", "0::DOUBLE"),
        ("{fn TRUNCATE(12.345, 1)}", "trunc(12.345, 1)"),
        ("{fn ATAN2(1, 1)}", "atan2(1, 1)"),
        ("{fn MOD(7, 4)}", "mod(7, 4)"),
        ("{fn IFNULL(NULL, 5)}", "5"),
        ("{fn CURDATE()}", "current_date"),
        ("{fn CURRENT_DATE}", "current_date"),
        ("{fn DAYOFWEEK({d '2024-02-04'})}", "1::BIGINT"),  # a Sunday
        ("{fn EXTRACT(YEAR FROM {d '2024-02-04'})}", "2024::BIGINT"),
        ("{fn TIMESTAMPADD(SQL_TSI_MONTH, 1, {d '2024-01-31'})}", "TIMESTAMP '2024-02-29'"),
        ("{fn TIMESTAMPADD(SQL_TSI_HOUR, -2, {ts '2024-01-31 01:00:00'})}", "TIMESTAMP '2024-01-30 23:00:00'"),
        ("{fn TIMESTAMPADD(SQL_TSI_FRAC_SECOND, 5000, {d '2024-01-31'})}", "TIMESTAMP '2024-01-31 00:00:00.000005'"),
        ("{fn TIMESTAMPDIFF(SQL_TSI_DAY, {d '2024-01-31'}, {ts '2024-03-01 12:00:00'})}", "30::BIGINT"),
        ("{fn TIMESTAMPDIFF(SQL_TSI_QUARTER, {d '2024-01-31'}, {d '2024-12-31'})}", "3::BIGINT"),
        ("{fn CONVERT('12', SQL_INTEGER)}", "12"),
        ("{fn CONVERT({fn CONCAT('1', '2')}, SQL_DOUBLE)}", "12::DOUBLE"),
        ("{fn greatest(1, 3, 2)}", "3"),  # one of the kernel's own
        ("{fn struct_pack(a := {fn ABS(-1)})}", "{'a': 1}"),
    ],
)
def test_a_value_is_the_dialect_s(database: Database, escaped: str, plain: str) -> None:
    assert rows(database, f"SELECT typeof(v), v FROM (SELECT {escaped} AS v)") == rows(
        database, f"SELECT typeof(v), v FROM (SELECT {plain} AS v)"
    )


@pytest.mark.parametrize(
    ("text", "values", "found"),
    [
        ("SELECT i FROM t WHERE s LIKE 'a!_b' {escape '!'}", (), [(1,)]),
        ("SELECT count(*) FROM {oj t a LEFT OUTER JOIN {oj t b INNER JOIN t c ON b.i = c.i} ON a.i = b.i}", (), [(3,)]),
        ("SELECT fn FROM t ORDER BY fn {limit 1 offset 1}", (), [(8,)]),
        ("SELECT {fn LOCATE(?, ?, 2)}", ("b", "abcb"), [(2,)]),
        ("SELECT {fn TIMESTAMPDIFF(SQL_TSI_DAY, ?, ?)}", ("2024-01-01", "2024-01-03"), [(2,)]),
        ("SELECT {fn INSERT($s, $at, 1, $s)}", ("abc", 2), [("aabcc",)]),
        ("SELECT{fn PI()}>3AS big", (), [(True,)]),
    ],
)
def test_clauses_and_parameters(
    database: Database, text: str, values: tuple[object, ...], found: list[tuple[object, ...]]
) -> None:
    assert rows(database, text, *values) == found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT {d: 1}, {ts : 2}, {'fn': 3}, {\"t\": {oj: 4}}, {fn: d}, {escape: s} FROM t",
        "SELECT MAP {1: 2}, [{t: 1}], {d: {'x': [1]}} FROM t",
        "SELECT '{d ''2024''}', \"{fn x}\" FROM (SELECT 1 AS \"{fn x}\") -- {fn x()}\n /* {call y} */",
        "SELECT $${fn PI()}$$, $q${call x}$q$, E'{d \\'x\\'}'",
    ],
)
def test_structs_and_texts_stay(text: str, database: Database) -> None:
    assert without_escapes(text).text == text
    assert len(rows(database, text)) > 0


def test_an_escape_inside_a_struct_is_one() -> None:
    assert without_escapes("SELECT {ts: {d '2024-01-01'}}").text == "SELECT {ts:  DATE '2024-01-01' }"


@pytest.mark.parametrize(
    "text", ["SELECT {fn UCASE(s) || 'x'} FROM t", "SELECT {d 5}", "SELECT {fn}", "SELECT {fn UCASE('a')"]
)
def test_what_is_no_escape_is_an_error_of_the_text(text: str, database: Database) -> None:
    with pytest.raises(GrismError, match="syntax error"):
        rows(database, text)


@pytest.mark.parametrize("text", ["{call cleared(?)}", "{? = call total(1)}", "{ CALL x}"])
def test_procedures_are_refused_by_name(text: str, database: Database) -> None:
    with pytest.raises(UnsupportedError, match="no procedures"):
        database.parse(text)


def test_they_stand_in_statements_of_every_kind(database: Database) -> None:
    context = StatementContext(Session())
    for text in (
        "CREATE TABLE made AS SELECT {d '2024-01-31'} AS day, 1 AS n",
        "CREATE VIEW seen AS SELECT {fn YEAR(day)} AS y, n FROM made",
        "INSERT INTO made VALUES ({d '2025-01-31'}, {fn ABS(-2)})",
        "UPDATE made SET n = {fn MOD(n, 2)} WHERE day = {d '2025-01-31'}",
    ):
        database.run(context, database.parse(text))
    assert rows(database, "SELECT * FROM seen ORDER BY y") == [(2024, 1), (2025, 0)]


@pytest.mark.parametrize(
    "part", ["{d '2024-01-01'},", "{fn UCASE(", "{fn X(a,", "{", "{fn ", "{fn f(a,b,c,d)}+", "{d: "]
)
def test_the_time_grows_with_the_text(part: str) -> None:
    assert_linear(without_escapes, lambda length: "SELECT " + part * (length // len(part)), longest=200_000)
