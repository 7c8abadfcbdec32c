"""Listings of tables and columns: what cannot be read hides nothing, and each version of a table is looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from engine.statements.catalog import Catalog
from engine.statements.relations import Relations
from engine.statements.session import Session
from engine.statements.stored_views import StoredViews
from engine.storage import DirectoryStorage
from engine.storage.protocol import TableName
from flight_server.auth import IDENTITY_KEY, Anonymous, HandshakeHandler, IdentityFactory
from flight_server.config import ServerConfig
from flight_server.endpoint import Endpoint
from flight_server.proto import sql
from flight_server.service import FlightSqlService
from flight_server.service.listed_schemas import ListedSchemas
from flight_server.service.wire import wrap
from local_runtime import LocalRuntime
from tests.harness.server import serve

UNREADABLE = {
    "tens": pa.table({"a": pa.array([1200], pa.decimal128(5, -2))}),
    "large": pa.table({"a": pa.array([1], pa.decimal256(50, 0)), "b": [1]}),
}
NESTED = pa.field("item", pa.binary(16), metadata={"ARROW:extension:name": "arrow.uuid"})
READABLE = {
    "plain": pa.table({"x": [1, 2], "y": ["a", None]}),
    "uuids": pa.table({"u": pa.array([[b"0" * 16]], pa.list_(NESTED))}, pa.schema([("u", pa.list_(NESTED))])),
}
DAMAGED = ("gone", "no_parquet")
NAMES = {*UNREADABLE, *READABLE, *DAMAGED}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over tables that others wrote, of which some cannot be read, in two schemas."""
    folder = tmp_path_factory.mktemp("mixed")
    data = folder / "data"
    (data / "other.schema").mkdir(parents=True)
    for name, table in {**UNREADABLE, **READABLE, "gone": READABLE["plain"]}.items():
        lance.write_dataset(table, data / f"{name}.lance")
    for manifest in (data / "gone.lance" / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"no manifest")
    (data / "no_parquet.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    lance.write_dataset(UNREADABLE["tens"], data / "other.schema" / "tens.lance")
    with serve(data, folder / "server.log", "--threads", "2") as (uri, _):
        yield uri


@pytest.fixture
def cursor(mixed: str) -> Iterator[flight_sql.Cursor]:
    with flight_sql.connect(mixed, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


def read(cursor: flight_sql.Cursor, text: str) -> list[tuple[object, ...]]:
    cursor.execute(text)
    found: list[tuple[object, ...]] = cursor.fetchall()
    return found


def test_what_cannot_be_read_is_listed_and_hides_nothing(mixed: str, cursor: flight_sql.Cursor) -> None:
    for _ in range(2):  # the second time from what was kept
        assert {name for (name,) in read(cursor, "SHOW TABLES")} == NAMES
        assert len(read(cursor, "SHOW ALL TABLES")) == len(NAMES) + 1
        tables = read(cursor, "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL")
        assert tables == [*(("main", name) for name in sorted(NAMES)), ("other", "tens")]
        columns = "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY ALL"
        assert read(cursor, columns) == [
            ("plain", "x", "BIGINT"),
            ("plain", "y", "VARCHAR"),
            ("uuids", "u", "UUID[]"),
        ]
        with flight.connect(mixed) as client:
            listed = {info.descriptor.path[1].decode(): info.schema for info in client.list_flights()}
            command = wrap(sql.CommandGetTables(include_schema=True))
            info = client.get_flight_info(flight.FlightDescriptor.for_command(command))
            rows = client.do_get(info.endpoints[0].ticket).read_all().to_pylist()
        assert listed.keys() == NAMES
        assert {name for name, schema in listed.items() if len(schema)} == READABLE.keys()
        told = {row["table_name"]: pa.ipc.read_schema(pa.py_buffer(row["table_schema"])) for row in rows}
        assert {name: schema.names for name, schema in told.items() if len(schema)} == {
            "plain": ["x", "y"],
            "uuids": ["u"],
        }
        assert told.keys() == NAMES


@pytest.mark.parametrize("name", [*UNREADABLE, *DAMAGED, "other.tens"])
def test_what_cannot_be_read_is_reported_when_it_is_asked_for(cursor: flight_sql.Cursor, name: str) -> None:
    said = "cannot be read" if name in DAMAGED else '(?i)column "a"'
    for text in ("SELECT * FROM {}", "DESCRIBE {}", "SHOW COLUMNS FROM {}", "SELECT count(*) FROM {}"):
        with pytest.raises(flight_sql.Error, match=said):
            cursor.execute(text.format(name))


def test_what_can_be_read_is(cursor: flight_sql.Cursor) -> None:
    assert read(cursor, "SELECT y FROM plain WHERE x = 1") == [("a",)]
    assert read(cursor, "SELECT u[1]::VARCHAR FROM uuids") == [("30303030-3030-3030-3030-303030303030",)]
    assert read(cursor, "SHOW COLUMNS FROM plain") == [
        ("x", "BIGINT", "YES", None, None, None),
        ("y", "VARCHAR", "YES", None, None, None),
    ]


def test_schemas_are_those_in_which_the_session_gets_the_rows(mixed: str) -> None:
    with flight_sql.connect(mixed, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE moods AS SELECT 'low'::ENUM('low', 'high') AS mood")
        cursor.execute("CREATE VIEW moody AS SELECT mood FROM moods")
        try:
            for wanted in ("false", "true", "false"):
                connection.adbc_connection.set_options(**{"adbc.flight.sql.session.option.dictionaries": wanted})
                for name in ("moods", "moody"):
                    cursor.execute(f"SELECT * FROM {name}")
                    kind = cursor.fetch_arrow_table().schema.field("mood").type
                    assert pa.types.is_dictionary(kind) is (wanted == "true")
                    assert connection.adbc_get_table_schema(name).field("mood").type == kind
        finally:
            cursor.execute("DROP VIEW moody")
            cursor.execute("DROP TABLE moods")


# ---- the tables of information_schema


@pytest.mark.parametrize("kind", ["parquet", "ray"])
def test_the_information_schema_is_made_of_tables_on_both_runtimes(server_uri: Callable[[str], str], kind: str) -> None:
    with flight_sql.connect(server_uri(kind), autocommit=True) as connection, connection.cursor() as cursor:
        text = """SELECT t.table_name, count(*) AS n, min(c.column_name) AS least
            FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name)
            WHERE c.data_type <> 'DATE' GROUP BY ALL ORDER BY n DESC, 1 LIMIT 2"""
        assert read(cursor, text) == [("lineitem", 13, "l_comment"), ("part", 9, "p_brand")]
        text = "SELECT count(*) FROM information_schema.columns c, nation WHERE c.table_name = 'region'"
        assert read(cursor, text) == [(75,)]


def test_a_view_over_the_information_schema_tells_of_itself(cursor: flight_sql.Cursor) -> None:
    cursor.execute("CREATE VIEW told AS SELECT table_name, column_name FROM information_schema.columns")
    try:
        for _ in range(2):
            assert read(cursor, "SELECT * FROM told WHERE table_name = 'told'") == [
                ("told", "table_name"),
                ("told", "column_name"),
            ]
            assert len(read(cursor, "SELECT * FROM told")) == 5
            assert read(cursor, "DESCRIBE told")[0][:2] == ("table_name", "VARCHAR")
    finally:
        cursor.execute("DROP VIEW told")
    assert len(read(cursor, "SELECT * FROM information_schema.columns")) == 3


def test_the_information_schema_tells_of_what_was_changed(cursor: flight_sql.Cursor) -> None:
    text = "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = 'changing'"
    assert read(cursor, text) == []
    cursor.execute("CREATE TABLE changing (a INTEGER)")
    assert read(cursor, text) == [("a", "YES")]
    cursor.execute("ALTER TABLE changing ADD COLUMN b INTEGER")
    assert read(cursor, text) == [("a", "YES"), ("b", "YES")]
    cursor.execute("CREATE OR REPLACE TABLE changing (c INTEGER NOT NULL)")
    assert read(cursor, text) == [("c", "NO")]
    cursor.execute("CREATE TEMP TABLE changing (d INTEGER)")
    assert sorted(read(cursor, text)) == [("c", "NO"), ("d", "YES")]
    cursor.execute("DROP TABLE main.changing")
    assert read(cursor, text) == [("d", "YES")]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO information_schema.tables SELECT * FROM information_schema.tables",
        "UPDATE information_schema.tables SET table_name = 'x'",
        "DELETE FROM information_schema.columns",
        "DROP TABLE information_schema.columns",
        "CREATE TABLE information_schema.mine (x INTEGER)",
        "CREATE OR REPLACE TABLE information_schema.tables AS SELECT 1 AS x",
    ],
)
def test_the_information_schema_cannot_be_changed(cursor: flight_sql.Cursor, text: str) -> None:
    with pytest.raises(flight_sql.Error, match="nothing in it can be changed"):
        cursor.execute(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * FROM information_schema.colums", 'no table "information_schema.colums"; did you mean "columns"'),
        ("SELECT * FROM information_schema.tables AT (VERSION => 1)", "has no versions"),
    ],
)
def test_what_the_information_schema_has_not(cursor: flight_sql.Cursor, text: str, said: str) -> None:
    with pytest.raises(flight_sql.Error, match=said):
        cursor.execute(text)


# ---- how much is looked at


def test_each_version_is_opened_once_and_each_type_bound_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [pa.int64(), pa.string(), pa.list_(pa.date32()), pa.timestamp("us"), pa.bool_()]
    schema = pa.schema([(f"c{i}", kind) for i, kind in enumerate(kinds)])
    for table in range(80):  # more than stay open
        lance.write_dataset(schema.empty_table(), tmp_path / f"t{table}.lance")
    opened: list[str] = []
    bound: list[str] = []
    dataset = lance.dataset

    def opening(path: str, *args: object, **options: object) -> lance.LanceDataset:
        opened.append(Path(path).stem)
        return dataset(path, *args, **options)

    monkeypatch.setattr(lance, "dataset", opening)
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        describe, query = runtime.kernel._describe_fields, runtime.kernel.describe
        monkeypatch.setattr(
            runtime.kernel, "_describe_fields", lambda f: bound.extend(str(x.type) for x in f) or describe(f)
        )
        monkeypatch.setattr(runtime.kernel, "describe", lambda text, *a: bound.append(text) or query(text, *a))
        catalog = Catalog(runtime.storage, StoredViews(tmp_path))
        relations = Relations(runtime.frontend, catalog)
        listed_schemas = ListedSchemas(relations)
        catalog.columns = relations.columns
        session = Session()

        def listed() -> int:
            return catalog.snapshot(session).table(TableName("information_schema", "columns")).rows or 0

        for _ in range(3):
            assert listed() == 400
            snapshot = catalog.snapshot(session)
            for name, kind in catalog.relations(session):
                assert relations.schema(session, snapshot, name, kind) == schema
                listed_schemas.encode(session, snapshot, name, kind)
        assert sorted(opened) == sorted(f"t{table}" for table in range(80))
        assert bound == [str(kind) for kind in kinds]
        opened.clear()
        lance.write_dataset(schema.empty_table(), tmp_path / "t7.lance", mode="append")
        assert listed() == listed() == 400
        assert opened == ["t7"]
        assert len(bound) == len(kinds)


def test_what_is_wrong_with_a_table_is_logged_once_for_each_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lance.write_dataset(UNREADABLE["tens"], tmp_path / "tens.lance")
    (tmp_path / "no_parquet.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        catalog = Catalog(runtime.storage, StoredViews(tmp_path))
        relations = Relations(runtime.frontend, catalog)
        listed = ListedSchemas(relations)
        session = Session()

        def told() -> list[str]:
            caplog.clear()
            for _ in range(2):
                for name, kind in catalog.relations(session):
                    assert relations.columns(session, catalog.snapshot(session), name, kind) == ()
                    listed.encode(session, catalog.snapshot(session), name, kind)
            return sorted(record.getMessage().partition(":")[0] for record in caplog.records)

        unreadable = " has no columns that can be read"
        damaged = "A Parquet file of table main.no_parquet cannot be read"
        assert told() == [damaged, "main.no_parquet" + unreadable, "main.tens" + unreadable]
        assert told() == []
        lance.write_dataset(UNREADABLE["tens"], tmp_path / "tens.lance", mode="append")
        assert told() == ["main.tens" + unreadable]


def test_columns_of_parquet_files_that_hold_no_nulls_are_told(tmp_path: Path) -> None:
    required = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())])
    (tmp_path / "facts").mkdir()
    for i in (1, 2):
        facts = pa.table({"id": [i], "name": pa.nulls(1, pa.string())}, schema=required)
        pq.write_table(facts, tmp_path / "facts" / f"{i}.parquet")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        endpoint = Endpoint(
            FlightSqlService(runtime, ServerConfig().service, "test"),
            auth_handler=HandshakeHandler(Anonymous()),
            middleware={IDENTITY_KEY: IdentityFactory(Anonymous())},
        )
        try:
            _require_told(endpoint.location)
        finally:
            assert endpoint.shutdown()


def _require_told(uri: str) -> None:
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        told = connection.adbc_get_table_schema("facts")
        assert [field.nullable for field in told] == [False, True]
        for text in (
            "SELECT * FROM (DESCRIBE facts)",
            "DESCRIBE facts",
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 'facts'",
            """SELECT column_name, data_type, CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END
               FROM duckdb_columns() WHERE table_name = 'facts'""",
        ):
            cursor.execute(text)
            assert [row[:3] for row in cursor.fetchall()] == [("id", "BIGINT", "NO"), ("name", "VARCHAR", "YES")]
        cursor.execute("SELECT id, name FROM facts ORDER BY id")
        assert cursor.fetchall() == [(1, None), (2, None)]
