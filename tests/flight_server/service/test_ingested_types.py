"""Every Arrow type, at the top and inside others: uploaded, read, changed by SQL, uploaded again, bound, read back."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import flight

from tests.flight_server.service.test_stored_types import run

DAY = datetime.date(2020, 1, 2)
TIME = datetime.time(1, 2, 3)
SECONDS = 1_577_934_245
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def extension(kind: pa.BaseExtensionType, value: object) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array([value, None], kind.storage_type))


def runs(values: list[str | None]) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values))


# Each has a value and a NULL.
ARRAYS: dict[str, pa.Array] = {
    "bool": pa.array([True, None]),
    **{str(kind): pa.array([1, None], kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{str(kind): pa.array([1, None], kind) for kind in (pa.uint8(), pa.uint16(), pa.uint32())},
    "uint64": pa.array([2**64 - 1, None], pa.uint64()),
    **{str(kind): pa.array([1.5, None], kind) for kind in (pa.float16(), pa.float32(), pa.float64())},
    **{
        str(kind): pa.array([decimal.Decimal("1.25"), None], kind)
        for kind in (pa.decimal32(5, 2), pa.decimal64(10, 2), pa.decimal128(38, 2), pa.decimal256(38, 2))
    },
    **{
        str(kind): pa.array(["ü, and more than twelve bytes", None], kind)
        for kind in (pa.string(), pa.large_string(), pa.string_view())
    },
    **{
        str(kind): pa.array([b"\0\xff\1", None], kind)
        for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3))
    },
    **{str(kind): pa.array([DAY, None], kind) for kind in (pa.date32(), pa.date64())},
    **{str(kind): pa.array([TIME, None], kind) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"))},
    "time64[ns]": pa.array([5_000_000_000, None], pa.time64("ns")),
    **{
        str(kind): pa.array([SECONDS * PER_SECOND[kind.unit], None], kind)
        for unit in PER_SECOND
        for kind in (pa.timestamp(unit), pa.timestamp(unit, "Europe/Berlin"), pa.duration(unit))
    },
    "month_day_nano": pa.array([pa.MonthDayNano([1, -2, 3000]), None]),
    "null": pa.nulls(2),
    "bool8": extension(pa.bool8(), 1),
    "uuid": extension(pa.uuid(), uuid.UUID(int=1).bytes),
    "json": extension(pa.json_(), '{"a":  12345678901234567890123}'),
    "large json": extension(pa.json_(pa.large_string()), "[1]"),
    "opaque": extension(pa.opaque(pa.int32(), "kind", "vendor"), 1),
    "tensor": extension(pa.fixed_shape_tensor(pa.int32(), [2, 2]), [1, 2, 3, 4]),
    "dictionary": pa.array(["a", None]).dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays(
        pa.array([0, None], pa.uint32()), pa.array(["more than twelve bytes"], pa.string_view())
    ),
    "dictionary of numbers": pa.array([5, None]).dictionary_encode(),
    "run ends": runs(["a", None]),
    "list view": pa.array([[1, None], None], pa.list_view(pa.int16())),
    "large list view": pa.array([[1], None], pa.large_list_view(pa.int16())),
    "list": pa.array([[1, None], None], pa.list_(pa.int8())),
    "large list": pa.array([["a"], None], pa.large_list(pa.large_string())),
    "list of what is not null": pa.array([[1], None], pa.list_(pa.field("item", pa.int8(), nullable=False))),
    "fixed size list": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
    "fixed size list of texts": pa.array([["a", None], None], pa.list_(pa.string(), 2)),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
    "struct": pa.array([{"a": 1, "b.c": None}, None], pa.struct([("a", pa.int8()), ("b.c", pa.string())])),
    "struct of dictionaries": pa.StructArray.from_arrays([pa.array(["a", None]).dictionary_encode()], ["f"]),
    "dense union": pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["a"])], ["n", "s"]
    ),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", None])], ["n", "s"]
    ),
}
IN_LIST = {name: pa.ListArray.from_arrays(pa.array([0, 2, 2], pa.int32()), array) for name, array in ARRAYS.items()}
IN_STRUCT = {name: pa.StructArray.from_arrays([array], ["f"]) for name, array in ARRAYS.items()}
IN_MAP = {
    name: pa.MapArray.from_arrays(pa.array([0, 2, 2], pa.int32()), pa.array(["k", "l"]), array)
    for name, array in ARRAYS.items()
    if name not in ("uuid", "json", "large json", "bool8")  # of which the driver sends what they lie in
}
SHAPES = {"top": ARRAYS, "list": IN_LIST, "struct": IN_STRUCT, "map": IN_MAP}
UNBOUND = ("union", "dense union")


def table_of(arrays: dict[str, pa.Array]) -> pa.Table:
    return pa.table([pa.array([0, 1]), *arrays.values()], names=["id", *(f"c{i}" for i in range(len(arrays)))])


def told(value: Any) -> Any:
    """What a client gets of a value: the kernel's types have no classes of their own for all of them."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime.timedelta):
        return pa.MonthDayNano([0, 0, round(value.total_seconds()) * 10**9])
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC)
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, pa.MonthDayNano):
        return type(value)(told(item) for item in value)
    return value


def rows_of(table: pa.Table) -> list[list[Any]]:
    return [[told(value) for value in column.to_pylist()] for column in table.columns]


def read(connection: flight_sql.Connection, text: str) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetch_arrow_table()


@pytest.fixture
def table(writer: flight_sql.Connection) -> Iterator[str]:
    """The name of a table that is not there yet; it is dropped."""
    name = f"i_{uuid.uuid4().hex[:12]}"
    yield name
    run(writer, f"DROP TABLE IF EXISTS {name}")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_type_goes_in_and_comes_back(
    writer: flight_sql.Connection, writable_uri: str, table: str, shape: str
) -> None:
    arrays = SHAPES[shape]
    data = table_of(arrays)
    expected = rows_of(data)

    def ingest(sent: pa.Table, mode: str) -> None:
        with writer.cursor() as cursor:
            cursor.adbc_ingest(table, sent, mode=mode)

    def check(rows: str, *steps: str) -> None:
        """The rows of both, `rows` of them equal to what was sent."""
        for step in steps:
            run(writer, step)
        found = rows_of(read(writer, f"SELECT * REPLACE (id % 10 AS id) FROM {table} WHERE {rows} ORDER BY id"))
        assert dict(zip(["id", *arrays], found, strict=True)) == dict(zip(["id", *arrays], expected, strict=True))

    with flight.connect(writable_uri) as client:  # a table of no rows
        put, _ = client.do_put(flight.FlightDescriptor.for_path("main", table), data.schema)
        put.close()
    assert read(writer, f"SELECT count(*) FROM {table}").to_pydict() == {"count_star()": [0]}
    described = run(writer, f"DESCRIBE {table}")
    ingest(data, "append")
    check("true")
    ingest(data.slice(0, 1).set_column(0, "id", pa.array([20])).select(data.column_names[::-1]), "append")
    run(writer, f"INSERT INTO {table} (id) VALUES (30)")
    assert read(writer, f"SELECT * FROM {table} WHERE id = 30").drop(["id"]).to_pylist() == [
        dict.fromkeys(data.column_names[1:])
    ]
    check("id < 10", f"UPDATE {table} SET id = id WHERE id < 40", f"DELETE FROM {table} WHERE id BETWEEN 20 AND 30")
    check("id BETWEEN 40 AND 49", f"INSERT INTO {table} SELECT * REPLACE (id + 40 AS id) FROM {table}")
    run(writer, f"ALTER TABLE {table} ADD COLUMN more INTEGER DEFAULT 7")
    run(writer, f"ALTER TABLE {table} DROP COLUMN more")
    ingest(data.set_column(0, "id", pa.array([50, 51])), "append")
    check("id BETWEEN 50 AND 59")
    assert run(writer, f"DESCRIBE {table}") == described
    run(writer, f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table} WHERE id < 10")
    assert run(writer, f"DESCRIBE {table}") == described
    ingest(data, "replace")
    assert run(writer, f"DESCRIBE {table}") == described


@pytest.mark.parametrize("shape", SHAPES)
def test_every_type_is_bound(writer: flight_sql.Connection, table: str, shape: str) -> None:
    arrays = {name: array for name, array in SHAPES[shape].items() if name not in UNBOUND}
    data = table_of(arrays)
    with writer.cursor() as cursor:
        cursor.adbc_ingest(table, data.slice(0, 1), mode="create")
        run(writer, f"DELETE FROM {table}")
        for batch in data.to_batches():
            cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * data.num_columns)})", batch)
    found = rows_of(read(writer, f"SELECT * FROM {table} ORDER BY id"))
    names = ["id", *arrays]
    assert dict(zip(names, found, strict=True)) == dict(zip(names, rows_of(data), strict=True))


def test_pandas_and_polars_get_what_they_sent(writer: flight_sql.Connection, table: str) -> None:
    frame = pl.DataFrame(
        {
            "i": [1, None],
            "s": ["a", None],
            "when": [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), None],
            "day": [DAY, None],
            "time": [TIME, None],
            "number": [decimal.Decimal("1.25"), None],
            "list": [["a"], None],
            "struct": [{"f": 1}, {"f": None}],
        }
    ).with_columns(
        pl.col("s").cast(pl.Categorical).alias("category"),
        pl.col("s").cast(pl.Enum(["b", "a"])).alias("enum"),
        pl.struct(pl.col("s").cast(pl.Categorical)).alias("nested"),
        pl.col("i").cast(pl.Int8).alias("tiny"),
    )
    for mode in ("create", "append"):
        with writer.cursor() as cursor:
            cursor.adbc_ingest(table, frame, mode=mode)
        run(writer, f"UPDATE {table} SET tiny = tiny")
    found = pl.from_arrow(read(writer, f"SELECT * FROM {table} WHERE i = 1"))
    assert isinstance(found, pl.DataFrame)
    assert found.to_dicts() == frame.filter(pl.col("i") == 1).to_dicts() * 2
    with writer.cursor() as cursor:
        cursor.execute(f'SELECT i, s, category, "when" FROM {table} WHERE i = 1')
        assert cursor.fetch_df().values.tolist() == [[1, "a", "a", frame["when"][0]]] * 2


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (pa.decimal128(5, -2), "cast it to decimal128"),
        (pa.decimal256(76, 2), "38 digits"),
        (pa.decimal128(3, 5), "scale"),
        (pa.struct([]), "without fields"),
        (pa.struct([("a", pa.int8()), ("A", pa.int8())]), 'two fields "A"'),
        (pa.struct([("", pa.int8())]), "no name"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "wrap", [lambda k: k, pa.list_, lambda k: pa.struct([("f", k)]), lambda k: pa.map_(pa.int8(), k)]
)
def test_what_is_not_taken_is_refused_at_once_by_its_name(
    writable_uri: str, table: str, kind: pa.DataType, message: str, wrap: Callable[[pa.DataType], pa.DataType]
) -> None:
    refuse(writable_uri, table, wrap(kind), message)


@pytest.mark.parametrize("kind", [pa.uuid(), pa.json_()], ids=str)
def test_extension_types_in_maps_are_refused(writable_uri: str, table: str, kind: pa.DataType) -> None:
    refuse(writable_uri, table, pa.list_(pa.map_(pa.string(), kind)), "inside a map")


def refuse(uri: str, table: str, kind: pa.DataType, message: str) -> None:
    with flight.connect(uri) as client:

        def upload() -> None:
            put, _ = client.do_put(flight.FlightDescriptor.for_path("main", table), pa.schema([("x", kind)]))
            put.close()

        with pytest.raises((pa.ArrowException, NotImplementedError), match=f'"x".*{message}'):
            upload()
        names = [info.descriptor.path[-1].decode() for info in client.list_flights()]
        assert table not in names


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("u UUID", pa.array(["no uuid"]), 'Column "u" of the data has a value that is no UUID'),
        ("e ENUM('it''s')", pa.array(["b"]), "Column \"e\" of the data has a value that is no ENUM\\('it''s'\\)"),
        ("i INTEGER", pa.array([1]), 'Column "i" of the data has the type BIGINT, .* has INTEGER'),
        ("i INTEGER NOT NULL", pa.array([None], pa.int32()), '"i" .* takes no NULLs'),
        ("l UUID[]", pa.array([["x"]]), "UUID"),
    ],
)
def test_appended_values_are_checked(
    writer: flight_sql.Connection, table: str, column: str, value: pa.Array, message: str
) -> None:
    run(writer, f"CREATE TABLE {table} ({column}, d INTEGER DEFAULT 2 + 3)")
    name = column.split()[0]
    with writer.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=message):
        cursor.adbc_ingest(table, pa.table({name: value}), mode="append")
    assert run(writer, f"SELECT count(*) FROM {table}") == [(0,)]


def test_an_append_gives_defaults_and_casts_text(writer: flight_sql.Connection, table: str) -> None:
    run(writer, f"CREATE TABLE {table} (u UUID, e ENUM('b', 'a'), d INTEGER DEFAULT 2 + 3, n BIGINT, h HUGEINT)")
    data = pa.table({"N": pa.array([1], pa.int8()), "e": ["a"], "u": [str(uuid.UUID(int=1))], "h": ["-5"]})
    with writer.cursor() as cursor:
        cursor.adbc_ingest(table, data, mode="append")
    assert run(writer, f"SELECT u, e, d, n, h::INTEGER FROM {table}") == [(str(uuid.UUID(int=1)), "a", 5, 1, -5)]
    with writer.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match='Column "x" of the data is not in'):
        cursor.adbc_ingest(table, pa.table({"x": [1]}), mode="append")
