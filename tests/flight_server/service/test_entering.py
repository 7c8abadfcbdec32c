"""What Arrow data clients may send, as uploads and as parameters: it arrives as it was, or is refused by name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight

from tests.engine.arrow_input.data import intervals, json, nested, opaque

ONE = pa.array([7], pa.int8())


@pytest.fixture
def fresh(connection: flight_sql.Connection) -> Iterator[str]:
    """The name of a table that is not there."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


def batch(array: pa.Array, extension: str | None = None) -> pa.RecordBatch:
    metadata = None if extension is None else {"ARROW:extension:name": extension}
    return pa.record_batch([array], schema=pa.schema([pa.field("odd one", array.type, metadata=metadata)]))


REFUSED = {
    "another storage": batch(opaque("hugeint", pa.array([b"x" * 32], pa.binary(32)))),
    "no bits": batch(opaque("bit", pa.array([b"\x05\x00"]))),
    "no large integer": batch(opaque("bignum", pa.array([b"\x80\x00\x02\x00\x05"]))),
    "an opaque type that is not known": batch(opaque("something", pa.array(["x"]))),
    "no json": batch(json("[1,]")),
    "no json in a list": batch(nested(json("[1,]"))["list"]),
    "no geometry": batch(pa.array([b"\x01\x02"]), "geoarrow.wkb"),
    "a variant": batch(pa.array([{"metadata": b"\x01\0\0", "value": b"\0"}]), "arrow.parquet.variant"),
    "points without coordinate system": batch(pa.array([{"x": 1.0, "y": 2.0}]), "geoarrow.point"),
    "a large array": batch(pa.nulls(1, pa.list_(pa.int8(), 100_001))),
    "a negative scale": batch(pa.nulls(1, pa.decimal128(5, -2))),
    "too many digits": batch(pa.array([Decimal(1)], pa.decimal256(40, 0))),
    "no fields": batch(pa.array([{}], pa.struct([]))),
    "two fields of a name": batch(pa.StructArray.from_arrays([ONE, ONE], ["a", "A"])),
    "a key twice": batch(pa.MapArray.from_arrays(pa.array([0, 2], pa.int32()), ["k", "k"], [1, 2])),
    "an instant out of range": batch(pa.array([2**62], pa.int64()).view(pa.timestamp("s", "UTC"))),
    "nanoseconds of durations": batch(pa.array([1], pa.duration("ns"))),
    "nanoseconds of intervals": batch(pa.array([(0, 0, 1)], pa.month_day_nano_interval())),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_refusals_name_the_column(connection: flight_sql.Connection, fresh: str, data: pa.RecordBatch) -> None:
    with connection.cursor() as cursor:
        for temporary in (False, True):
            with pytest.raises(adbc_driver_manager.Error, match='olumn "odd one" ') as caught:
                cursor.adbc_ingest(fresh, pa.Table.from_batches([data]), mode="create", temporary=temporary)
            assert caught.value.status_code in (
                adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT,
                adbc_driver_manager.AdbcStatusCode.NOT_IMPLEMENTED,
            )
        with pytest.raises(adbc_driver_manager.Error, match='"odd one" '):
            cursor.execute("SELECT ? AS x", data)
        with pytest.raises(adbc_driver_manager.Error, match="no table"):
            cursor.execute(f"SELECT * FROM {fresh}")


def put(client: flight.FlightClient, table: str, data: pa.Table) -> None:
    writer, _ = client.do_put(flight.FlightDescriptor.for_path(table), data.schema)
    with writer:
        writer.write_table(data)


def test_names_are_not_cut(client: flight.FlightClient, fresh: str) -> None:
    for data in (pa.table({"a\0b": [1]}), pa.table({"x": [{"a\0b": 1}]})):
        with pytest.raises(pa.ArrowInvalid, match="NUL character"):
            put(client, fresh, data)


TEXTS = pa.array(["a", None, "a longer text than a view holds itself"])
ENCODED = {
    "dictionary of views": pa.DictionaryArray.from_arrays(pa.array([2, 1, 0]), TEXTS.cast(pa.string_view())),
    "list of views": pa.ListArray.from_arrays(pa.array([0, 1, 1, 3], pa.int32()), TEXTS.cast(pa.string_view())),
    "list of dictionaries": pa.ListArray.from_arrays(pa.array([0, 1, 1, 3], pa.int32()), TEXTS.dictionary_encode()),
    "struct of dictionaries": pa.StructArray.from_arrays([TEXTS.dictionary_encode()], ["a"]),
    "structs in lists of dictionaries": pa.ListArray.from_arrays(
        pa.array([0, 1, 1, 3], pa.int32()), pa.StructArray.from_arrays([TEXTS.dictionary_encode()], ["a"])
    ),
    "dictionary of lists of dictionaries": pa.DictionaryArray.from_arrays(
        pa.array([1, 0, 1]), pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), TEXTS.dictionary_encode())
    ),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int32()), TEXTS[:2]),
    "list views": pa.array([["a"], None, []], pa.list_view(pa.string_view())),
    "truth in bytes": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
    "unions with codes": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), TEXTS], ["n", "s"], [1, 0]
    ),
    "dense unions": pa.UnionArray.from_dense(
        pa.array([1, 0, 1], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1]), TEXTS], ["n", "s"]
    ),
    "json of large texts": json('{"a": 12345678901234567890123}', "1e400", None, storage=pa.large_string()),
    "json in structs": pa.StructArray.from_arrays([json('[1.10, "\\u00e9"]', " null ", "{}")], ["j"]),
    "small decimals": pa.array([1, None, -3], pa.int32()).cast(pa.decimal64(12, 1)),
}


@pytest.mark.parametrize("array", ENCODED.values(), ids=ENCODED.keys())
def test_encoded_columns_are_written_read_and_appended_to(
    client: flight.FlightClient, connection: flight_sql.Connection, fresh: str, array: pa.Array
) -> None:
    data = pa.table({"id": [0, 1, 2], "x": array})
    sent = array.to_pylist()
    for times in (1, 2):
        put(client, fresh, data)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT x FROM {fresh} ORDER BY id")
            found = cursor.fetch_arrow_table()["x"].to_pylist()
        assert found == [value for value in sent for _ in range(times)]


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (intervals(b"tiM", pa.array([14, None, -1], pa.int32())), ["1 year 2 months", None, "-1 month"]),
        (
            intervals(b"tiD", pa.array([1 | 500 << 32, None, 0], pa.int64())),
            ["1 day 00:00:00.5", None, "00:00:00"],
        ),
    ],
    ids=["months", "days and milliseconds"],
)
def test_intervals_without_a_class(
    client: flight.FlightClient,
    connection: flight_sql.Connection,
    fresh: str,
    given: pa.RecordBatch,
    texts: list[str | None],
) -> None:
    """As Rust and Go send them."""
    put(client, fresh, pa.Table.from_batches([given]))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT x::VARCHAR AS x, typeof(x) AS kind FROM {fresh}")
        assert cursor.fetch_arrow_table().to_pydict() == {"x": texts, "kind": ["INTERVAL"] * 3}
        for row, text in enumerate(texts):
            cursor.execute("SELECT (?)::VARCHAR AS x", given.slice(row, 1))
            assert cursor.fetch_arrow_table()["x"].to_pylist() == [text]


@pytest.mark.parametrize(
    ("array", "kind", "text"),
    [
        (opaque("hugeint", pa.array([(-5).to_bytes(16, "little", signed=True)], pa.binary(16))), "HUGEINT", "-5"),
        (opaque("uhugeint", pa.array([b"\xff" * 16], pa.binary(16))), "UHUGEINT", str(2**128 - 1)),
        (opaque("bit", pa.array([b"\x05\xfd"])), "BIT", "101"),
        (opaque("bignum", pa.array([b"\x7f\xff\xfe\xfa"])), "BIGNUM", "-5"),
        (opaque("time_tz", pa.array([(57_599 - 3600).to_bytes(8, "little")], pa.binary(8))), "TIMETZ", "00:00:00+01"),
        (json("[1e400]"), "JSON", "[1e400]"),
    ],
    ids=["hugeint", "uhugeint", "bit", "bignum", "time_tz", "json"],
)
def test_the_kernels_own_types_arrive_as_they_are(
    client: flight.FlightClient, connection: flight_sql.Connection, fresh: str, array: pa.Array, kind: str, text: str
) -> None:
    put(client, fresh, pa.table({"x": array}))
    with connection.cursor() as cursor:
        cursor.execute("SELECT typeof(?) AS kind, (?)::VARCHAR AS x", pa.record_batch([array, array], ["0", "1"]))
        kinds = {"TIMETZ": "TIME WITH TIME ZONE"}
        assert cursor.fetch_arrow_table().to_pylist() == [{"kind": kinds.get(kind, kind), "x": text}]
        cursor.execute(f"SELECT typeof(x) AS kind, x::VARCHAR AS x FROM {fresh}")
        assert cursor.fetch_arrow_table().to_pylist() == [{"kind": kinds.get(kind, kind), "x": text}]
