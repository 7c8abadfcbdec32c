"""Go: the client of arrow-go's `flightsql`, and its driver of `database/sql`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.real_clients.checks import RESULT_TABLES, RESULT_TABLES_TOLD, Check
from tests.real_clients.programs import SOURCES, Program, run
from tests.real_clients.wants import Client, Failure, Number

__all__ = ["PROGRAM"]

FLIGHTSQL = "go flightsql"
DATABASE_SQL = "go database/sql"


def _build(folder: Path) -> list[str]:
    program = folder / "program"
    run("go", "build", "-o", str(program), ".", folder=SOURCES / "go")
    return [str(program)]


def _values(*values: Any) -> dict[str, Any]:
    return {"type": None, "values": [*values, None]}


def _bound(*values: Any) -> dict[str, Any]:
    return {"told": None, "values": [*values, Failure(None, ("type <nil>: not supported",))]}


_CANNOT_READ = {
    "utinyint": "Uint8",
    "usmallint": "Uint16",
    "uinteger": "Uint32",
    "ubigint": "Uint64",
    "interval": "MonthDayNanoInterval",
    "list": "List",
    "list of lists": "List",
    "list of enums": "List",
    "array": "FixedSizeList",
    "struct": "Struct",
    "map": "Map",
    "union": "SparseUnion",
    "null": "Null",
}
_OTHERS = {
    "type.hugeint": (_values(Number(1e38), Number(-1)), "decimals are floats"),
    "type.decimal": (_values(Number(-1234567.8), Number(0.05)), "decimals are floats"),
    "type.wide decimal": (_values(Number(1.5)), "decimals are floats"),
    "type.date": (_values("2024-02-29T00:00:00", "1969-12-31T00:00:00"), "a date is a time.Time"),
    "type.time": (_values("1970-01-01T23:59:59.000007"), "a time of day is a time.Time of 1970"),
    "type.timestamptz": (_values("2024-07-01T10:00:00.000007"), "each time.Time is in UTC"),
    "parameter.BOOLEAN": (_bound(True, False), "NULL cannot be bound"),
    "parameter.TINYINT": (_bound("-128"), "NULL cannot be bound"),
    "parameter.SMALLINT": (_bound("-32768"), "NULL cannot be bound"),
    "parameter.INTEGER": (_bound("-2147483648"), "NULL cannot be bound"),
    "parameter.BIGINT": (_bound("-9223372036854775808"), "NULL cannot be bound"),
    "parameter.FLOAT": (_bound(Number(1.5)), "NULL cannot be bound"),
    "parameter.DOUBLE": (_bound(Number(0.1)), "NULL cannot be bound"),
    "parameter.DECIMAL(9, 2)": (_bound(Number(-123.45)), "bound as text; decimals are floats"),
    "parameter.VARCHAR": (_bound("O'Neill \\ ü ?", ""), "NULL cannot be bound"),
    "parameter.BLOB": (_bound(Failure(None, ("type []uint8: not supported",))), "bytes cannot be bound"),
    "parameter.DATE": (_bound("2024-02-29T00:00:00"), "bound as text; a date is a time.Time"),
    "parameter.TIME": (_bound("1970-01-01T23:59:59.25"), "bound as text; a time of day is a time.Time of 1970"),
    "parameter.TIMESTAMP": (_bound("1960-02-29T23:59:59.25"), "bound as text; NULL cannot be bound"),
    "parameter.TIMESTAMPTZ": (_bound("2024-07-01T10:00:00.25"), "bound as text; each time.Time is in UTC"),
    "rows.insert": (Failure(None, ("type <nil>: not supported",)), "NULL cannot be bound"),
    "look-up.vector": ([Failure(None, ("unsupported type",))], "lists cannot be bound"),
    "cancel.reading": ({"after": Failure(None, ("context canceled",)), "next": [["1"]]}, "the error is the context's"),
    "cancel.computing": (
        {"after": Failure(None, ("context canceled",)), "next": [["1"]]},
        "the error is the context's",
    ),
    "error.select as update": ([Failure(None, ("not supported",))], "a number of rows that is not known is an error"),
    "endpoints": (
        {"endpoints": None, "rows": "1000000", "sum": "499999500000"},
        "the number of endpoints is not told; the driver asks the server for all, wherever they are",
    ),
}


def _differs() -> dict[tuple[str, str], tuple[Any, str]]:
    found = {(DATABASE_SQL, name): entry for name, entry in _OTHERS.items()}
    for name, kind in _CANNOT_READ.items():
        text = f"type *array.{kind}: not supported"
        found[DATABASE_SQL, f"type.{name}"] = Failure(None, (text,)), "the driver cannot read the type"
    return found


PROGRAM = Program(
    language="go",
    tools=("go",),
    build=_build,
    clients={FLIGHTSQL: Client(parameters=None), DATABASE_SQL: Client(types=None, parameters=None)},
    differs=_differs(),
    own=(
        Check("go.ping", "go", {"ping": None, "query": Failure("UNAVAILABLE")}, {"of": "ping"}),
        Check("go.result tables", "go", [RESULT_TABLES_TOLD] * 3, {"of": "result tables", "sql": RESULT_TABLES}),
        Check("go.named arguments", "go", {"rows": [["2", "1"]]}, {"of": "named arguments"}),
        Check(
            "go.large value",
            "go",
            {"default": Failure("RESOURCE_EXHAUSTED"), "larger": "5000000"},
            {"of": "large value", "sql": "SELECT repeat('x', 5000000) AS text"},
        ),
    ),
)
