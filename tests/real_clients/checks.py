"""The checks that each client makes, in this order, and what it has to see: the same for all of them.

A program is given the name, the kind and the arguments of each (clients/README.md says what it does for a kind, and in
which form it prints what it saw), and never what is wanted.
"""

from __future__ import annotations

from typing import Any

from tests.real_clients.literals import LITERALS
from tests.real_clients.look_ups import LOOK_UPS
from tests.real_clients.scripts import Check, count, rows, script
from tests.real_clients.wants import AtMost, ByRuntime, Contains, Failure, Number, Told

__all__ = ["CHECKS", "RESULT_TABLES", "RESULT_TABLES_TOLD", "Check"]


def _connect(how: str, want: Any) -> Check:
    return Check(f"connect.{how}", "connect", want, {"how": how, "sql": "SELECT current_user"})


def _values(name: str, told: Told, rows: list[tuple[str, Any]]) -> Check:
    """Of literals, and NULL behind them."""
    literals = [literal for literal, _ in rows] + ["NULL"]
    body = ", ".join(f"({place}, {literal})" for place, literal in enumerate(literals))
    want = {"type": told, "values": [value for _, value in rows] + [None]}
    return Check(f"type.{name}", "values", want, {"sql": f"SELECT v FROM (VALUES {body}) AS t(n, v) ORDER BY n"})


def _parameter(cast: str, told: Told, values: list[Any], want: list[Any] | None = None) -> Check:
    told = Told(told.arrow, told.jdbc, parameter=True)
    arguments = {"sql": f"SELECT ?::{cast} AS v", "type": told.arrow, "values": [*values, None]}
    return Check(f"parameter.{cast}", "parameters", {"told": told, "values": [*(want or values), None]}, arguments)


def _metadata(of: str, want: Any, **arguments: Any) -> Check:
    name = arguments.pop("name", of)
    return Check(f"metadata.{name}", "metadata", want, {"of": of, **arguments})


def _ingest(name: str, want: Any, mode: str, rows: int = 2, table: str = "taken", **arguments: Any) -> Check:
    given = {"table": table, "mode": mode, "rows": rows, "temporary": False, "before": None, "then": None}
    return Check(f"ingest.{name}", "ingest", want, given | arguments)


_LOGIN = [
    _connect("plain", rows([Contains(("anonymous",))])),
    _connect("password", rows(["ana"])),
    _connect("wrong password", Failure("UNAUTHENTICATED")),
    _connect("nobody", Failure("UNAUTHENTICATED")),
    _connect("untrusted", Failure(None)),
    _connect("token", rows(["ana"])),
    _connect("token end", {"before": [["ana"]], "after": Failure("UNAUTHENTICATED")}),
]

_TYPES = [
    _values("boolean", Told("bool", "BOOLEAN"), [("true", True), ("false", False)]),
    _values("tinyint", Told("int8", "TINYINT"), [("(-128)::TINYINT", "-128"), ("127::TINYINT", "127")]),
    _values("smallint", Told("int16", "SMALLINT"), [("(-32768)::SMALLINT", "-32768"), ("32767::SMALLINT", "32767")]),
    _values("integer", Told("int32", "INTEGER"), [("(-2147483648)::INTEGER", "-2147483648"), ("7::INTEGER", "7")]),
    _values(
        "bigint",
        Told("int64", "BIGINT"),
        [("(-9223372036854775808)::BIGINT", "-9223372036854775808"), ("9223372036854775807", "9223372036854775807")],
    ),
    _values("utinyint", Told("uint8", "TINYINT"), [("0::UTINYINT", "0"), ("255::UTINYINT", "255")]),
    _values("usmallint", Told("uint16", "SMALLINT"), [("65535::USMALLINT", "65535")]),
    _values("uinteger", Told("uint32", "INTEGER"), [("4294967295::UINTEGER", "4294967295")]),
    _values("ubigint", Told("uint64", "BIGINT"), [("18446744073709551615::UBIGINT", "18446744073709551615")]),
    _values(
        "hugeint",
        Told("decimal(38,0)", "DECIMAL"),
        [("99999999999999999999999999999999999999::HUGEINT", "9" * 38), ("-1::HUGEINT", "-1")],
    ),
    _values(
        "float",
        Told("float32", "FLOAT"),
        [("1.5::FLOAT", Number(1.5)), ("'inf'::FLOAT", Number(float("inf"))), ("'nan'::FLOAT", Number(float("nan")))],
    ),
    _values(
        "double",
        Told("float64", "DOUBLE"),
        [("0.1::DOUBLE", Number(0.1)), ("1e300::DOUBLE", Number(1e300)), ("'-inf'::DOUBLE", Number(float("-inf")))],
    ),
    _values(
        "decimal", Told("decimal(9,2)", "DECIMAL"), [("-1234567.80::DECIMAL(9, 2)", "-1234567.80"), ("0.05", "0.05")]
    ),
    _values("wide decimal", Told("decimal(38,10)", "DECIMAL"), [("1.5::DECIMAL(38, 10)", "1.5000000000")]),
    _values("varchar", Told("utf8", "VARCHAR"), [("'O''Neill \\ ü 😀'", "O'Neill \\ ü 😀"), ("''", "")]),
    _values("blob", Told("binary", "VARBINARY"), [("'\\x00\\xFF\\x27'::BLOB", "00ff27"), ("''::BLOB", "")]),
    _values("date", Told("date32", "DATE"), [("DATE '2024-02-29'", "2024-02-29"), ("DATE '1969-12-31'", "1969-12-31")]),
    _values("time", Told("time64[us]", "TIME"), [("TIME '23:59:59.000007'", "23:59:59.000007")]),
    _values(
        "timestamp",
        Told("timestamp[us]", "TIMESTAMP"),
        [
            ("TIMESTAMP '2024-02-29 12:34:56.000007'", "2024-02-29T12:34:56.000007"),
            ("TIMESTAMP '1960-01-01 00:00:00.5'", "1960-01-01T00:00:00.5"),
        ],
    ),
    _values(
        "timestamp_s",
        Told("timestamp[s]", "TIMESTAMP"),
        [("'2024-02-29 12:34:56'::TIMESTAMP_S", "2024-02-29T12:34:56")],
    ),
    _values(
        "timestamp_ms",
        Told("timestamp[ms]", "TIMESTAMP"),
        [("'2024-02-29 12:34:56.789'::TIMESTAMP_MS", "2024-02-29T12:34:56.789")],
    ),
    _values(
        "timestamp_ns",
        Told("timestamp[ns]", "TIMESTAMP"),
        [("'2024-02-29 12:34:56.000000007'::TIMESTAMP_NS", "2024-02-29T12:34:56.000000007")],
    ),
    _values(
        "timestamptz",
        Told("timestamp[us,UTC]", "TIMESTAMP_WITH_TIMEZONE"),
        [("TIMESTAMPTZ '2024-07-01 12:00:00.000007+02'", "2024-07-01T10:00:00.000007Z")],
    ),
    _values(
        "interval",
        Told("interval", "JAVA_OBJECT"),
        [("INTERVAL '14 months 3 days 5 microseconds'", "14m3d5000ns"), ("INTERVAL '-1 day'", "0m-1d0ns")],
    ),
    _values(
        "uuid",
        Told("utf8", "VARCHAR"),
        [("'00112233-4455-6677-8899-aabbccddeeff'::UUID", "00112233-4455-6677-8899-aabbccddeeff")],
    ),
    _values("json", Told("utf8", "VARCHAR"), [("""'{"a": [1, null]}'::JSON""", '{"a": [1, null]}')]),
    _values("enum", Told("utf8", "VARCHAR"), [("'b'::ENUM('a', 'b')", "b")]),
    _values("list", Told("list<int32>", "ARRAY"), [("[1, NULL, 3]", ["1", None, "3"]), ("[]::INTEGER[]", [])]),
    _values("list of lists", Told("list<list<utf8>>", "ARRAY"), [("[['a'], NULL, []]", [["a"], None, []])]),
    _values("list of enums", Told("list<utf8>", "ARRAY"), [("['a'::ENUM('a', 'b'), NULL]", ["a", None])]),
    _values("array", Told("fixed_list<int32,2>", "ARRAY"), [("[1, 2]::INTEGER[2]", ["1", "2"])]),
    _values(
        "struct",
        Told("struct<a:int32,b:utf8>", "JAVA_OBJECT"),
        [("{'a': 1, 'b': 'x'}", {"a": "1", "b": "x"}), ("{'a': NULL, 'b': 'y'}", {"a": None, "b": "y"})],
    ),
    _values("map", Told("map<utf8,int32>", "JAVA_OBJECT"), [("MAP {'k': 1, 'l': NULL}", [["k", "1"], ["l", None]])]),
    _values(
        "union", Told("union<int32,utf8>", "JAVA_OBJECT"), [("union_value(n := 1)::UNION(n INTEGER, s VARCHAR)", "1")]
    ),
    Check("type.null", "values", {"type": Told("null", "NULL"), "values": [None]}, {"sql": "SELECT NULL AS v"}),
]

_RESULTS = [
    Check(
        "result.empty",
        "values",
        {"type": Told("utf8", "VARCHAR"), "values": []},
        {"sql": "SELECT text FROM million WHERE id < 0"},
    ),
    Check(
        "result.million",
        "stream",
        {"rows": "1000000", "sum": "499999500000", "mb": AtMost(160)},
        {"sql": "SELECT id, text FROM million"},
    ),
    script(
        "result.order",
        ("query: SELECT id FROM million ORDER BY id DESC LIMIT 3", rows(["999999"], ["999998"], ["999997"])),
    ),
]

_PARAMETERS = [
    _parameter("BOOLEAN", Told("bool", "Bool"), [True, False]),
    _parameter("TINYINT", Told("int8", "Int(8, true)"), ["-128"]),
    _parameter("SMALLINT", Told("int16", "Int(16, true)"), ["-32768"]),
    _parameter("INTEGER", Told("int32", "Int(32, true)"), ["-2147483648"]),
    _parameter("BIGINT", Told("int64", "Int(64, true)"), ["-9223372036854775808"]),
    _parameter("FLOAT", Told("float32", "FloatingPoint(SINGLE)"), ["1.5"], [Number(1.5)]),
    _parameter("DOUBLE", Told("float64", "FloatingPoint(DOUBLE)"), ["0.1"], [Number(0.1)]),
    _parameter("DECIMAL(9, 2)", Told("decimal(9,2)", "Decimal(9, 2, 128)"), ["-123.45"]),
    _parameter("VARCHAR", Told("utf8", "Utf8"), ["O'Neill \\ ü ?", ""]),
    _parameter("BLOB", Told("binary", "Binary"), ["00ff27"]),
    _parameter("DATE", Told("date32", "Date(DAY)"), ["2024-02-29"]),
    _parameter("TIME", Told("time64[us]", "Time(MILLISECOND, 32)"), ["23:59:59.25"]),
    _parameter("TIMESTAMP", Told("timestamp[us]", "Timestamp(MILLISECOND, null)"), ["1960-02-29T23:59:59.25"]),
    _parameter("TIMESTAMPTZ", Told("timestamp[us,UTC]", "Timestamp(MILLISECOND, UTC)"), ["2024-07-01T10:00:00.25Z"]),
    Check(
        "rows.insert",
        "rows",
        {**count(3), **rows(["1", "a"], ["2", None], ["3", "ü"])},
        {
            "before": "CREATE OR REPLACE TABLE bound (id BIGINT, name VARCHAR)",
            "sql": "INSERT INTO bound VALUES (?, ?)",
            "types": ["int64", "utf8"],
            "rows": [["1", "a"], ["2", None], ["3", "ü"]],
            "then": "SELECT * FROM bound ORDER BY id",
        },
    ),
    Check(
        "rows.update",
        "rows",
        {**count(3), **rows(["1", "A"], ["2", "B"], ["3", "B"])},
        {
            "before": "CREATE OR REPLACE TABLE bound AS FROM (VALUES (1, 'a'), (2, 'b'), (3, 'b')) AS t(id, name)",
            "sql": "UPDATE bound SET name = ? WHERE name = ?",
            "types": ["utf8", "utf8"],
            "rows": [["A", "a"], ["B", "b"]],
            "then": "SELECT * FROM bound ORDER BY id",
        },
    ),
    script("rows.after", ("update: DROP TABLE bound", count(0))),
]

_COUNTS = [
    script(
        "count",
        ("update: CREATE OR REPLACE TABLE counted (id INTEGER NOT NULL, name VARCHAR)", count(0)),
        ("update: INSERT INTO counted VALUES (1, 'a'), (2, 'b'), (3, NULL)", count(3)),
        ("update: UPDATE counted SET name = 'z' WHERE id > 1", count(2)),
        ("update: DELETE FROM counted WHERE id = 1", count(1)),
        ("update: DELETE FROM counted WHERE id = 1", count(0)),
        ("update: INSERT INTO counted VALUES (NULL, 'x')", Failure("INVALID_ARGUMENT", ("id",))),
        ("query: SELECT * FROM counted ORDER BY id", rows(["2", "z"], ["3", "z"])),
        ("update: DROP TABLE counted", count(0)),
    ),
]

# fmt: off
_TYPE_NAMES = [
    "BIGINT", "BLOB", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER", "INTERVAL", "SMALLINT",
    "TIME", "TIMESTAMP", "TIMESTAMPTZ", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "UUID", "VARCHAR",
]
# fmt: on

_METADATA = [
    _metadata("catalogs", [["grism"]]),
    _metadata("schemas", [["grism", "shop"]], catalog="grism", schema="sh%"),
    _metadata(
        "tables",
        [["grism", "shop", "cheap", "VIEW"], ["grism", "shop", "items", "TABLE"]],
        schema="shop",
        table="%",
        types=[],
    ),
    _metadata("tables", [["grism", "shop", "cheap", "VIEW"]], name="views", schema="shop", table="%", types=["VIEW"]),
    _metadata(
        "columns",
        [
            ["id", Told("int64", "BIGINT"), False],
            ["name", Told("utf8", "VARCHAR"), True],
            ["price", Told("decimal(9,2)", "DECIMAL"), True],
            ["day", Told("date32", "DATE"), True],
        ],
        schema="shop",
        table="items",
    ),
    _metadata("table types", [["LOCAL TEMPORARY"], ["TABLE"], ["VIEW"]]),
    _metadata("primary keys", [], schema="shop", table="items"),
    _metadata("imported keys", [], schema="shop", table="items"),
    _metadata("exported keys", [], schema="shop", table="items"),
    _metadata("cross reference", [], schema="shop", table="items"),
    _metadata("type names", [[name] for name in _TYPE_NAMES]),
    _metadata("sql info", {"0": "grism", "8": "0", "504": '"'}, codes=[0, 8, 504]),
]

_INGEST = [
    _ingest("append to nothing", Failure("NOT_FOUND", ("taken",)), "append", before="DROP TABLE IF EXISTS taken"),
    _ingest("create", count(3), "create", rows=3),
    _ingest("create again", Failure("INVALID_ARGUMENT", ("taken", "is there already")), "create"),
    _ingest(
        "append",
        {**count(2), **rows(["5", "3", "4"])},
        "append",
        then="SELECT count(*), count(name), sum(id) FROM taken",
    ),
    _ingest("replace", count(1), "replace", rows=1),
    _ingest(
        "create or append",
        {**count(2), **rows(["0", "name 0"], ["0", "name 0"], ["1", None])},
        "create_append",
        then="SELECT * FROM taken ORDER BY ALL",
    ),
    _ingest("many", {**count(50_000), **rows(["50000"])}, "replace", rows=50_000, then="SELECT count(*) FROM taken"),
    _ingest(
        "temporary",
        {**count(2), **rows(["1"])},
        "create",
        table="fleeting",
        temporary=True,
        before="DROP TABLE taken",
        then="SELECT sum(id) FROM fleeting",
    ),
]

_ENDLESS = "SELECT sum(a.id * b.id) FROM million a, million b WHERE hash(a.id, b.id) % 7 = 3"

_ENDS = [
    Check(
        "cancel.reading",
        "cancel",
        {"after": Failure("CANCELLED"), "next": [["1"]]},
        {"sql": "SELECT id, text FROM million", "when": "reading"},
    ),
    Check(
        "cancel.computing",
        "cancel",
        {"after": Failure("CANCELLED"), "next": [["1"]]},
        {"sql": _ENDLESS, "when": "computing"},
    ),
    Check("deadline", "deadline", Failure("DEADLINE_EXCEEDED"), {"sql": _ENDLESS, "seconds": 1}),
    script(
        "timeout",
        ("update: SET timeout = '1s'", count(0)),
        (f"query: {_ENDLESS}", Failure("DEADLINE_EXCEEDED", ("ran out of time",))),
        ("update: RESET timeout", count(0)),
        ("query: SELECT 1", rows(["1"])),
    ),
]

_ERRORS = [
    script("error.syntax", ("query: SELECT FROM WHERE", Failure("INVALID_ARGUMENT", ("line 1",)))),
    script("error.table", ("query: SELECT * FROM milion", Failure("NOT_FOUND", ('"main.milion"', '"million"')))),
    script("error.column", ("query: SELECT idd FROM million", Failure("NOT_FOUND", ('"idd"', '"id"')))),
    script("error.value", ("query: SELECT 'x'::INTEGER", Failure("INVALID_ARGUMENT", ("x",)))),
    script("error.file", ("query: SELECT * FROM read_csv('/etc/hostname')", Failure("PERMISSION_DENIED"))),
    script("error.setting", ("update: SET threads = 1", Failure("PERMISSION_DENIED", ('"threads"', "timeout")))),
    script("error.select as update", ("update: SELECT 1", count(-1))),
    Check(
        "error.far behind",
        "stream",
        Failure("INVALID_ARGUMENT", ("Division by zero",)),
        {"sql": "SELECT 1 // (id - 990000) AS q FROM million"},
    ),
    script(
        "error.right",
        ("update: CREATE TABLE mine AS SELECT 1 AS x", Failure("PERMISSION_DENIED", ('"main.mine"',))),
        at="tls",
    ),
]

_SESSIONS = [
    script(
        "session.statements",
        ("query: SELECT current_schema()", rows(["main"])),
        ("update: USE shop", count(0)),
        ("query: SELECT current_schema()", rows(["shop"])),
        ("query: SELECT count(*) FROM items", rows(["3"])),
        ("update: USE main", count(0)),
        ("update: SET schema = 'shop'", count(0)),
        ("query: SELECT current_schema()", rows(["shop"])),
        ("update: RESET schema", count(0)),
        ("query: SELECT current_schema()", rows(["main"])),
    ),
    script(
        "session.temporary table",
        ("update: CREATE TEMP TABLE apart (x INTEGER)", count(0)),
        ("update: INSERT INTO apart VALUES (1), (2)", count(2)),
        ("query: SELECT sum(x) FROM apart", rows(["3"])),
    ),
    script("session.another", ("query: SELECT * FROM apart", Failure("NOT_FOUND", ('"main.apart"',)))),
    Check(
        "session.first values",
        "first values",
        rows(["shop"]),
        {"parameters": {"schema": "shop", "timeout": "30s"}, "sql": "SELECT current_schema()"},
    ),
    Check(
        "session.options",
        "options",
        {"refused": {"nosuch": "INVALID_NAME"}, "options": {"schema": "shop"}, "rows": [["shop"]], "closed": "CLOSED"},
        {"set": {"schema": "shop", "nosuch": "1"}, "sql": "SELECT current_schema()"},
    ),
]

_ENDPOINTS = [
    Check(
        "endpoints",
        "endpoints",
        {"endpoints": ByRuntime("1", "several"), "rows": "1000000", "sum": "499999500000"},
        {"set": "SET endpoints = 'workers'", "sql": "SELECT id FROM million"},
    ),
]

RESULT_TABLES = """SELECT i.id, c.name AS label, i.price + 1 AS more, m.id AS other FROM shop.items AS i
    JOIN shop.cheap AS c ON c.id = i.id JOIN million AS m ON m.id = i.id WHERE i.id > 0 ORDER BY 1"""
RESULT_TABLES_TOLD = [
    ["id", "grism", "shop", "items"],
    ["label", "grism", "shop", "items"],  # a view's columns are those of its tables
    ["more", "", "", ""],
    ["other", "grism", "main", "million"],
]
"""Columns with the catalog, the schema and the table that they come from."""

CHECKS: tuple[Check, ...] = (
    *_LOGIN,
    *_TYPES,
    *_RESULTS,
    *_PARAMETERS,
    *_COUNTS,
    *LOOK_UPS,
    *LITERALS,
    *_METADATA,
    *_INGEST,
    *_ENDS,
    *_ERRORS,
    *_SESSIONS,
    *_ENDPOINTS,
)
"""In the order in which a program makes them."""
