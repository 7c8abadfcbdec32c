"""Lance tables of other tools: what cannot be read or changed is refused by its name, and hides nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import lance
import pyarrow as pa
import pytest

from tests.flight_server.service.test_stored_types import run
from tests.harness.runtimes import SqlRuntime, Tables

BLOB = pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"})


@pytest.fixture
def path(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]], writer: flight_sql.Connection
) -> Iterator[Path]:
    """Where another tool is to write a table, which is dropped in the end."""
    (folder,) = make_runtime(runtime_name, "lance")[1].storage.directories()
    path = Path(folder, f"f_{uuid.uuid4().hex[:12]}.lance")
    yield path
    run(writer, f"DROP TABLE IF EXISTS {path.stem}")


def test_blobs_inside_of_values_are_neither_read_nor_lost(writer: flight_sql.Connection, path: Path) -> None:
    data = pa.table({"i": [1, 2], "s": pa.array([{"b": b"large"}, None], pa.struct([BLOB]))})
    lance.write_dataset(data, str(path), data_storage_version="2.1")
    before = lance.dataset(str(path))
    assert run(writer, f"SELECT i FROM {path.stem} ORDER BY i") == [(1,), (2,)]
    with pytest.raises(adbc_driver_manager.Error, match=r'Column "s" of table .* has Lance blobs inside.*EXCLUDE'):
        run(writer, f"SELECT * FROM {path.stem}")
    for change in (f"UPDATE {path.stem} SET s = NULL", f"INSERT INTO {path.stem} (i) VALUES (3)"):
        with pytest.raises(adbc_driver_manager.Error, match=r'Column "s" of table .* has Lance blobs inside'):
            run(writer, change)
    assert lance.dataset(str(path)).version == before.version


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (pa.float16(), 1.5, "FLOAT"),
        (pa.list_(pa.float16(), 2), [1.5, 2.5], "FLOAT[2]"),
        (pa.list_(pa.float16()), [1.5], "FLOAT[]"),
        (pa.struct([("x", pa.int64()), ("y", pa.float16())]), {"x": 1, "y": 1.5}, "STRUCT(x BIGINT, y FLOAT)"),
    ],
    ids=str,
)
def test_half_floats_are_refused_where_they_are_read(
    writer: flight_sql.Connection, path: Path, kind: pa.DataType, value: object, shown: str
) -> None:
    data = pa.table({"i": [1, 2], "h": pa.array([value, None], kind)})
    lance.write_dataset(data, str(path))
    assert [row[:2] for row in run(writer, f"DESCRIBE {path.stem}")] == [("i", "BIGINT"), ("h", shown)]
    assert run(writer, f"SELECT i FROM {path.stem} WHERE i > 1") == [(2,)]
    assert run(writer, f"SELECT count(*) FROM {path.stem}") == [(2,)]
    for read in ("SELECT *", "SELECT h", "SELECT count(h)"):
        with pytest.raises(adbc_driver_manager.Error, match=r'Column "h" of table .* has half floats.*EXCLUDE'):
            run(writer, f"{read} FROM {path.stem}")
    with pytest.raises(adbc_driver_manager.Error, match=r'Column "h" of table .* has half floats'):
        run(writer, f"SELECT i FROM {path.stem} WHERE h IS NULL")
    for change in (
        f"UPDATE {path.stem} SET h = NULL",
        f"INSERT INTO {path.stem} (i) VALUES (3)",
        f"ALTER TABLE {path.stem} ALTER h TYPE VARCHAR",
    ):
        with pytest.raises(adbc_driver_manager.Error, match=r'Column "h" of table .* has half floats'):
            run(writer, change)
    with writer.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match="half floats"):
        cursor.adbc_ingest(path.stem, data.select(["i"]), mode="append")
    assert lance.dataset(str(path)).to_table().equals(data)
    run(writer, f"UPDATE {path.stem} SET i = 3 WHERE i = 1")
    run(writer, f"DELETE FROM {path.stem} WHERE i = 2")
    run(writer, f"ALTER TABLE {path.stem} ALTER i TYPE INTEGER")
    changed = pa.table({"i": pa.array([3], pa.int32()), "h": pa.array([value], kind)})
    assert lance.dataset(str(path)).to_table().equals(changed)


def test_columns_that_differ_in_case_only(writer: flight_sql.Connection, path: Path) -> None:
    lance.write_dataset(pa.table([pa.array([1]), pa.array([2])], names=["A", "a"]), str(path))
    with pytest.raises(adbc_driver_manager.Error, match='has columns "A" and "a", which SQL cannot tell apart'):
        run(writer, f"SELECT * FROM {path.stem}")
    assert run(writer, "SELECT count(*) > 0 FROM information_schema.tables") == [(True,)]


def test_what_is_noted_in_the_schema_stays(writer: flight_sql.Connection, path: Path) -> None:
    field = pa.field("i", pa.int64(), metadata={"unit": "m"})
    lance.write_dataset(pa.table([pa.array([1])], schema=pa.schema([field], {"owner": "x"})), str(path))
    for change in ("UPDATE {} SET i = 2", "ALTER TABLE {} ADD COLUMN s UUID", "DELETE FROM {} WHERE i = 3"):
        run(writer, change.format(path.stem))
        schema = lance.dataset(str(path)).schema
        assert (schema.metadata, schema.field("i").metadata) == ({b"owner": b"x"}, {b"unit": b"m"})
    with writer.cursor() as cursor:
        cursor.adbc_ingest(path.stem, pa.table({"i": [1]}), mode="replace")
    assert b"owner" not in (lance.dataset(str(path)).schema.metadata or {})


def test_null_where_the_stored_list_takes_none(writer: flight_sql.Connection, path: Path) -> None:
    kind = pa.list_(pa.field("item", pa.int64(), nullable=False))
    lance.write_dataset(pa.table({"l": pa.array([[1]], kind)}), str(path))
    run(writer, f"INSERT INTO {path.stem} VALUES ([2, 3]), (NULL)")
    for change in (f"INSERT INTO {path.stem} VALUES ([4, NULL])", f"UPDATE {path.stem} SET l = [NULL] WHERE l IS NULL"):
        with pytest.raises(adbc_driver_manager.Error, match=r'Column "l" .* NULL'):
            run(writer, change)
    assert run(writer, f"SELECT l FROM {path.stem} ORDER BY l NULLS LAST") == [([1],), ([2, 3],), (None,)]


@pytest.mark.parametrize("name", ["_rowid", "_row_created_at_version", "_row_last_updated_at_version", "a.b", "a`b"])
def test_names_that_lance_takes_for_its_own(writer: flight_sql.Connection, path: Path, name: str) -> None:
    with pytest.raises(adbc_driver_manager.Error, match=f"cannot have a column named .{name}"):
        run(writer, f'CREATE TABLE {path.stem} ("{name}" INTEGER)')
    with writer.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=f"column named .{name}"):
        cursor.adbc_ingest(path.stem, pa.table({name: [1]}), mode="create")


@pytest.mark.parametrize(
    ("kind", "value", "more"),
    [
        (pa.timestamp("s", "UTC"), 0, "'2020-01-01 00:00:00+00'"),
        (pa.date64(), 0, "'2020-01-01'"),
        (pa.time32("s"), 0, "'12:00:00'"),
        (pa.binary(2), b"ab", "'cd'::BLOB"),
        (pa.large_string(), "a", "'b'"),
        (pa.null(), None, "NULL"),
        (pa.duration("s"), 1, "'26:00:01'"),
        (pa.uuid(), uuid.UUID(int=1).bytes, f"'{uuid.UUID(int=2)}'"),
    ],
    ids=str,
)
def test_tables_in_other_arrow_types_are_changed(
    writer: flight_sql.Connection, path: Path, kind: pa.DataType, value: object, more: str
) -> None:
    data = pa.table({"i": [1], "x": pa.array([value], kind)})
    lance.write_dataset(data, str(path))
    run(writer, f"INSERT INTO {path.stem} VALUES (2, {more})")
    run(writer, f"INSERT INTO {path.stem} (i) VALUES (3)")
    run(writer, f"UPDATE {path.stem} SET i = i + 10")
    run(writer, f"INSERT INTO {path.stem} SELECT i + 10, x FROM {path.stem} WHERE i = 11")
    with writer.cursor() as cursor:
        cursor.adbc_ingest(path.stem, data, mode="append")
    expected = value is not None
    rows = f"SELECT i FROM {path.stem} WHERE (x IS NOT NULL) = {expected} AND i NOT IN (12, 13) ORDER BY i"
    assert run(writer, rows) == [(1,), (11,), (21,)]
    same = f"SELECT count(DISTINCT x) FROM {path.stem} WHERE i NOT IN (12, 13)"
    assert run(writer, same) == [(int(expected),)]


UUIDS = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=1).bytes, None], pa.binary(16)))
POINT = bytes.fromhex("0101000000000000000000f03f0000000000000040")


@pytest.mark.parametrize(
    ("column", "metadata", "value", "expected"),
    [
        (UUIDS, None, f"'{uuid.UUID(int=2**128 - 1)}'", [str(uuid.UUID(int=1)), str(uuid.UUID(int=2**128 - 1))]),
        (
            pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None])),
            None,
            "'[1,2]'",
            ['{"a":1}', "[1,2]"],
        ),
        (pa.array([1, None], pa.duration("us")), None, "'-26:00:01.5'", ["00:00:00.000001", "-26:00:01.5"]),
        (
            pa.array([POINT, None]),
            {"ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": "{}"},
            "'POINT (3 4)'",
            ["POINT (1 2)", "POINT (3 4)"],
        ),
    ],
    ids=["uuid", "json", "duration", "geometry"],
)
def test_rows_come_into_columns_of_arrow_types_that_are_not_the_stored_forms(
    writer: flight_sql.Connection,
    path: Path,
    column: pa.Array,
    metadata: dict[str, str] | None,
    value: str,
    expected: list[str],
) -> None:
    data = pa.table([column], schema=pa.schema([pa.field("x", column.type, metadata=metadata)]))
    lance.write_dataset(data, str(path))
    kind = lance.dataset(str(path)).schema
    run(writer, f"INSERT INTO {path.stem} VALUES (NULL), ({value}), ({value})")
    with writer.cursor() as cursor:
        assert cursor.adbc_ingest(path.stem, data, mode="append") == 2
    rows = f"SELECT x::VARCHAR AS t, count(*) FROM {path.stem} GROUP BY ALL"
    assert sorted(run(writer, rows), key=str) == sorted([(None, 3), *((text, 2) for text in expected)], key=str)
    assert lance.dataset(str(path)).schema == kind


@pytest.mark.parametrize("text", ["NaN", "[1,]", '{"a": -Infinity}', "[" * 513 + "]" * 513])
def test_what_lance_makes_other_json_of_is_refused(writer: flight_sql.Connection, path: Path, text: str) -> None:
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array(["[1]"]))
    lance.write_dataset(pa.table({"x": column}), str(path))
    for change in (f"INSERT INTO {path.stem} VALUES ('{text}')", f"UPDATE {path.stem} SET x = '{text}'"):
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=r'Column "x" .* takes JSON by RFC 8259'):
            run(writer, change)
    assert run(writer, f"SELECT x FROM {path.stem}") == [("[1]",)]


@pytest.mark.parametrize(
    ("kind", "interval"), [("us", "1 day"), ("us", "1 month"), ("s", "00:00:00.5"), ("ns", "2562048:00:00")]
)
def test_what_is_no_duration_is_refused(writer: flight_sql.Connection, path: Path, kind: str, interval: str) -> None:
    lance.write_dataset(pa.table({"x": pa.array([1], pa.duration(kind))}), str(path))
    with pytest.raises(adbc_driver_manager.Error, match=r'Column "x" .* do not fit the type duration'):
        run(writer, f"INSERT INTO {path.stem} VALUES ('{interval}')")
    assert run(writer, f"SELECT count(*) FROM {path.stem}") == [(1,)]


def test_inside_of_lists_the_stored_form_is_needed(writer: flight_sql.Connection, path: Path) -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), UUIDS[:1])
    lance.write_dataset(pa.table({"x": lists}), str(path))
    insert = f"INSERT INTO {path.stem} VALUES (['{uuid.UUID(int=2)}'])"
    with pytest.raises(adbc_driver_manager.Error, match=r'Column "x" .* is stored as list.*UPDATE of it, stores it'):
        run(writer, insert)
    run(writer, f"UPDATE {path.stem} SET x = x")
    run(writer, insert)
    assert run(writer, f"SELECT count(DISTINCT x) FROM {path.stem}") == [(2,)]


STRUCTS = pa.list_(pa.struct([("a", pa.int64())]), 2)


def structs(number: int) -> list[dict[str, int] | None] | None:
    return None if number % 7 == 3 else [{"a": number}, None if number % 5 == 0 else {"a": -number}]


def test_fixed_lists_of_structs_are_read_beside_other_columns(writer: flight_sql.Connection, path: Path) -> None:
    inside = pa.struct([("x", STRUCTS), ("z", pa.int64())])
    data = pa.table(
        {
            "i": range(2000),
            "x": pa.array(map(structs, range(2000)), STRUCTS),
            "s": pa.array([{"x": structs(i), "z": i} if i % 9 else None for i in range(2000)], inside),
        }
    )
    lance.write_dataset(data, str(path), max_rows_per_file=700)
    table, rows = path.stem, [tuple(row.values()) for row in data.to_pylist()]
    for read, wanted in (
        ("SELECT * FROM {} ORDER BY i", rows),
        ("SELECT s, i FROM {} WHERE i IN (3, 800) ORDER BY i", [(rows[3][2], 3), (rows[800][2], 800)]),
        ("SELECT i, x FROM {} WHERE x IS NULL AND i < 12 ORDER BY i", [(3, None), (10, None)]),
        ("SELECT sum(i), sum(s.z), count(x) FROM {}", [(1999000, sum(i for i in range(2000) if i % 9), 1714)]),
    ):
        assert run(writer, read.format(table)) == wanted
    run(writer, f"CREATE INDEX by_i ON {table} (i)")
    run(writer, f"UPDATE {table} SET i = -1 WHERE i = 800")
    run(writer, f"DELETE FROM {table} WHERE i > 5 AND i % 3 = 1")
    kept = [(-1, *rows[800][1:]), *(row for row in rows if row[0] != 800 and (row[0] <= 5 or row[0] % 3 != 1))]
    assert run(writer, f"SELECT * FROM {table} ORDER BY i") == kept
    assert run(writer, f"SELECT x, i, s FROM {table} WHERE i IN (-1, 6)") == [
        (row[1], row[0], row[2]) for number in (6, -1) for row in kept if row[0] == number
    ]
    with pytest.raises(adbc_driver_manager.Error, match=r'column "x" is stored as fixed-size lists of structs.*ALTER'):
        run(writer, f"OPTIMIZE {table}")
    run(writer, f"ALTER TABLE {table} ALTER x TYPE STRUCT(a BIGINT)[]")
    run(writer, f"ALTER TABLE {table} ALTER s TYPE STRUCT(x STRUCT(a BIGINT)[], z BIGINT)")
    run(writer, f"OPTIMIZE {table}")
    assert run(writer, f"SELECT * FROM {table} ORDER BY i") == kept


@pytest.mark.parametrize(
    ("kind", "value", "form", "what"),
    [
        (pa.list_(STRUCTS), [structs(1)], "2.2", "fixed-size lists of structs inside of lists or maps"),
        (pa.map_(pa.string(), STRUCTS), [("k", structs(1))], "2.2", "fixed-size lists of structs inside of lists"),
        (STRUCTS, structs(1), "2.0", "fixed-size lists of structs in files of format 2.0"),
        (pa.binary(0), b"", "2.2", "binary values of no bytes"),
        (pa.list_(pa.binary(0)), [b""], "2.2", "binary values of no bytes"),
    ],
    ids=str,
)
def test_what_lance_writes_and_does_not_read(
    writer: flight_sql.Connection, path: Path, kind: pa.DataType, value: object, form: str, what: str
) -> None:
    data = pa.table({"i": range(9), "x": pa.array([value] * 9, kind)})
    lance.write_dataset(data, str(path), data_storage_version=form)
    for read in ("SELECT *", "SELECT x", "SELECT count(x)"):
        with pytest.raises(adbc_driver_manager.Error, match=rf'Column "x" of table .* has {what}.*EXCLUDE'):
            run(writer, f"{read} FROM {path.stem}")
    assert run(writer, f"SELECT * EXCLUDE (x) FROM {path.stem} WHERE i > 7") == [(8,)]
    with pytest.raises(adbc_driver_manager.NotSupportedError, match=r'left as it was: its column "x" has'):
        run(writer, f"UPDATE {path.stem} SET i = 30 WHERE i = 1")
    assert run(writer, f"SELECT count(*), max(i) FROM {path.stem}") == [(9, 8)]
    run(writer, f"DELETE FROM {path.stem} WHERE i > 1")
    run(writer, f"ALTER TABLE {path.stem} DROP COLUMN x")
    assert run(writer, f"SELECT * FROM {path.stem} ORDER BY i") == [(0,), (1,)]
