"""Tables that another tool wrote: what the kernel would not survive is refused by name, the rest is read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.errors import GrismError, InvalidDataError, UnsupportedError
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime
from tests.engine.arrow_input.data import nested, opaque
from tests.engine.arrow_input.test_values import raw
from tests.harness.runtimes import SqlRuntime, Tables, query

BSON = Path(__file__).parents[1] / "data" / "parquet" / "parquet_java_bson.parquet"
LATE = raw(pa.time64("us"), 86_400_000_001)
WRONG: dict[str, tuple[pa.Array, type[GrismError]]] = {
    "bits": (opaque("bit", pa.array([b"\x05\x00"])), InvalidDataError),
    "bits in a list": (nested(opaque("bit", pa.array([b"\x05\x00"])))["list"], InvalidDataError),
    "a large integer": (opaque("bignum", pa.array([b"\x80\x00\x02\x00\x05"])), InvalidDataError),
    "a time after midnight": (LATE, InvalidDataError),
    "a time in a struct": (pa.StructArray.from_arrays([LATE], ["a"]), InvalidDataError),
    "an instant out of range": (raw(pa.timestamp("s", "UTC"), 2**62), InvalidDataError),
    "another storage": (opaque("hugeint", pa.array([b"x" * 32], pa.binary(32))), InvalidDataError),
    "a negative scale": (pa.nulls(1, pa.decimal128(5, -2)), UnsupportedError),
}


@pytest.fixture
def foreign(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]
) -> Iterator[Callable[[pa.Table], SqlRuntime]]:
    """Writes a Lance table `others` beside the runtime that it gives."""
    runtime, tables = make_runtime(runtime_name, "lance")
    tables.put("others", pa.table({"x": [1]}))
    (directory,) = tables.storage.directories()

    def write(table: pa.Table) -> SqlRuntime:
        lance.write_dataset(table, f"{directory}/others.lance", mode="overwrite")
        return runtime

    yield write
    tables.remove("others")


@pytest.mark.parametrize(("array", "error"), WRONG.values(), ids=WRONG.keys())
def test_columns_that_are_not_what_they_say(
    array: pa.Array, error: type[GrismError], foreign: Callable[[pa.Table], SqlRuntime]
) -> None:
    runtime = foreign(pa.table({"id": [1], "odd one": array}))
    for sql in ('SELECT "odd one" FROM others', 'SELECT "odd one"::VARCHAR AS x FROM others GROUP BY ALL'):
        with pytest.raises(error, match='olumn "odd one" '):
            query(runtime, sql)
    assert query(runtime, "SELECT 1 AS x").num_rows == 1


def declared(kind: str, stored: pa.DataType, *values: object) -> pa.Table:
    """A column in the form in which grism stores values of the type `kind`."""
    fields = [pa.field("id", pa.int64()), pa.field("odd one", stored, metadata={"grism.type": kind})]
    return pa.table([range(len(values)), pa.array(values, stored)], schema=pa.schema(fields))


UNION_OF_BYTES = pa.struct([("tag", pa.string()), ("m0", pa.int32()), ("m1", pa.binary())])
UNION = pa.struct([("tag", pa.string()), ("m0", pa.int32()), ("m1", pa.string())])
DECLARED = {
    "json": declared("JSON", pa.string(), '{"a": 1}', None, "nope"),
    "json in a list": declared("JSON[]", pa.list_(pa.string()), ["{}", "nope"]),
    "json in a map": declared("MAP(VARCHAR, JSON)", pa.map_(pa.string(), pa.string()), [("a", "nope")]),
    "json in a struct": declared(
        'STRUCT(a INTEGER, "b c" JSON[])',
        pa.struct([("a", pa.int32()), ("b c", pa.list_(pa.string()))]),
        {"a": 1, "b c": ["[", None]},
    ),
    "uuid": declared("UUID", pa.string(), "nope"),
    "enum": declared("ENUM('a', 'b')", pa.string(), "a", "c"),
    "large": declared("HUGEINT", pa.string(), "1", "nope"),
    "time": declared("TIME WITH TIME ZONE", pa.string(), "nope"),
    "geometry": declared("GEOMETRY", pa.binary(), b"nope"),
    "union": declared("UNION(a INTEGER, b VARCHAR)", UNION, {"tag": "c", "m0": 1, "m1": None}),
    "bits": declared("BIT", pa.string(), "101", "12"),
    "variant": declared("VARIANT", pa.binary(), b"nope"),
    "empty variant": declared("VARIANT", pa.binary(), b""),
    "variant in a map": declared("MAP(VARCHAR, VARIANT)", pa.map_(pa.string(), pa.binary()), [("a", b"x")]),
    "variant in a union": declared("UNION(a INTEGER, b VARIANT)", UNION_OF_BYTES, {"tag": "b", "m0": 1, "m1": b"x"}),
    "union in a list": declared("UNION(a INTEGER, b VARCHAR)[]", pa.list_(UNION), [{"tag": "c", "m0": 1, "m1": "x"}]),
    "short array": declared("VARCHAR[2]", pa.list_(pa.string()), ["a"]),
    "short array in a list": declared("VARCHAR[2][]", pa.list_(pa.list_(pa.string())), [["a"]]),
    "geometry in a list": declared("GEOMETRY[]", pa.list_(pa.binary()), [b"x"]),
}
TEXTS = {
    "UUID": ("00112233-4455-6677-8899-aabbccddeeff", "nope"),
    "ENUM('a', 'b')": ("a", "c"),
    "HUGEINT": ("1", "x"),
    "UHUGEINT": ("1", "-1"),
    "BIT": ("101", "2"),
    "BIGNUM": ("1", "x"),
    "INTERVAL": ("1 day", "x"),
    "TIME WITH TIME ZONE": ("00:00:00+00", "x"),
}
"""Types that are stored as texts: one that is a value, and one that is none."""


@pytest.mark.parametrize("rows", DECLARED.values(), ids=DECLARED.keys())
def test_another_tool_adds_what_is_not_of_a_columns_type(
    rows: pa.Table, foreign: Callable[[pa.Table], SqlRuntime]
) -> None:
    """To a table of grism's, where the kernel's types lie in others."""
    runtime = foreign(rows)
    for sql in ('SELECT "odd one" FROM others', 'SELECT max("odd one"::VARCHAR || id) AS x FROM others GROUP BY id'):
        with pytest.raises(InvalidDataError, match='A stored value of column "odd one" is not of its type'):
            query(runtime, sql)
    assert query(runtime, "SELECT count(id) AS x FROM others").to_pylist() == [{"x": rows.num_rows}]


@pytest.mark.parametrize("kind", TEXTS.keys())
def test_what_is_in_a_value_is_not_of_its_type(kind: str, foreign: Callable[[pa.Table], SqlRuntime]) -> None:
    good, bad = TEXTS[kind]
    text = pa.string()
    pair = pa.struct([("a", pa.int32()), ("b", text)])
    for table in (
        declared(f"{kind}[]", pa.list_(text), [good, None], None, [good, bad]),
        declared(f"{kind}[][]", pa.list_(pa.list_(text)), [[good], [bad]]),
        declared(f"{kind}[2]", pa.list_(text), [good, bad]),
        declared(f"STRUCT(a INTEGER, b {kind})", pair, {"a": 1, "b": bad}),
        declared(f"STRUCT(a INTEGER, b {kind})[]", pa.list_(pair), [{"a": 1, "b": good}, {"a": 1, "b": bad}]),
        declared(f"MAP(VARCHAR, {kind})", pa.map_(text, text), [("a", bad)]),
        declared(f"MAP({kind}, INTEGER)", pa.map_(text, pa.int32()), [(bad, 1)]),
        declared(f"UNION(a INTEGER, b {kind})", UNION, {"tag": "b", "m0": None, "m1": bad}),
    ):
        runtime = foreign(table)
        with pytest.raises(InvalidDataError, match='A stored value of column "odd one" is not of its type'):
            query(runtime, 'SELECT "odd one" FROM others')
        assert query(runtime, "SELECT count(id) AS x FROM others").to_pylist() == [{"x": table.num_rows}]
    runtime = foreign(declared(f"STRUCT(a INTEGER, b {kind})[]", pa.list_(pair), [{"a": 1, "b": good}, None], [], None))
    texts = query(runtime, 'SELECT id, "odd one"[1].b::VARCHAR AS x FROM others ORDER BY id')
    assert texts["x"].to_pylist() == [good, None, None]


def test_values_of_the_kernels_own_types(foreign: Callable[[pa.Table], SqlRuntime]) -> None:
    runtime = foreign(
        pa.table(
            {
                "a": opaque("bit", pa.array([b"\x05\xfd", None])),
                "b": opaque("hugeint", pa.array([(-5).to_bytes(16, "little", signed=True), None], pa.binary(16))),
                "c": nested(opaque("bignum", pa.array([b"\x7f\xff\xfe\xfa"])))["list"].take(pa.array([0, None])),
                "d": raw(pa.timestamp("s"), 0, 2**63 - 1),
            }
        )
    )
    texts = query(runtime, "SELECT a::VARCHAR AS a, b::VARCHAR AS b, c::VARCHAR AS c, d::VARCHAR AS d FROM others")
    assert texts.sort_by("d").to_pylist() == [
        {"a": "101", "b": "-5", "c": "[-5]", "d": "1970-01-01 00:00:00"},
        {"a": None, "b": None, "c": None, "d": "infinity"},
    ]


def test_values_are_looked_at_in_streams_too(tmp_path: Path) -> None:
    """Tables that are too large to be read at once."""
    lance.write_dataset(pa.table({"odd one": LATE}), tmp_path / "t.lance")
    with LocalRuntime(DirectoryStorage(tmp_path, table_bytes=0)) as runtime:
        with pytest.raises(InvalidDataError, match='A stored value of column "odd one" is not of its type, time64'):
            query(runtime, 'SELECT max("odd one") AS x FROM t')
        assert query(runtime, "SELECT 1 AS x").num_rows == 1


def test_a_parquet_file_that_the_kernel_refuses_for_one_column(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]
) -> None:
    runtime, tables = make_runtime(runtime_name, "parquet")
    (directory,) = tables.storage.directories()
    folder = Path(directory) / "with_bson"
    folder.mkdir()
    try:
        for number in range(3):
            shutil.copy(BSON, folder / f"{number}.parquet")
        counted = query(runtime, "SELECT id, count(*) AS n FROM with_bson GROUP BY id ORDER BY id")
        assert counted.to_pylist() == [{"id": 0, "n": 3}, {"id": 1, "n": 3}]
        assert query(runtime, "SELECT count(*) AS n FROM with_bson").to_pylist() == [{"n": 6}]
        with pytest.raises(
            UnsupportedError, match=r'Column "doc" of table "main\.with_bson" cannot be read: it is BSON'
        ):
            query(runtime, "SELECT * FROM with_bson")
    finally:
        shutil.rmtree(folder)
