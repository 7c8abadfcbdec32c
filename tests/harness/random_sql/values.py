"""Kinds of values: how the kernel calls their types, literals, and random tables of them.

Doubles and decimals are multiples of a quarter: sums of them are exact in every order. There is no negative zero, for
that equals zero and shows otherwise.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from tests.harness.random_sql.names import COLUMNS, TABLES

__all__ = ["COMPARABLE", "LITERALS", "NUMBERS", "OF_TEXTS", "Column", "Table", "kind_of", "random_tables"]

_DAY = datetime.date(2024, 2, 28)
TEXTS = ("", "a", "b", "B", "ab", "ä", "日本", " x", "a%b", "null", "O'Hara", "a-b", "x_1", "z" * 20)
NUMBER_TEXTS = ("0", "1", "1", "01", "2.0", "2", "-7", "3", "4")
JSONS = ('{"a": {"b": 1}, "a.b": 7}', '{"A": 1, "a": 2}', "[1, 2, {}]", "null", '"s"', '{"k": null}', "17")

NUMBERS = ("int", "big", "dec", "dbl")
COMPARABLE = (*NUMBERS, "txt", "ntx", "date", "bool")
"""The kinds that joins, subqueries and groups compare; all of them may stand in a table."""

_ARROW: dict[str, pa.DataType] = {
    "int": pa.int32(),
    "big": pa.int64(),
    "dec": pa.decimal128(9, 2),
    "dbl": pa.float64(),
    "txt": pa.string(),
    "ntx": pa.string(),
    "jtx": pa.string(),
    "date": pa.date32(),
    "ts": pa.timestamp("us"),
    "bool": pa.bool_(),
    "list": pa.list_(pa.int32()),
    "rec": pa.struct([("CamelCase", pa.int32()), ("b", pa.string())]),
    "map": pa.map_(pa.string(), pa.int32()),
    **dict.fromkeys(("enum text", "bit text", "zoned text", "span text"), pa.string()),
}
_VALUES: dict[str, Callable[[random.Random], object]] = {
    "int": lambda r: r.randint(-2, 5),
    "big": lambda r: r.choice((0, 1, 1, 2, 3, 4, -7, 10**12)),
    "dec": lambda r: Decimal(r.choice((-8, -1, 0, 4, 4, 6, 8, 12, 16, 2000))) / 4,
    "dbl": lambda r: r.choice((-8, -1, 0, 4, 4, 6, 8, 12, 16, 4_000_000)) / 4,
    "txt": lambda r: r.choice(TEXTS),
    "ntx": lambda r: r.choice(NUMBER_TEXTS),
    "jtx": lambda r: r.choice(JSONS),
    "date": lambda r: _DAY + datetime.timedelta(days=r.randint(0, 4)),
    "ts": lambda r: datetime.datetime(2024, 2, 28) + datetime.timedelta(hours=7 * r.randint(0, 9)),
    "bool": lambda r: r.random() < 0.5,
    "list": lambda r: [r.choice((None, 0, 1, 2)) for _ in range(r.randint(0, 3))],
    "rec": lambda r: {"CamelCase": r.choice((None, 0, 1)), "b": r.choice((None, "a", "B"))},
    "map": lambda r: [(key, r.choice((None, 0, 1))) for key in ("a", "b") if r.random() < 0.5],
    "enum text": lambda r: r.choice(("a", "b", "c", "ä")),
    "bit text": lambda r: r.choice(("1", "0", "01", "101", "0" * 9, "1" * 8)),
    "zoned text": lambda r: r.choice(("00:00:00+00", "02:00:00+02", "02:00:00", "23:59:59.999999-15:59")),
    # No two of them are equal, so that it does not matter which of several a group shows.
    "span text": lambda r: r.choice(("0 days", "1 month", "31 days", "-1 day", "90 minutes", "1 year 1 second")),
}
OF_TEXTS = {"enum": "ENUM('c', 'b', 'a', 'ä')", "bit": "BIT", "zoned": "TIMETZ", "span": "INTERVAL"}
"""Types that no table has: values of them are made of texts, in the query."""
LITERALS: dict[str, tuple[str, ...]] = {
    "int": ("0", "1", "2", "3", "(-1)", "NULL::INTEGER"),
    "big": ("0::BIGINT", "1::BIGINT", "1000000000000"),
    "huge": ("1::HUGEINT", "12345678901234567890123456789012345678"),
    "dec": ("0.00", "1.5", "(-2.25)", "(.5 * .5)", "1.00::DECIMAL(9, 2)", "NULL::DECIMAL(9, 2)"),
    "dbl": ("0.25::DOUBLE", "1e6", "(-2.0)::DOUBLE", "1::DOUBLE"),
    "txt": ("''", "'a'", "'日本'", "'O''Hara'", "NULL::VARCHAR", "'a-b'"),
    "ntx": ("'1'", "'01'", "'2'", "NULL::VARCHAR"),
    "jtx": ("""'{"a":{"b":1},"a.b":7}'""", "'[1]'"),
    "date": ("DATE '2024-02-29'", "DATE '2024-03-02'"),
    "ts": ("TIMESTAMP '2024-02-29 00:00:00'", "TIMESTAMP '2024-02-28 07:00:00.000001'"),
    "bool": ("TRUE", "FALSE", "NULL::BOOLEAN"),
    "list": ("[1, 2]", "[]::INTEGER[]", "[NULL, 0]"),
    "rec": ("{'CamelCase': 1, 'b': 'a'}", "{'CamelCase': NULL::INTEGER, 'b': NULL::VARCHAR}"),
    "json": ("""'{"a":{"b":1},"a.b":7}'::JSON""", "'[1, null]'::JSON"),
    "variant": ("{'CamelCase': 1, 'x': [1, 2]}::VARIANT", "1::VARIANT", "'a'::VARIANT"),
    "map": ("MAP {'a': 1}", "MAP {}::MAP(VARCHAR, INTEGER)"),
    "enum": (f"'b'::{OF_TEXTS['enum']}", f"NULL::{OF_TEXTS['enum']}"),
    "enum text": ("'a'", "'c'"),
    "bit": ("'101'::BIT", "NULL::BIT"),
    "bit text": ("'01'", "'1'"),
    "zoned": ("'02:00:00+02'::TIMETZ", "'02:00:00'::TIMETZ"),
    "zoned text": ("'02:00:00'", "'02:00:00+02'"),
    "span": ("INTERVAL 1 MONTH", "INTERVAL 90 MINUTE"),
    "span text": ("'1 month'", "'31 days'"),
    "union": ("union_value(num := 1)::UNION(num INTEGER, str VARCHAR)",),
}
_KINDS = {
    "INTEGER": "int",
    "BIGINT": "big",
    "HUGEINT": "huge",
    "DOUBLE": "dbl",
    "VARCHAR": "txt",
    "DATE": "date",
    "TIMESTAMP": "ts",
    "BOOLEAN": "bool",
    "INTEGER[]": "list",
    "STRUCT(CamelCase INTEGER, b VARCHAR)": "rec",
    "JSON": "json",
    "VARIANT": "variant",
    "UNION(num INTEGER, str VARCHAR)": "union",
    "MAP(VARCHAR, INTEGER)": "map",
    "ENUM('c', 'b', 'a', 'ä')": "enum",
    "BIT": "bit",
    "TIME WITH TIME ZONE": "zoned",
    "INTERVAL": "span",
}


def kind_of(type_text: str) -> str:
    """The kind of a kernel type; ``other`` where no expression needs one."""
    plain = type_text.replace('"', "")
    return "dec" if plain.startswith("DECIMAL(") else _KINDS.get(plain, "other")


@dataclass(frozen=True)
class Column:
    """A column that can be referred to: by its relation, its name, or both. `merged` is one that USING made."""

    relation: str
    name: str
    kind: str
    merged: bool = False


@dataclass(frozen=True)
class Table:
    """A table, and the kinds of its columns."""

    data: pa.Table
    kinds: tuple[str, ...]


def random_tables(chance: random.Random) -> dict[str, Table]:
    """Tables by name. All have the columns ``id`` (which no two rows share), ``k``, ``v`` and ``s``, and some more."""
    tables = {}
    for name in TABLES:
        more = chance.sample([c for c in COLUMNS if c not in ("k", "v", "s")], chance.randint(1, 3))
        kinds = {
            "id": "id",
            "k": chance.choice(("int", "int", "int", "big", "dec", "dbl", "ntx")),
            "v": chance.choice(NUMBERS),
            "s": "txt",
        } | {c: chance.choice([*_ARROW, "int", "int"]) for c in more}
        rows = chance.choice((20, 14, 12, 12, 9, 9, 6, 6, 1, 0))
        arrays = [_column(chance, kind, rows) for kind in kinds.values()]
        order = chance.sample(range(len(kinds)), len(kinds))
        names = list(kinds)
        shuffled = pa.table([arrays[i] for i in order], names=[names[i] for i in order])
        tables[name] = Table(shuffled, tuple(kinds[names[i]].replace("id", "int") for i in order))
    return tables


def _column(chance: random.Random, kind: str, rows: int) -> pa.Array:
    if kind == "id":
        return pa.array(chance.sample(range(1, rows + 1), rows), pa.int32())
    draw = _VALUES[kind]
    nulls = chance.choice((0.0, 0.0, 0.1, 0.1, 0.25, 1.0 if rows < 9 and kind != "list" else 0.1))
    return pa.array([None if chance.random() < nulls else draw(chance) for _ in range(rows)], _ARROW[kind])
