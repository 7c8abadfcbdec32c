"""Metadata commands over the wire: exact schemas, filters, and what drivers make of them."""

from __future__ import annotations

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import duckdb
import pyarrow as pa
import pytest
from google.protobuf.message import Message
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service import schemas
from flight_server.service.wire import wrap
from flight_server.service.xdbc import TYPES

COMMANDS: list[tuple[Message, pa.Schema]] = [
    (sql.CommandGetSqlInfo(), schemas.SQL_INFO),
    (sql.CommandGetXdbcTypeInfo(), schemas.XDBC_TYPE_INFO),
    (sql.CommandGetCatalogs(), schemas.CATALOGS),
    (sql.CommandGetDbSchemas(), schemas.SCHEMAS),
    (sql.CommandGetTables(), schemas.TABLES),
    (sql.CommandGetTables(include_schema=True), schemas.TABLES_WITH_SCHEMA),
    (sql.CommandGetTableTypes(), schemas.TABLE_TYPES),
    (sql.CommandGetPrimaryKeys(table="nation"), schemas.PRIMARY_KEYS),
    (sql.CommandGetExportedKeys(table="nation"), schemas.FOREIGN_KEYS),
    (sql.CommandGetImportedKeys(table="nation"), schemas.FOREIGN_KEYS),
    (sql.CommandGetCrossReference(pk_table="nation", fk_table="region"), schemas.FOREIGN_KEYS),
]


def ask(client: flight.FlightClient, command: Message) -> pa.Table:
    info = client.get_flight_info(flight.FlightDescriptor.for_command(wrap(command)))
    return client.do_get(info.endpoints[0].ticket).read_all()


@pytest.mark.parametrize(("command", "schema"), COMMANDS, ids=lambda value: type(value).__name__)
def test_schema_info_and_stream_agree_to_the_letter(
    client: flight.FlightClient, command: Message, schema: pa.Schema
) -> None:
    descriptor = flight.FlightDescriptor.for_command(wrap(command))
    info = client.get_flight_info(descriptor)
    assert client.get_schema(descriptor).schema.equals(schema, check_metadata=True)
    assert info.schema.equals(schema, check_metadata=True)
    table = client.do_get(info.endpoints[0].ticket).read_all()
    assert table.schema.equals(schema, check_metadata=True)
    table.validate(full=True)
    for field, column in zip(schema, table.columns, strict=True):
        assert field.nullable or column.null_count == 0


def test_catalogs_schemas_and_types(client: flight.FlightClient) -> None:
    assert ask(client, sql.CommandGetCatalogs()).to_pylist() == [{"catalog_name": "grism"}]
    assert {"catalog_name": "grism", "db_schema_name": "main"} in ask(client, sql.CommandGetDbSchemas()).to_pylist()
    assert ask(client, sql.CommandGetDbSchemas(db_schema_filter_pattern="m_in"))["db_schema_name"].to_pylist() == [
        "main"
    ]
    assert ask(client, sql.CommandGetDbSchemas(catalog="other")).num_rows == 0
    assert ask(client, sql.CommandGetTableTypes())["table_type"].to_pylist() == ["LOCAL TEMPORARY", "TABLE", "VIEW"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (sql.CommandGetTables(), {"nation", "region", "lineitem", "orders", "broken"}),
        (sql.CommandGetTables(catalog="grism", db_schema_filter_pattern="main"), {"nation", "broken"}),
        (sql.CommandGetTables(table_name_filter_pattern="%tion"), {"nation"}),
        (sql.CommandGetTables(table_name_filter_pattern="NATION"), {"nation"}),
        (sql.CommandGetTables(table_types=["VIEW", "TABLE"]), {"nation"}),
        (sql.CommandGetTables(table_types=["BASE TABLE"]), {"nation"}),
        (sql.CommandGetTables(table_types=["base table", "view"]), {"nation"}),
        (sql.CommandGetTables(table_types=["table"]), {"nation"}),
    ],
)
def test_tables_that_pass_filters(client: flight.FlightClient, command: sql.CommandGetTables, found: set[str]) -> None:
    assert found <= set(ask(client, command)["table_name"].to_pylist())


@pytest.mark.parametrize(
    "command",
    [
        sql.CommandGetTables(catalog=""),
        sql.CommandGetTables(catalog="other"),
        sql.CommandGetTables(db_schema_filter_pattern=""),
        sql.CommandGetTables(table_name_filter_pattern="natio"),
        sql.CommandGetTables(table_types=["VIEW"]),
        sql.CommandGetTables(table_types=["TEMPORARY TABLE"]),
        sql.CommandGetTables(table_types=["SYSTEM TABLE"]),
    ],
)
def test_tables_that_do_not(client: flight.FlightClient, command: sql.CommandGetTables) -> None:
    assert ask(client, command).num_rows == 0


def test_table_schemas_are_those_of_queries(client: flight.FlightClient) -> None:
    rows = ask(client, sql.CommandGetTables(include_schema=True)).to_pylist()
    said = {row["table_name"]: pa.ipc.read_schema(pa.py_buffer(row["table_schema"])) for row in rows}
    path = flight.FlightDescriptor.for_path("lineitem")
    assert said["lineitem"].equals(client.get_schema(path).schema)
    price = said["lineitem"].field("l_extendedprice").metadata
    assert price[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"DECIMAL"
    assert (price[b"ARROW:FLIGHT:SQL:PRECISION"], price[b"ARROW:FLIGHT:SQL:SCALE"]) == (b"15", b"2")


def test_a_broken_file_hides_no_other_table(client: flight.FlightClient) -> None:
    rows = ask(client, sql.CommandGetTables(include_schema=True)).to_pylist()
    said = {row["table_name"]: pa.ipc.read_schema(pa.py_buffer(row["table_schema"])) for row in rows}
    assert len(said["broken"]) == 0
    assert len(said["nation"]) == 4


def test_a_view_that_cannot_be_planned_hides_no_other(client: flight.FlightClient, cursor: flight_sql.Cursor) -> None:
    """Of views that each read the one before twice, one more at the bottom makes the top too much."""
    doubling = [f"doubling_{level}" for level in range(8)]
    columns = "SELECT table_name, data_type FROM information_schema.columns WHERE table_name LIKE 'doubling%'"
    try:
        for name, before in zip(doubling, ["(SELECT 1 AS x)", *doubling], strict=False):
            cursor.execute(f"CREATE VIEW {name} AS SELECT a.x FROM {before} a, {before} b")
        cursor.execute("CREATE VIEW base AS SELECT 'a' AS x")
        cursor.execute(f"CREATE OR REPLACE VIEW {doubling[0]} AS SELECT a.x FROM base a, base b")
        for _ in range(2):
            rows = ask(client, sql.CommandGetTables(include_schema=True)).to_pylist()
            said = {row["table_name"]: pa.ipc.read_schema(pa.py_buffer(row["table_schema"])) for row in rows}
            assert said[doubling[-2]].types == [pa.string()]
            assert len(said[doubling[-1]]) == 0
            cursor.execute(columns + " ORDER BY 1")
            assert cursor.fetchall() == [(name, "VARCHAR") for name in doubling[:-1]]
        cursor.execute("CREATE OR REPLACE VIEW base AS SELECT 1 AS x")
        cursor.execute(columns + " ORDER BY 1")
        assert cursor.fetchall() == [(name, "INTEGER") for name in doubling[:-1]]
    finally:
        for name in ["base", *doubling]:
            cursor.execute(f"DROP VIEW IF EXISTS {name}")


def test_xdbc_types_by_code(client: flight.FlightClient) -> None:
    table = ask(client, sql.CommandGetXdbcTypeInfo())
    assert table["type_name"].to_pylist() == [t.type_name for t in TYPES]
    assert table["data_type"].to_pylist() == sorted(table["data_type"].to_pylist())
    assert ask(client, sql.CommandGetXdbcTypeInfo(data_type=12))["type_name"].to_pylist() == ["VARCHAR"]
    assert ask(client, sql.CommandGetXdbcTypeInfo(data_type=0)).num_rows == 0


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.type_name)
def test_xdbc_types_are_types_of_the_dialect(cursor: flight_sql.Cursor, kind: object) -> None:
    name = kind.type_name  # type: ignore[attr-defined]
    cursor.execute(f"SELECT CAST(NULL AS {name}) AS x")
    assert cursor.fetchall() == [(None,)]


def test_adbc_sees_the_catalog(connection: flight_sql.Connection) -> None:
    (catalog,) = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    assert catalog["catalog_name"] == "grism"
    (main,) = [s for s in catalog["catalog_db_schemas"] if s["db_schema_name"] == "main"]
    nation = next(t for t in main["db_schema_tables"] if t["table_name"] == "nation")
    assert [c["column_name"] for c in nation["table_columns"]] == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]
    assert connection.adbc_get_table_types() == ["LOCAL TEMPORARY", "TABLE", "VIEW"]


def test_adbc_get_table_schema(connection: flight_sql.Connection) -> None:
    assert connection.adbc_get_table_schema("nation").names == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]
    with pytest.raises(flight_sql.ProgrammingError, match="No table found"):
        connection.adbc_get_table_schema("no_such_table")


def test_the_schema_of_a_name_alone_is_that_of_what_a_query_of_it_reads(writer: flight_sql.Connection, t: str) -> None:
    schema = f"aaa_{t}"  # before "main"
    with writer.cursor() as cursor:
        for text in (
            f"CREATE SCHEMA {schema}",
            f"CREATE TABLE {schema}.{t} AS SELECT 1 AS first",
            f"CREATE TABLE {t} AS SELECT 1 AS main",
        ):
            cursor.execute(text)
        assert writer.adbc_get_table_schema(t).names == ["main"]
        assert writer.adbc_get_table_schema(t, db_schema_filter=schema).names == ["first"]
        cursor.execute(f"USE {schema}")
        assert writer.adbc_get_table_schema(t).names == ["first"]
        cursor.execute(f"CREATE TEMP TABLE {t} AS SELECT 1 AS temporary")
        assert writer.adbc_get_table_schema(t).names == ["temporary"]
        for text in ("USE main", f"DROP TABLE temp.main.{t}", f"DROP TABLE {t}", f"DROP SCHEMA {schema} CASCADE"):
            cursor.execute(text)


def test_the_information_schema_says_which_tables_take_rows(cursor: flight_sql.Cursor) -> None:
    cursor.execute("CREATE TABLE takes_rows AS SELECT 1 AS x")
    cursor.execute("CREATE VIEW shows_rows AS SELECT x FROM takes_rows")
    cursor.execute("CREATE TEMP TABLE takes_rows_for_a_while AS SELECT 1 AS x")
    try:
        cursor.execute("SELECT table_name, is_insertable_into FROM information_schema.tables")
        said = dict(cursor.fetchall())
    finally:
        cursor.execute("DROP VIEW shows_rows")
        cursor.execute("DROP TABLE takes_rows")
    assert said["takes_rows"] == said["takes_rows_for_a_while"] == "YES"
    assert said["nation"] == said["broken"] == said["shows_rows"] == "NO"


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
def test_columns_say_what_they_take_and_what_they_get(cursor: flight_sql.Cursor, kind: str) -> None:
    cursor.execute(
        f"""CREATE {kind} takes
            (a INTEGER NOT NULL, b VARCHAR DEFAULT 'x' || 1, c DATE DEFAULT DATE '2024-01-01' NOT NULL)"""
    )
    cursor.execute("CREATE VIEW main.shows AS SELECT 1 AS a")
    said = [("a", "NO", None), ("b", "YES", "'x' || 1"), ("c", "NO", "DATE '2024-01-01'")]
    query = "SELECT column_name, is_nullable, column_default FROM information_schema.columns WHERE table_name = "
    try:
        for text in ("DESCRIBE takes", "SHOW COLUMNS FROM takes", "DESCRIBE TABLE Takes"):
            cursor.execute(text)
            assert [(row[0], row[2], row[4]) for row in cursor.fetchall()] == said
        cursor.execute(f"{query} 'takes' ORDER BY ordinal_position")
        assert cursor.fetchall() == said
        cursor.execute(f"{query} 'shows'")
        assert cursor.fetchall() == [("a", "YES", None)]
        cursor.execute("DESCRIBE shows")
        assert cursor.fetchall() == [("a", "INTEGER", "YES", None, None, None)]
    finally:
        cursor.execute("DROP VIEW shows")
        cursor.execute("DROP TABLE takes")


def test_the_information_schema_has_the_columns_of_the_dialect(cursor: flight_sql.Cursor) -> None:
    with duckdb.connect() as dialect:
        for name in (
            "schemata",
            "tables",
            "columns",
            "views",
            "table_constraints",
            "key_column_usage",
            "referential_constraints",
            "constraint_column_usage",
        ):
            columns = dialect.execute(f"DESCRIBE information_schema.{name}").fetchall()
            cursor.execute(f"DESCRIBE information_schema.{name}")
            assert [row[:2] for row in cursor.fetchall()] == [row[:2] for row in columns]
    for name in ("table_constraints", "key_column_usage", "referential_constraints", "constraint_column_usage"):
        cursor.execute(f"SELECT * FROM information_schema.{name}")
        assert cursor.fetchall() == []


def test_the_information_schema_tells_precisions(cursor: flight_sql.Cursor) -> None:
    told = {
        "UTINYINT": (8, 2, 0, None),
        "INTEGER": (32, 2, 0, None),
        "HUGEINT": (128, 2, 0, None),
        "DECIMAL(12,3)": (12, 10, 3, None),
        "DOUBLE": (53, 2, None, None),
        "VARCHAR": (None, None, None, None),
        "INTEGER[]": (None, None, None, None),
        "DATE": (None, None, None, 0),
        "TIMESTAMP": (None, None, None, 6),
        "TIMESTAMP_MS": (None, None, None, 3),
        "TIMESTAMP WITH TIME ZONE": (None, None, None, 6),
    }
    items = ", ".join(f"NULL::{kind} AS c{i}" for i, kind in enumerate(told))
    cursor.execute(f"CREATE VIEW precise AS SELECT {items}")
    try:
        cursor.execute(
            """SELECT data_type, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision
               FROM information_schema.columns WHERE table_name = 'precise' ORDER BY ordinal_position"""
        )
        assert cursor.fetchall() == [(kind, *rest) for kind, rest in told.items()]
    finally:
        cursor.execute("DROP VIEW precise")


def test_the_information_schema_tells_views(cursor: flight_sql.Cursor) -> None:
    cursor.execute("CREATE VIEW two (x, y) AS SELECT 1, 2")
    try:
        cursor.execute("SELECT view_definition, is_updatable FROM information_schema.views WHERE table_name = 'two'")
        ((definition, updatable),) = cursor.fetchall()
        cursor.execute("DROP VIEW two")
        cursor.execute(definition)
        cursor.execute("SELECT x, y FROM two")
        assert (cursor.fetchall(), updatable) == ([(1, 2)], "NO")
    finally:
        cursor.execute("DROP VIEW two")


def test_columns_that_take_no_nulls_are_told(writer: flight_sql.Connection, t: str) -> None:
    """In GetTables' schemas, which `adbc_get_table_schema` and JDBC's getColumns read; those of results are as ever."""
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {t} (id BIGINT NOT NULL, name VARCHAR)")
        told = writer.adbc_get_table_schema(t)
        assert [field.nullable for field in told] == [False, True]
        cursor.execute(f"ALTER TABLE {t} ALTER COLUMN name SET NOT NULL")
        assert [field.nullable for field in writer.adbc_get_table_schema(t)] == [False, False]
        cursor.execute(f"SELECT * FROM {t}")
        assert [field.nullable for field in cursor.fetch_arrow_table().schema] == [True, True]
        cursor.execute(f"DROP TABLE {t}")


@pytest.mark.parametrize("temporary", [False, True])
def test_fields_of_uploads_that_take_no_nulls_are_columns_that_take_none(
    writer: flight_sql.Connection, t: str, temporary: bool
) -> None:
    required = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("price", pa.decimal32(7, 2))])
    data = pa.table({"id": [1, 2], "price": pa.array([1, None], pa.decimal32(7, 2))}, schema=required)
    with writer.cursor() as cursor:
        assert cursor.adbc_ingest(t, data, mode="create", temporary=temporary) == 2
        assert [field.nullable for field in writer.adbc_get_table_schema(t)] == [False, True]
        cursor.execute(f"DESCRIBE {t}")
        assert [row[2] for row in cursor.fetchall()] == ["NO", "YES"]
        missing = pa.table({"id": pa.array([3, None], pa.int64())})
        with pytest.raises(adbc_driver_manager.Error, match=r'"id".* takes no NULLs'):
            cursor.adbc_ingest(t, missing, mode="append", temporary=temporary)
        with pytest.raises(adbc_driver_manager.Error, match=r'"id".* takes no NULLs'):
            cursor.execute(f"INSERT INTO {t} VALUES (NULL, 1)")
        cursor.execute(f"SELECT count(*) FROM {t}")
        assert cursor.fetchall() == [(2,)]
        cursor.execute(f"DROP TABLE {t}")
