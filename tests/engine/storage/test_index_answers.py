"""Predicates with each kind of index find the rows that the kernel finds by itself, for every type of column."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import lance
import pyarrow as pa
import pytest

from engine.operators.look_up import LookUpExec
from engine.storage import DirectoryStorage
from engine.storage.index_kinds import KINDS, fits
from engine.storage.lance_estimates import Estimates
from engine.storage.stored_types import STORED_TYPE
from local_runtime import LocalRuntime

NAN, INF = float("nan"), float("inf")
NANS = [NAN, -NAN, struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001))[0]]  # one to the kernel
WORDS = ["", "a", "ab", "abc", "abcd", "xabcx", "ABC", "b%_c", "é", "éabc", "zz", "a'b", "naïve", "w" * 50]
BYTES = b"\0\x01'\\\"a\x7f\x80\xff"
Draw = Callable[[random.Random], Any]

COLUMNS: dict[str, tuple[pa.DataType, Draw]] = {
    "i8": (pa.int8(), lambda r: r.choice([-127, -1, 0, 1, 127, r.randint(-5, 5)])),
    "i64": (pa.int64(), lambda r: r.choice([-(2**62), 0, 2**62, r.randint(-20, 20)])),
    "u64": (pa.uint64(), lambda r: r.choice([0, 2**64 - 1, r.randint(0, 20)])),
    "f32": (pa.float32(), lambda r: r.choice([NAN, INF, -INF, 0.0, -0.0, 0.5, float(r.randint(-4, 4))])),
    "f64": (pa.float64(), lambda r: r.choice([NAN, INF, -INF, 0.0, -0.0, 0.1, 1e300, r.randint(-8, 8) / 4])),
    "d10": (pa.decimal128(10, 2), lambda r: Decimal(r.randint(-300, 300)).scaleb(-2)),
    "d38": (pa.decimal128(38, 4), lambda r: Decimal(r.choice([10**37, -(10**37), r.randint(-9, 9)])).scaleb(-4)),
    "s": (pa.string(), lambda r: r.choice(WORDS)),
    "ls": (pa.large_string(), lambda r: r.choice(WORDS)),
    "e": (pa.dictionary(pa.int32(), pa.string()), lambda r: r.choice(WORDS)),
    "b": (pa.bool_(), lambda r: r.random() < 0.5),
    "dt": (pa.date32(), lambda r: date(1969, 12, 25) + timedelta(days=r.randint(0, 20))),
    "ts": (pa.timestamp("us"), lambda r: datetime(1969, 12, 31) + timedelta(hours=r.randint(0, 60))),
    "tz": (
        pa.timestamp("us", "Europe/Berlin"),
        lambda r: datetime(2024, 3, 31, tzinfo=UTC) + timedelta(hours=r.randint(0, 9)),
    ),
    "tss": (pa.timestamp("s"), lambda r: datetime(1969, 12, 31) + timedelta(hours=r.randint(0, 60))),
    "tsm": (pa.timestamp("ms"), lambda r: datetime(1969, 12, 31, 23, 59) + timedelta(milliseconds=r.randint(0, 90000))),
    "tsn": (pa.timestamp("ns"), lambda r: r.choice([-(10**18), -1, 0, 1, 10**18 + 1, r.randint(-5, 5) * 10**9])),
    "tzs": (pa.timestamp("s", "UTC"), lambda r: datetime(1969, 12, 31, tzinfo=UTC) + timedelta(hours=r.randint(0, 60))),
    "tzn": (pa.timestamp("ns", "+02:00"), lambda r: r.choice([-1, 0, 1, 10**18 + 1, r.randint(-5, 5) * 10**9])),
    "t3": (pa.time32("s"), lambda r: time(r.randint(0, 2), 0, r.choice([0, 59]))),
    "tu": (pa.time64("us"), lambda r: time(r.choice([0, 23]), 59, r.choice([0, 59]), r.choice([0, 1, 999_999]))),
    "tn": (pa.time64("ns"), lambda r: r.choice([0, 1, 10**9, 86_399_999_999_999, r.randint(0, 5) * 10**6])),
    "y": (pa.binary(), lambda r: bytes(r.choice(BYTES) for _ in range(r.randint(0, 2)))),
    "ly": (pa.large_binary(), lambda r: bytes(r.choice(BYTES) for _ in range(r.randint(0, 2)))),
    "fy": (pa.binary(2), lambda r: bytes(r.choice(BYTES) for _ in range(2))),
    "u": (pa.string(), lambda r: str(UUID(int=r.choice([0, 2**127, 2**127 - 1, 2**128 - 1, r.randint(0, 9)])))),
    "ldt": (pa.list_(pa.date32()), lambda r: [r.choice([None, date(1970, 1, r.randint(1, 4))]) for _ in range(2)]),
    "lts": (
        pa.list_(pa.timestamp("us")),
        lambda r: [datetime(1970, 1, 1, r.randint(0, 4), 0, 0, 7) for _ in range(r.randint(0, 2))],
    ),
    "li": (pa.list_(pa.int64()), lambda r: [r.choice([None, 0, 1, 2, 3]) for _ in range(r.randint(0, 3))]),
    "lt": (pa.list_(pa.string()), lambda r: [r.choice([None, *WORDS[:5]]) for _ in range(r.randint(0, 3))]),
    "lf": (pa.list_(pa.float64()), lambda r: [r.choice([None, 0.0, -0.0, NAN]) for _ in range(r.randint(0, 3))]),
}
OPTIONS = {"BTREE": {"zone_size": "16"}, "ZONEMAP": {"rows_per_zone": "7"}, "BLOOMFILTER": {"number_of_items": "9"}}
QUICK = ("i64", "f64", "d10", "s", "tsn", "tu", "y", "u", "li", "lt")
SCALAR_KINDS = ("BTREE", "BITMAP", "ZONEMAP", "BLOOMFILTER", "NGRAM", "LABEL_LIST")


def _table(rng: random.Random, rows: int) -> pa.Table:
    drawn = {
        name: pa.array([None if rng.random() < 0.15 else draw(rng) for _ in range(rows)], kind)
        for name, (kind, draw) in COLUMNS.items()
    }
    # Zones of nothing but NULL, and of nothing but NaN.
    for name, value in (("i64", None), ("f32", NAN), ("f64", NAN)):
        values = drawn[name].to_pylist()
        values[7:28] = [value] * 21
        drawn[name] = pa.array(values, drawn[name].type)
    for name in ("f32", "f64"):
        values = [NANS[i % 3] if value != value else value for i, value in enumerate(drawn[name].to_pylist())]
        drawn[name] = pa.array(values, drawn[name].type)
    made = pa.table({"id": pa.array(range(rows)), **drawn})
    place = made.schema.get_field_index("u")
    return made.cast(made.schema.set(place, made.schema.field(place).with_metadata({STORED_TYPE: b"UUID"})))


def _text(value: Any, kind: pa.DataType) -> str:
    """A value as SQL."""
    if value is None:
        return "NULL"
    if pa.types.is_floating(kind):
        return f"'{value}'::{'FLOAT' if pa.types.is_float32(kind) else 'DOUBLE'}"
    if isinstance(value, bytes):
        return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
    if isinstance(value, int) and pa.types.is_temporal(kind):  # nanoseconds
        instant = datetime(1970, 1, 1) + timedelta(seconds=value // 10**9)
        fraction = f"{value % 10**9:09}"
        if pa.types.is_time(kind):
            return f"TIME_NS '{instant.time()}.{fraction}'"
        return (
            f"'{instant}.{fraction}'::TIMESTAMP_NS" if kind.tz is None else f"'{instant}.{fraction}+00'::TIMESTAMPTZ_NS"
        )
    if isinstance(value, datetime) and value.tzinfo is not None:
        return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(sep=' ')}'"
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"DATE '{value}'"
    if pa.types.is_timestamp(kind) and kind.unit == "us":
        return f"TIMESTAMP '{value}'"
    if isinstance(value, (datetime, time, str)):
        return "'" + str(value).replace("'", "''") + "'"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _predicates(rng: random.Random, name: str, count: int) -> Iterator[str]:
    kind, draw = COLUMNS[name]
    yield f"{name} IS NULL"
    yield f"{name} IS NOT NULL"
    if pa.types.is_list(kind):
        item = kind.value_type
        for _ in range(count):
            value = _text(rng.choice(draw(rng) or [1 if pa.types.is_integer(item) else None]), item)
            some = ", ".join(_text(each, item) for each in draw(rng))
            yield f"list_contains({name}, {value})"
            yield f"NOT list_contains({name}, {value})"
            yield f"list_has_any({name}, [{some}])"
            yield f"list_has_all({name}, [{some}])"
            yield f"NOT list_has_all({name}, [{some}]) OR id < 20"
        return
    for _ in range(count):
        one, two, three = (_text(draw(rng), kind) for _ in range(3))
        for sign in ("=", "<>", "<", "<=", ">", ">="):
            yield f"{name} {sign} {one}"
        yield f"NOT ({name} = {one} OR {name} > {two})"
        yield f"{name} IN ({one}, {two}, {three})"
        yield f"{name} NOT IN ({one}, {two})"
        yield f"{name} BETWEEN {one} AND {two}"
        yield f"{name} > {one} AND {two} > {name} AND id < 70"
        yield f"NOT ({name} >= {one} AND {name} <= {two})"
        yield f"{name} = {one} AND id % 2 = 0"
        yield f"({name} < {one} AND id > 50) OR {name} = {two}"
        yield f"{name} = {one} OR {name} IS NULL"
    if name == "b":
        yield "b"
        yield "NOT b"
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    if is_text and name != "u":
        for word in rng.sample(WORDS, min(len(WORDS), 2 * count)):
            text = _text(word, pa.string())
            yield f"contains({name}, {text})"
            yield f"NOT contains({name}, {text})"
            yield f"{name} LIKE {text[:-1]}%'"
            yield f"{name} LIKE '%{text[1:-1]}%'"
            yield f"starts_with({name}, {text})"
            yield f"{name} ILIKE '%{text[1:-1]}%'"
            yield f"suffix({name}, {text})"


class World:
    """A table of several fragments with an index, deleted rows, and rows that came after the index."""

    def __init__(self, folder: Path, seed: int, rows: int) -> None:
        self.rng = random.Random(seed)
        data = _table(self.rng, rows)
        self.path = folder / "t.lance"
        lance.write_dataset(data, self.path, max_rows_per_file=rows // 4, max_rows_per_group=32)
        self.runtime = LocalRuntime(DirectoryStorage(str(folder)), threads=1)
        self.sql("DELETE FROM t WHERE id % 11 = 3")
        self.fields = data.schema

    def sql(self, text: str) -> pa.Table:
        with self.runtime.sql(text) as result:
            return result.read_all()

    def change(self) -> None:
        """Rows that are in no index, and one that has moved."""
        more = lance.dataset(self.path)
        lance.write_dataset(_table(self.rng, 30).set_column(0, "id", pa.array(range(1000, 1030))), more, mode="append")
        self.sql("UPDATE t SET s = s WHERE id = 5")

    def check(self, name: str, kind: str, predicates: list[str]) -> int:
        """Compare each predicate with what the kernel makes of it; how many with values ask the index."""
        shown = ", ".join(f"({text}) AS p{number}" for number, text in enumerate(predicates))
        own = self.sql(f"SELECT id, {shown} FROM t")
        each = [f"SELECT {number} AS p, id FROM t WHERE {text}" for number, text in enumerate(predicates)]
        found = self.sql(" UNION ALL ".join(each))
        for number, text in enumerate(predicates):
            got = found.filter(pa.compute.equal(found["p"], number))["id"].to_pylist()
            want = own.filter(pa.compute.fill_null(own[f"p{number}"].cast(pa.bool_()), False))["id"].to_pylist()
            assert sorted(got) == sorted(want), f"{kind} of {name}: {text}"
        if kind == "BTREE":
            self.look_up(name, [text for text in predicates if text.startswith((f"{name} = ", f"{name} IN "))])
        of_values = [query for query, text in zip(each, predicates, strict=True) if " IS " not in text]
        plan = self.sql("EXPLAIN " + " UNION ALL ".join(of_values))["plan"].to_pylist()
        return sum("index=x " in line for line in plan)

    def look_up(self, name: str, predicates: list[str]) -> None:
        """Compare what an index finds by itself with what the kernel makes of it. Some have to be found so, unless the
        kernel gives the column in another form.
        """
        runtime, has_other_form, answered = self.runtime, False, 0
        for text in predicates:
            query = f"SELECT {name}, id FROM t WHERE {text}"
            root = runtime.plan(runtime.frontend.plan(query)).root
            if not isinstance(root, LookUpExec):
                continue
            has_other_form = root.read.field(name).type != self.fields.field(name).type
            if runtime.storage.indexes(root.table).look_up(root.read, root.filter) is None:
                continue
            answered += 1
            found, computed = self.sql(query), self.sql(f"{query} AND random() >= 0")
            assert found.schema == computed.schema
            assert repr(found.sort_by("id").to_pylist()) == repr(computed.sort_by("id").to_pylist()), text
        assert answered or has_other_form, f"{name} is never looked up"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, 7, 200)
    yield made
    made.runtime.close()


def _compare(world: World, name: str, kind: str, count: int, unasked: Sequence[str] = ()) -> None:
    """Compare predicates on a column that can have an index of the kind, which has to be asked some of them.

    Those of the kinds `unasked` also as Lance applies them where the index is not worth to be asked.
    """
    world.sql(f"CREATE INDEX x ON t USING {kind} ({name})" + _options(kind))
    world.change()
    predicates = list(_predicates(world.rng, name, count))
    assert world.check(name, kind, predicates) > 0, f"no predicate asks {kind} of {name}"
    if kind in unasked:
        with patch.object(Estimates, "is_worth_asking", return_value=False):
            assert world.check(name, f"no {kind}", predicates) == 0
    world.sql("DROP INDEX x")
    world.sql("DELETE FROM t WHERE id >= 1000")


def _options(kind: str) -> str:
    options = ", ".join(f"{option} = {value}" for option, value in OPTIONS.get(kind, {}).items())
    return f" WITH ({options})" if options else ""


@pytest.mark.parametrize("kind", SCALAR_KINDS)
def test_indexes_lose_no_row(world: World, kind: str) -> None:
    for name in (name for name in QUICK if fits(KINDS[kind], world.fields.field(name))):
        _compare(world, name, kind, 1)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(6))
def test_indexes_lose_no_row_of_random_tables(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed, 400)
    try:
        for kind in SCALAR_KINDS:
            for name in (name for name in COLUMNS if fits(KINDS[kind], world.fields.field(name))):
                _compare(world, name, kind, 3, ("BTREE", "NGRAM", "LABEL_LIST"))
    finally:
        world.runtime.close()
