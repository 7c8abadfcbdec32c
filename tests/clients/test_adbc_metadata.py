"""The ADBC driver's metadata and ingest: every depth with patterns, table schemas, info, every mode."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest

from tests.clients.values import VALUES


@pytest.fixture(scope="module")
def filled(uri: str) -> Iterator[str]:
    """The server with two more schemas' worth of names to tell apart: `odd`, and names with LIKE's own characters."""
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in (
            "CREATE SCHEMA odd",
            'CREATE TABLE odd."a_b" AS SELECT 1 AS x',
            'CREATE TABLE odd."axb" AS SELECT 1 AS x',
            'CREATE TABLE odd."a%b" AS SELECT 1 AS x',
            "CREATE VIEW odd.seen AS SELECT n_name FROM main.nation",
        ):
            cursor.execute(statement)
        yield uri
        for name in ("a_b", "axb", "a%b"):
            cursor.execute(f'DROP TABLE odd."{name}"')
        cursor.execute("DROP VIEW odd.seen")
        cursor.execute("DROP SCHEMA odd")


@pytest.fixture
def inside(filled: str) -> Iterator[flight_sql.Connection]:
    with flight_sql.connect(filled, autocommit=True) as connection:
        yield connection


def objects(connection: flight_sql.Connection, **filters: object) -> dict[str, dict[str, list[object] | None]]:
    """Column names by schema and table; None where the depth leaves them out."""
    (catalog,) = connection.adbc_get_objects(**filters).read_all().to_pylist()
    assert catalog["catalog_name"] == "grism"
    return {
        schema["db_schema_name"]: {
            table["table_name"]: None
            if table["table_columns"] is None
            else [column["column_name"] for column in table["table_columns"]]
            for table in schema["db_schema_tables"] or ()
        }
        for schema in catalog["catalog_db_schemas"] or ()
    }


def test_each_depth(inside: flight_sql.Connection) -> None:
    assert objects(inside, depth="catalogs") == {}
    assert objects(inside, depth="db_schemas") == {"main": {}, "odd": {}}
    tables = objects(inside, depth="tables")
    assert {"nation", "region", "orders"} <= tables["main"].keys()
    assert set(tables["odd"].values()) == {None}
    everything = objects(inside, depth="all")
    assert everything["main"]["nation"] == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]
    assert everything["odd"]["seen"] == ["n_name"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"table_name_filter": "a_b"}, {"odd": {"a_b", "axb", "a%b"}}),
        ({"table_name_filter": r"a\_b"}, {"odd": {"a_b"}}),
        ({"table_name_filter": r"a\%b"}, {"odd": {"a%b"}}),
        ({"table_name_filter": "%ation", "db_schema_filter": "m%"}, {"main": {"nation"}}),
        ({"db_schema_filter": "o__"}, {"odd": {"a_b", "axb", "a%b", "seen"}}),
        ({"table_types_filter": ["VIEW"]}, {"odd": {"seen"}}),
        ({"table_name_filter": "nosuch"}, {}),
        ({"catalog_filter": "grism", "table_name_filter": "region"}, {"main": {"region"}}),
    ],
)
def test_patterns(inside: flight_sql.Connection, filters: dict[str, object], found: dict[str, set[str]]) -> None:
    tables = objects(inside, depth="tables", **filters)
    assert {schema: set(names) for schema, names in tables.items() if names} == found


def test_another_catalog_has_nothing(inside: flight_sql.Connection) -> None:
    assert inside.adbc_get_objects(depth="all", catalog_filter="other").read_all().num_rows == 0


def test_what_a_tool_reads_about_a_column(inside: flight_sql.Connection) -> None:
    (catalog,) = inside.adbc_get_objects(depth="all", table_name_filter="orders").read_all().to_pylist()
    (table,) = catalog["catalog_db_schemas"][0]["db_schema_tables"]
    columns = {column["column_name"]: column for column in table["table_columns"]}
    assert {name: column["xdbc_type_name"] for name, column in columns.items()} == {
        "o_orderkey": "BIGINT",
        "o_custkey": "BIGINT",
        "o_orderstatus": "VARCHAR",
        "o_totalprice": "DECIMAL",
        "o_orderdate": "DATE",
        "o_orderpriority": "VARCHAR",
        "o_clerk": "VARCHAR",
        "o_shippriority": "INTEGER",
        "o_comment": "VARCHAR",
    }
    assert [column["ordinal_position"] for column in columns.values()] == list(range(1, 10))
    assert table["table_constraints"] == []


def test_table_schemas(inside: flight_sql.Connection) -> None:
    schema = inside.adbc_get_table_schema("nation")
    assert schema.names == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]
    assert inside.adbc_get_table_schema("seen", db_schema_filter="odd").names == ["n_name"]
    assert inside.adbc_get_table_schema("nation", catalog_filter="grism", db_schema_filter="main") == schema
    for where in ({}, {"db_schema_filter": "odd"}, {"catalog_filter": "other"}):
        with pytest.raises(adbc_driver_manager.Error, match=r"(?i)not.?found|no table"):
            inside.adbc_get_table_schema("nosuch" if not where else "nation", **where)


def test_the_session_has_a_catalog_and_a_schema(inside: flight_sql.Connection) -> None:
    assert (inside.adbc_current_catalog, inside.adbc_current_db_schema) == ("grism", "main")
    inside.adbc_current_db_schema = "odd"
    with inside.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM seen").fetchall() == [(25,)]
    assert inside.adbc_current_db_schema == "odd"
    for change in ({"adbc_current_db_schema": "nosuch"}, {"adbc_current_catalog": "other"}):
        with pytest.raises(adbc_driver_manager.Error):
            setattr(inside, *next(iter(change.items())))


def test_info_and_table_types(inside: flight_sql.Connection) -> None:
    info = inside.adbc_get_info()
    assert info["vendor_name"] == "grism"
    assert info["vendor_arrow_version"] == pa.__version__
    assert inside.adbc_get_table_types() == ["LOCAL TEMPORARY", "TABLE", "VIEW"]


# ---- ingest


@pytest.mark.parametrize("temporary", [False, True])
def test_every_mode_of_ingest(uri: str, temporary: bool) -> None:
    data, name = pa.table({"x": [1, 2, None]}), f"ingested_{temporary}"
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:

        def ingest(mode: str) -> list[int | None]:
            assert cursor.adbc_ingest(name, data, mode=mode, temporary=temporary) == 3
            return cursor.execute(f"SELECT x FROM {name}").fetch_arrow_table()["x"].to_pylist()

        with pytest.raises(adbc_driver_manager.Error):
            ingest("append")
        assert ingest("create") == [1, 2, None]
        with pytest.raises(adbc_driver_manager.Error, match="is there already"):
            ingest("create")
        assert len(ingest("append")) == 6
        assert len(ingest("create_append")) == 9
        assert ingest("replace") == [1, 2, None]
        found = objects(connection, depth="tables", table_name_filter=name)
        assert [schema for schema, tables in found.items() if tables] == ["temp" if temporary else "main"]
        cursor.execute(f"DROP TABLE {name}")


def test_ingest_takes_batches_readers_and_frames(cursor: flight_sql.Cursor) -> None:
    table = pa.table({"x": range(100_000), "s": ["text"] * 100_000})
    assert cursor.adbc_ingest("ingested", table.to_batches(max_chunksize=1000)[0], mode="create") == 1000
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1000))
    assert cursor.adbc_ingest("ingested", reader, mode="append", db_schema_name="main", catalog_name="grism") == 100_000
    empty = pa.RecordBatch.from_pylist([], schema=table.schema)
    assert cursor.adbc_ingest("ingested", empty, mode="append") == 0
    assert cursor.execute("SELECT count(*), sum(x) FROM ingested").fetchone() == (101_000, 4_999_950_000 + 499_500)
    cursor.execute("DROP TABLE ingested")


STORED = [name for name in VALUES if name != "month_day_nano_interval"]


@pytest.mark.parametrize("values", [VALUES[name] for name in STORED], ids=STORED)
def test_columns_of_every_type_come_back_as_they_were(cursor: flight_sql.Cursor, values: pa.Array) -> None:
    cursor.adbc_ingest("ingested_type", pa.table({"x": values}), mode="replace")
    assert cursor.execute("SELECT x FROM ingested_type").fetch_arrow_table()["x"].to_pylist() == values.to_pylist()


@pytest.mark.parametrize("kind", [pa.decimal256(50, 2), pa.decimal128(5, -2), pa.list_(pa.decimal256(50, 2))])
def test_columns_that_cannot_be_stored_are_refused_by_name(cursor: flight_sql.Cursor, kind: pa.DataType) -> None:
    with pytest.raises(adbc_driver_manager.Error, match=r'[cC]olumn "x" has the type .*decimal'):
        cursor.adbc_ingest("ingested_refused", pa.table({"x": pa.nulls(1, kind)}), mode="create")
    with pytest.raises(adbc_driver_manager.Error, match="no table"):
        cursor.execute("SELECT * FROM ingested_refused")
