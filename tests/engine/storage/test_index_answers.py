"""Predicates with each kind of index find the rows that the kernel finds by itself, for every type of column."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from engine.storage import DirectoryStorage
from engine.storage.index_answers import Form, is_answered, may_be_asked
from engine.storage.index_kinds import KINDS
from local_runtime import LocalRuntime

NAN, INF = float("nan"), float("inf")
WORDS = ["", "a", "ab", "abc", "abcd", "xabcx", "ABC", "b%_c", "é", "éabc", "zz", "a'b", "naïve", "w" * 50]
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
    "li": (pa.list_(pa.int64()), lambda r: [r.choice([None, 0, 1, 2, 3]) for _ in range(r.randint(0, 3))]),
    "lt": (pa.list_(pa.string()), lambda r: [r.choice([None, *WORDS[:5]]) for _ in range(r.randint(0, 3))]),
    "lf": (pa.list_(pa.float64()), lambda r: [r.choice([None, 0.0, -0.0, NAN]) for _ in range(r.randint(0, 3))]),
}
OPTIONS = {"BTREE": {"zone_size": "16"}, "ZONEMAP": {"rows_per_zone": "7"}, "BLOOMFILTER": {"number_of_items": "9"}}
QUICK = ("i64", "f64", "d10", "s", "e", "li", "lt")
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
    return pa.table({"id": pa.array(range(rows)), **drawn})


def _text(value: Any, kind: pa.DataType) -> str:
    """A value as SQL."""
    if value is None:
        return "NULL"
    if pa.types.is_floating(kind):
        return f"'{value}'::{'FLOAT' if pa.types.is_float32(kind) else 'DOUBLE'}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(sep=' ')}'"
    if isinstance(value, (date, datetime, str)):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)


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
        yield f"{name} = {one} AND id % 2 = 0"
        yield f"({name} < {one} AND id > 50) OR {name} = {two}"
        yield f"{name} = {one} OR {name} IS NULL"
    if name == "b":
        yield "b"
        yield "NOT b"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
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
        lance.write_dataset(data, folder / "t.lance", max_rows_per_file=rows // 4, max_rows_per_group=32)
        self.runtime = LocalRuntime(DirectoryStorage(str(folder)), threads=1)
        self.sql("DELETE FROM t WHERE id % 11 = 3")
        self.rows = rows

    def sql(self, text: str) -> pa.Table:
        with self.runtime.sql(text) as result:
            return result.read_all()

    def change(self) -> None:
        """Rows that are in no index, and one that has moved."""
        more = lance.dataset(self.runtime.storage.directories()[0] + "/t.lance")
        lance.write_dataset(_table(self.rng, 30).set_column(0, "id", pa.array(range(1000, 1030))), more, mode="append")
        self.sql("UPDATE t SET s = s WHERE id = 5")

    def check(self, name: str, kind: str, predicates: list[str]) -> int:
        """Compare each predicate with what the kernel makes of it; how many of them the index was asked."""
        shown = ", ".join(f"({text}) AS p{number}" for number, text in enumerate(predicates))
        own = self.sql(f"SELECT id, {shown} FROM t")
        each = [f"SELECT {number} AS p, id FROM t WHERE {text}" for number, text in enumerate(predicates)]
        found = self.sql(" UNION ALL ".join(each))
        for number, text in enumerate(predicates):
            got = found.filter(pa.compute.equal(found["p"], number))["id"].to_pylist()
            want = own.filter(pa.compute.fill_null(own[f"p{number}"].cast(pa.bool_()), False))["id"].to_pylist()
            assert sorted(got) == sorted(want), f"{kind} of {name}: {text}"
        plan = self.sql("EXPLAIN " + " UNION ALL ".join(each))["plan"].to_pylist()
        return sum("index=x " in line for line in plan)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, 7, 200)
    yield made
    made.runtime.close()


def _compare(world: World, name: str, kind: str, count: int) -> int:
    column = lance.dataset(world.runtime.storage.directories()[0] + "/t.lance").schema.field(name)
    if not KINDS[kind].fits(column):
        return 0
    options = ", ".join(f"{option} = {value}" for option, value in OPTIONS.get(kind, {}).items())
    world.sql(f"CREATE INDEX x ON t USING {kind} ({name})" + (f" WITH ({options})" if options else ""))
    world.change()
    asked = world.check(name, kind, list(_predicates(world.rng, name, count)))
    world.sql("DROP INDEX x")
    world.sql("DELETE FROM t WHERE id >= 1000")
    return asked


@pytest.mark.parametrize("kind", SCALAR_KINDS)
def test_indexes_lose_no_row(world: World, kind: str) -> None:
    for name in QUICK:
        column, _ = COLUMNS[name]
        asked = _compare(world, name, kind, 1)
        answers = any(is_answered(kind, column, form) for form in Form) and may_be_asked([kind], column)
        if not pa.types.is_list(column) and not answers:
            assert asked == 0, name


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20))
def test_indexes_lose_no_row_of_random_tables(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed, 400)
    try:
        for kind in SCALAR_KINDS:
            for name in COLUMNS:
                _compare(world, name, kind, 4)
    finally:
        world.runtime.close()
