"""Java: plain `java.sql` with `flight-sql-jdbc-driver`, and the client of `flight-sql`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.real_clients.checks import RESULT_TABLES, RESULT_TABLES_TOLD, Check
from tests.real_clients.programs import SOURCES, Program, run
from tests.real_clients.wants import Client, Contains, Failure, Has

__all__ = ["PROGRAM"]

FLIGHT_SQL = "java flight-sql"
JDBC = "java.sql"

ZONE = "America/New_York"  # not that of the server: what a driver makes of zones shows
_SOURCES = SOURCES / "java"
_OPTIONS = (
    f"-Duser.timezone={ZONE}",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


def _build(folder: Path) -> list[str]:
    """Fetch the jars, where the pom is another than it was, and compile."""
    pom = (_SOURCES / "pom.xml").read_text()
    jars, done = folder / "jars", folder / "fetched"
    if not done.exists() or done.read_text() != pom:
        done.unlink(missing_ok=True)
        maven = ("mvn", "-q", "-B", "-f", str(_SOURCES / "pom.xml"), "dependency:copy-dependencies")
        run(*maven, f"-DoutputDirectory={jars}", "-DincludeScope=runtime")
        done.write_text(pom)
    classes = folder / "classes"
    sources = [str(source) for source in sorted(_SOURCES.glob("*.java"))]
    run("javac", "-Xlint:all,-classfile,-try,-serial", "-Werror", "-d", str(classes), "-cp", f"{jars}/*", *sources)
    return ["java", *_OPTIONS, "-cp", f"{classes}:{jars}/*", "Main"]


def _own(of: str, want: Any, **arguments: Any) -> Check:
    return Check(f"jdbc.{of}", "jdbc", want, {"of": of, **arguments})


# What setTimestamp, setTime and setDate were given; they send the wall clock of the machine's zone, or of a calendar's.
_GIVEN = [
    ("2024-01-01 00:00:00", "00:00:00", "2024-01-01"),
    ("2024-06-01 12:34:56.789", "12:34:56", "2024-06-01"),
    ("1969-12-31 23:59:59.123", "23:59:59", "1969-12-31"),
    ("1900-02-28 12:00:00", "12:00:00", "1900-02-28"),
]
_IN_UTC = [
    ("2024-01-01 05:00:00", "05:00:00", "2024-01-01"),
    ("2024-06-01 16:34:56.789", "17:34:56", "2024-06-01"),
    ("1970-01-01 04:59:59.123", "04:59:59", "1970-01-01"),
    ("1900-02-28 17:00:00", "17:00:00", "1900-03-01"),
]
_NOTHING: list[Any] = [None] * 5


def _bound(given: list[tuple[str, str, str]]) -> list[list[Any]]:
    return [[stamp, f"{stamp}+00", stamp, time, day] for stamp, time, day in given] + [_NOTHING]


_PARAMETER_TYPES = (
    "SELECT ?::TIMESTAMP, ?::TIMESTAMPTZ, ?::TIMESTAMP_NS, ?::TIME, ?::DATE, ?::INTEGER, ?::DECIMAL(9, 2), ?::VARCHAR"
)
_COLUMNS = "SELECT 1.25::DECIMAL(9, 2) AS d, 'x' AS v, 1::BIGINT AS b, DATE '2024-01-31' AS day"
_COLUMNS_TOLD = [
    ["d", "9", "2", False, True, True],
    ["v", "0", "0", True, True, True],
    ["b", "19", "0", False, True, True],
    ["day", "10", "0", False, True, True],
]
_TABLES_TOLD = [[value or None for value in column] for column in RESULT_TABLES_TOLD]  # null is what is not told
_TIMES = "SELECT TIMESTAMP '2024-07-01 12:00:00' AS ts, TIMESTAMPTZ '2024-07-01 12:00:00+00' AS tz"

_UNSIGNED = "SELECT 255::UTINYINT, 65535::USMALLINT, 4294967295::UINTEGER, 18446744073709551615::UBIGINT"
_NOT_IMPLEMENTED = (  # by the driver, whatever the server is
    "deletesAreDetected insertsAreDetected updatesAreDetected othersDeletesAreVisible othersInsertsAreVisible "
    "othersUpdatesAreVisible ownDeletesAreVisible ownInsertsAreVisible ownUpdatesAreVisible "
    "supportsResultSetHoldability"
)
_DATABASE_FAILED: dict[str, Any] = {
    **{f"{name}/1": "todo: implement this method" for name in _NOT_IMPLEMENTED.split()},
    "supportsTransactionIsolationLevel/1": Contains(("Invalid transaction isolation level argument",)),  # which it was
}
_DATABASE = {
    "getDatabaseProductName": "grism",
    "getDriverVersion": "18.3.0",
    "getCatalogs": "1 rows",
    "getSchemas": "2 rows",
    "getTableTypes": "3 rows",
    "getTables/4": "0 rows",
    "getColumns/4": "0 rows",
    "getPrimaryKeys/3": "0 rows",
    "getCatalogTerm": "catalog",
    "getSchemaTerm": "schema",
    "getIdentifierQuoteString": '"',
    "getSearchStringEscape": "\\",
    "getMaxStatementLength": "16000000",
    "getDefaultTransactionIsolation": "0",
    "allTablesAreSelectable": "true",
    "isReadOnly": "false",
    "nullsAreSortedAtEnd": "true",
    "supportsBatchUpdates": "true",
    "supportsColumnAliasing": "true",
    "supportsConvert": "true",
    "supportsCorrelatedSubqueries": "true",
    "supportsFullOuterJoins": "true",
    "supportsLimitedOuterJoins": "true",
    "supportsGroupBy": "true",
    "supportsNamedParameters": "true",
    "supportsNonNullableColumns": "true",
    "supportsOuterJoins": "true",
    "supportsResultSetType/1": "true",
    "supportsSavepoints": "false",
    "supportsSchemasInIndexDefinitions": "true",
    "supportsSelectForUpdate": "false",
    "supportsStoredProcedures": "false",
    "supportsSubqueriesInExists": "true",
    "supportsTransactions": "false",
    "supportsUnion": "true",
    "supportsUnionAll": "true",
}

_LITERALS: list[tuple[str, list[list[str]], list[Any]]] = [
    *(
        (
            f"SELECT {i}, '{i}', (x = {i}) FROM range(9) r(x) WHERE x = {i}",
            [[f"{i}", "INTEGER", "10", "0"], [f"'{i}'", "VARCHAR", "0", "0"], [f"(x = {i})", "BOOLEAN", "1", "0"]],
            [f"{i}", f"{i}", True],
        )
        for i in range(6)
    ),
    ("SELECT 2147483648", [["2147483648", "BIGINT", "19", "0"]], ["2147483648"]),
    ("SELECT 1.5", [["1.5", "DECIMAL", "2", "1"]], ["1.5"]),
    ("SELECT 17.250", [["17.250", "DECIMAL", "5", "3"]], ["17.250"]),
    ("SELECT 1.5 FROM range(3) r(x) WHERE x = 1", [["1.5", "DECIMAL", "2", "1"]], ["1.5"]),
    ("SELECT 10.25 FROM range(3) r(x) WHERE x = 2", [["10.25", "DECIMAL", "4", "2"]], ["10.25"]),
    ("SELECT 'it''s' AS t", [["t", "VARCHAR", "0", "0"]], ["it's"]),
]  # with what is told of their columns: name, type, precision and scale

_OWN = (
    _own(
        "parameter types",
        [
            "Timestamp(MILLISECOND, null)",
            "Timestamp(MILLISECOND, UTC)",
            "Timestamp(MILLISECOND, null)",
            "Time(MILLISECOND, 32)",
            "Date(DAY)",
            "Int(32, true)",
            "Decimal(9, 2, 128)",
            "Utf8",
        ],
        sql=_PARAMETER_TYPES,
    ),
    _own("times bound", [*_bound(_GIVEN), *_bound(_IN_UTC), _NOTHING]),
    _own("times compared", [["269"], ["269"], ["269"], ["269"], ["13"]]),
    _own(
        "times read",
        {
            "getTimestamp": ["2024-07-01T20:00:00Z", "2024-07-01T20:00:00Z"],
            "getTimestamp UTC": ["2024-07-01T16:00:00Z", "2024-07-01T16:00:00Z"],
            "getObject": ["2024-07-01 16:00:00.0", Failure(None, ("not implemented",))],
            "getObject Instant": [Failure(None, ("Vectors without timezones",)), "2024-07-01T12:00:00Z"],
            "getObject LocalDateTime": ["2024-07-01T12:00", "2024-07-01T12:00"],
            "getString": ["2024-07-01 12:00:00.0", "2024-07-01 12:00:00.0"],
        },
        sql=_TIMES,
    ),
    _own(
        "unsigned read",
        {
            "getObject": ["-1", "-1", "-1", "-1"],
            "getLong": ["-1", "65535", "-1", "-1"],
            "getBigDecimal": ["-1", "65535", "-1", "-1"],
            "getString": ["18446744073709551615", "65535", "18446744073709551615", "18446744073709551615"],
        },
        sql=_UNSIGNED,
    ),
    _own("result metadata", [_COLUMNS_TOLD, _COLUMNS_TOLD], sql=_COLUMNS),
    _own(
        "literals",
        [{"columns": columns, "rows": [row]} for _, columns, row in _LITERALS],
        statements=[sql for sql, _, _ in _LITERALS],
    ),
    _own(
        "batches",
        {"texts": Failure(None, ("updateCounts",)), "rows": "[3]", "execute": True, "count": "-1", "left": [["5"]]},
    ),
    _own("result tables", [_TABLES_TOLD, _TABLES_TOLD], sql=RESULT_TABLES),
    _own("columns", [["grism", "temp", "id", "19", "NO"], ["grism", "temp", "price", "9", "YES"]]),
    _own("mixed parameters", [["7", "x", "42"]]),
    _own(
        "mid-stream",
        {"failure": Failure(None, ("Division by zero",)), "before": True},
        sql="SELECT 1 // (x - 1000000) AS q FROM range(1500000) t(x)",
    ),
    _own(
        "kill",
        {"reader": Failure(None, ('by "anonymous" with KILL QUERY',)), "next": [["1"]]},
        sql="SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1",
    ),
    _own(
        "connection",
        {"setSchema": [["main"]], "setReadOnly": {"count": "1"}, "catalog": [["1"]], "close": Failure(None)},
    ),
    _own(
        "trust store",
        {"store": Failure(None), "store&useSystemTrustStore=false": {"rows": [["ana"]]}},
        sql="SELECT current_user",
    ),
    _own(
        "database",
        {
            "told": Has(_DATABASE),
            "failed": _DATABASE_FAILED,
        },
    ),
)


def _values(*values: Any, kind: str) -> dict[str, Any]:
    return {"type": kind, "values": [*values, None]}


_DIFFERS: dict[tuple[str, str], tuple[Any, str]] = {
    (FLIGHT_SQL, "parameter.TIME"): (
        {"told": "time32[ms]", "values": ["23:59:59.25", None]},
        "known by its user agent as the JDBC driver is, which binds milliseconds",
    ),
    (FLIGHT_SQL, "parameter.TIMESTAMP"): (
        {"told": "timestamp[ms]", "values": ["1960-02-29T23:59:59.25", None]},
        "known by its user agent as the JDBC driver is, which binds milliseconds",
    ),
    (FLIGHT_SQL, "parameter.TIMESTAMPTZ"): (
        {"told": "timestamp[ms,UTC]", "values": ["2024-07-01T10:00:00.25Z", None]},
        "known by its user agent as the JDBC driver is, which binds milliseconds",
    ),
    (JDBC, "type.utinyint"): (_values("0", "-1", kind="TINYINT"), "unsigned integers are read as signed ones"),
    (JDBC, "type.usmallint"): (_values("-1", kind="SMALLINT"), "unsigned integers are read as signed ones"),
    (JDBC, "type.uinteger"): (_values("-1", kind="INTEGER"), "unsigned integers are read as signed ones"),
    (JDBC, "type.ubigint"): (_values("-1", kind="BIGINT"), "unsigned integers are read as signed ones"),
    (JDBC, "type.time"): (_values("18:59:59", kind="TIME"), "a java.sql.Time is moved by the zone of the machine"),
    (JDBC, "parameter.TIME"): (
        {"told": "Time(MILLISECOND, 32)", "values": ["18:59:59.25", None]},
        "a java.sql.Time is moved by the zone of the machine as it is read; it was bound right",
    ),
    (JDBC, "type.interval"): (
        _values("P14M3D PT0.000005S", "P-1D PT0S", kind="JAVA_OBJECT"),
        "an interval is an object of the driver's own",
    ),
    (JDBC, "type.struct"): (
        _values({"a": "1", "b": "x"}, {"b": "y"}, kind="JAVA_OBJECT"),
        "a struct is a map without the fields that are NULL",
    ),
    (JDBC, "type.map"): (_values({"k": "1", "l": None}, kind="JAVA_OBJECT"), "a map is an object"),
    (JDBC, "metadata.type names"): ([], "the driver does not ask for types"),
    (JDBC, "cancel.reading"): (
        {"after": Failure(None, ("Statement canceled",)), "next": [["1"]]},
        "the error is the driver's own",
    ),
    (JDBC, "deadline"): (Failure(None, ("SQLTimeoutException", "1 SECONDS")), "the error is the driver's own"),
    (JDBC, "endpoints"): (
        {"endpoints": None, "rows": "1000000", "sum": "499999500000"},
        "the number of endpoints is not told",
    ),
}

PROGRAM = Program(
    language="java",
    tools=("java", "javac", "mvn"),
    build=_build,
    differs=_DIFFERS,
    own=_OWN,
    clients={FLIGHT_SQL: Client(), JDBC: Client(types="jdbc", parameters="jdbc")},
)
