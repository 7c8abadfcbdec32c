"""Statements with effects, by ADBC and in the protocol's own steps: once, whole, and with the kernel's meaning."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import duckdb
import pyarrow as pa
import pytest
from google.protobuf.message import Message
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.flight_server.conftest import Served
from tests.flight_server.service.test_queries import Prepared
from tests.harness.server import serve


def run(cursor: flight_sql.Cursor, text: str, parameters: tuple[object, ...] | None = None) -> list[tuple[object, ...]]:
    cursor.execute(text, parameters)
    rows: list[tuple[object, ...]] = cursor.fetchall()
    return rows


def changed(cursor: flight_sql.Cursor, text: str, parameters: tuple[object, ...] | None = None) -> int:
    """How many rows a statement changed: the driver has it sent as an update, since its preparation says so."""
    cursor.execute(text, parameters)
    count: int = cursor.rowcount
    return count


def refused(cursor: flight_sql.Cursor, text: str, message: str) -> None:
    with pytest.raises(adbc_driver_manager.Error, match=message):
        run(cursor, text)


def descriptor(command: Message) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(wrap(command))


def update(client: flight.FlightClient, text: str) -> int:
    """CommandStatementUpdate by DoPut."""
    writer, reader = client.do_put(descriptor(sql.CommandStatementUpdate(query=text)), pa.schema([]))
    with writer:
        writer.done_writing()
        answer = reader.read()
    return sql.DoPutUpdateResult.FromString(answer.to_pybytes()).record_count


@contextmanager
def connected(uri: str) -> Iterator[flight_sql.Cursor]:
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def oracle() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


# Each statement runs here and in a DuckDB of its own; counts and rows are the same.
SAME = [
    "CREATE TABLE {t} (id INTEGER, name VARCHAR, price DECIMAL(10, 2), day DATE, tags VARCHAR[])",
    """INSERT INTO {t} VALUES (1, 'a', 1.25, '2024-02-29', ['x', NULL]), (2, NULL, 2.5, NULL, []),
       (3, 4, '7', NULL, NULL)""",
    "INSERT INTO {t} (price, id) VALUES (0.005, 4), (NULL, '5')",
    "INSERT INTO {t} (id, name) SELECT i, 'n' || i FROM range(10, 20) r(i)",
    "INSERT INTO {t} BY NAME SELECT 'by name' AS name, 30 AS id",
    "INSERT INTO {t} DEFAULT VALUES",
    "INSERT INTO {t} SELECT * FROM {t} WHERE id > 12",
    "UPDATE {t} SET price = price * 2, name = upper(name) WHERE id <= 3",
    "UPDATE {t} SET name = CASE WHEN x.id IS NULL THEN 'null' ELSE x.name END FROM_ALIAS",
    "UPDATE {t} SET id = id + 100, name = id WHERE name IS DISTINCT FROM 'n13' AND id > 10",
    "UPDATE {t} SET price = (SELECT max(price) FROM {t}) WHERE price IS NULL",
    "UPDATE {t} SET name = 'none' WHERE NULL",
    "UPDATE {t} SET name = u.v, price = u.p FROM (VALUES (1, 'one', 1), (2, 'two', 2)) u(k, v, p) WHERE u.k = id",
    """UPDATE {t} AS x SET name = a.v || b.v FROM (VALUES (2, 'p')) a(k, v), (VALUES (3, 'q')) b(k, v)
       WHERE a.k = x.id AND x.id + 1 = b.k AND EXISTS (SELECT 1 FROM {t} WHERE id = b.k)""",
    "DELETE FROM {t} USING range(16, 18) r(i), (VALUES (1), (2)) o(j) WHERE id = i AND j = 2",
    "WITH w(i) AS (SELECT 18 UNION ALL SELECT 19) DELETE FROM {t} WHERE id IN (SELECT i FROM w)",
    "WITH w AS (SELECT 15 AS i), {t} AS (SELECT 60 AS z) INSERT INTO {t} (id) SELECT i + z FROM w, {t}",
    "WITH w AS (SELECT 75 AS i, 'cte' AS v) UPDATE {t} SET name = v FROM w WHERE id = i",
    "DELETE FROM {t} WHERE id = 4 OR NULL",
    "DELETE FROM {t} AS d WHERE d.id IN (SELECT id FROM {t} GROUP BY id HAVING count(*) > 1)",
    "ALTER TABLE {t} ADD COLUMN more BIGINT DEFAULT 7",
    "ALTER TABLE {t} ADD COLUMN IF NOT EXISTS MORE VARCHAR",
    'ALTER TABLE {t} RENAME COLUMN name TO "The Name"',
    "ALTER TABLE {t} ALTER id SET DATA TYPE BIGINT",
    "ALTER TABLE {t} ALTER more TYPE VARCHAR USING more || '!'",
    "ALTER TABLE {t} DROP COLUMN day",
    "INSERT INTO {t} VALUES (1, 'x', 2, NULL, 'y')",
    "DELETE FROM {t} WHERE false",
    "INSERT INTO {t} (id) VALUES (99)",
    "ALTER TABLE {t} ALTER more SET DEFAULT upper('d') || 1",
    "INSERT INTO {t} (id, more) VALUES (98, DEFAULT), (97, 'given')",
    "ALTER TABLE {t} RENAME more TO still_more",
    "UPDATE {t} SET still_more = DEFAULT WHERE id = 97",
    "ALTER TABLE {t} ALTER still_more DROP DEFAULT",
    "INSERT INTO {t} DEFAULT VALUES",
    "CREATE OR REPLACE TABLE {t} AS SELECT *, 1.5 AS other FROM {t} WHERE id < 50",
    "TRUNCATE {t}",
    "CREATE OR REPLACE TABLE {t} (id INTEGER DEFAULT 5, name VARCHAR DEFAULT 'x' || 'y' NOT NULL, n BIGINT NULL)",
    "INSERT INTO {t} (n) SELECT 7",
    "INSERT INTO {t} BY NAME SELECT i AS id, 'n' || i AS name FROM range(10) r(i)",
    """MERGE INTO {t} USING (SELECT i, 'm' || i AS name, i * i AS n FROM range(8, 12) r(i)) s ON {t}.id = s.i
       WHEN MATCHED AND s.i = 9 THEN DELETE WHEN MATCHED THEN UPDATE SET name = {t}.name || s.name, n = s.n
       WHEN NOT MATCHED THEN INSERT VALUES (s.i, s.name, s.n)""",
    """MERGE INTO {t} AS t USING (SELECT 1 AS id UNION ALL SELECT 2 UNION ALL SELECT 50) AS s USING (id)
       WHEN MATCHED AND t.id = 1 THEN DO NOTHING WHEN MATCHED THEN UPDATE SET n = -1, name = DEFAULT
       WHEN NOT MATCHED BY SOURCE AND t.n = 7 THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = 0
       WHEN NOT MATCHED BY TARGET AND id > 1000 THEN DO NOTHING
       WHEN NOT MATCHED BY TARGET THEN INSERT (id) VALUES (s.id + 1)""",
    """MERGE INTO {t} USING (SELECT 3 AS n, 4 AS id, 'by name' AS name UNION ALL SELECT 5, 60, 'new') s ON s.id = {t}.id
       WHEN MATCHED THEN UPDATE BY NAME WHEN NOT MATCHED THEN INSERT BY NAME""",
    """MERGE INTO {t} USING (VALUES (4, CASE WHEN true THEN 'by place' END, 9), (61, 'other', 1)) s(a, b, c) ON a = id
       WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *""",
    """WITH s AS (SELECT 62 AS id UNION ALL SELECT 63) MERGE INTO {t} USING s ON s.id = {t}.id AND false
       WHEN NOT MATCHED AND s.id = 62 THEN INSERT DEFAULT VALUES WHEN NOT MATCHED THEN INSERT (id) VALUES (DEFAULT)""",
    # Several rows of the source may belong to a row of the table that only one of them changes.
    """MERGE INTO {t} USING (SELECT 4 AS id, 'k' AS k UNION ALL SELECT 4, 'j') s ON s.id = {t}.id
       WHEN MATCHED AND s.k = 'j' THEN UPDATE SET name = k WHEN NOT MATCHED BY SOURCE THEN DELETE""",
    "INSERT INTO {t} SELECT i, 'n' || i, i FROM range(70, 80) r(i)",
    "UPDATE {t} SET name = {t}::VARCHAR WHERE id % 2 = 0",
    "UPDATE {t} AS x SET name = (SELECT y.n FROM (SELECT x AS y)) || x.id WHERE id = 71",
    "UPDATE {t} SET name = (SELECT count(*) || ' rows' FROM (SELECT * FROM {t})) WHERE id IN (FROM range(72, 74))",
    "DELETE FROM {t} WHERE to_json({t}) LIKE '%n75%'",
    "MERGE INTO {t} USING (SELECT 77 AS id) s ON s.id = {t}.id WHEN MATCHED THEN UPDATE SET name = to_json({t})",
    "ALTER TABLE {t} ALTER name DROP NOT NULL",
    "UPDATE {t} SET name = NULL",
]


def test_statements_mean_what_the_kernel_means(
    cursor: flight_sql.Cursor, oracle: duckdb.DuckDBPyConnection, t: str
) -> None:
    compare(cursor, oracle, t)


def compare(cursor: flight_sql.Cursor, oracle: duckdb.DuckDBPyConnection, t: str) -> None:
    """Run the statements on both sides; after each, both have the same rows."""
    for statement in SAME:
        text = statement.replace("{t} SET name = CASE", "{t} x SET name = CASE").replace(" FROM_ALIAS", "")
        text = text.format(t=t)
        expected = oracle.execute(text).fetchall()
        has_count = text.startswith(("INSERT", "UPDATE", "DELETE", "TRUNCATE", "MERGE", "WITH")) or " AS SELECT" in text
        assert changed(cursor, text) == (expected[0][0] if has_count else 0), text
        assert run(cursor, f"SELECT * FROM {t} ORDER BY ALL") == oracle.sql(f"FROM {t} ORDER BY ALL").fetchall(), text
    columns = oracle.execute(f"DESCRIBE {t}").fetchall()
    assert [row[:2] for row in run(cursor, f"DESCRIBE {t}")] == [row[:2] for row in columns]


# Statements that write columns and rows with the schema of their table; {t} is a schema.
QUALIFIED = [
    "CREATE SCHEMA {t}",
    "CREATE TABLE {t}.u (a INTEGER, c VARCHAR)",
    "CREATE TABLE {t}.v (a INTEGER, d INTEGER)",
    "INSERT INTO {t}.u VALUES (1, 'x'), (2, 'y'), (3, NULL), (4, 'z')",
    "INSERT INTO {t}.v SELECT {t}.u.a, {t}.u.a * 10 FROM {t}.u WHERE {t}.u.a > 1",
    "UPDATE {t}.u SET c = {t}.u.c || {t}.u.a, a = -{t}.u.a WHERE {t}.u.a = 1",
    "UPDATE {t}.u SET c = {t}.u::VARCHAR WHERE {t}.u.c IS NULL",
    "UPDATE {t}.u SET c = (SELECT max({t}.v.d) FROM {t}.v WHERE {t}.v.a = {t}.u.a) WHERE {t}.u.a = 2",
    "UPDATE {t}.u SET c = {t}.v.d FROM {t}.v WHERE {t}.v.a = {t}.u.a AND {t}.v.a = 3",
    "DELETE FROM {t}.u WHERE {t}.u = {{'a': -1, 'c': 'x1'}}",
    "DELETE FROM {t}.u USING {t}.v WHERE {t}.v.a = {t}.u.a AND {t}.v.d = 40",
    "DELETE FROM {t}.v WHERE NOT EXISTS (FROM {t}.u WHERE {t}.u.a = {t}.v.a) AND {t}.v.a > 3",
    """MERGE INTO {t}.u USING {t}.v ON {t}.v.a = {t}.u.a WHEN MATCHED AND {t}.u.a = 2 THEN DELETE
       WHEN MATCHED THEN UPDATE SET c = {t}.u.c || {t}.v.d WHEN NOT MATCHED THEN INSERT VALUES ({t}.v.a, 'new')""",
    "INSERT INTO {t}.v VALUES (7, 70)",
    "UPDATE {t}.v SET d = length({t}.v::VARCHAR) WHERE {t}.v.a = 7",
    "CREATE TABLE {t}.{t} (a INTEGER, c VARCHAR)",
    "INSERT INTO {t}.{t} SELECT {t}.u.a, {t}.u.c FROM {t}.u",
    "UPDATE {t}.{t} SET c = {t}.{t}::VARCHAR, a = {t}.{t}.a + 1 WHERE {t}.{t}.a > 2",
    "DELETE FROM {t}.{t} WHERE ({t}.{t}).a IN (SELECT {t}.{t}.a + 2 FROM {t}.{t})",
    "INSERT INTO {t}.v SELECT {t}.a, length({t}.{t}::VARCHAR) FROM {t}.{t}",
    "MERGE INTO {t}.u USING {t}.v USING (a) WHEN NOT MATCHED THEN INSERT VALUES ({t}.v.a, to_json({t}.v))",
]


def test_columns_may_have_the_schema_of_their_table(
    cursor: flight_sql.Cursor, oracle: duckdb.DuckDBPyConnection, t: str
) -> None:
    for statement in QUALIFIED:
        text = statement.format(t=t)
        expected = oracle.execute(text).fetchall()
        assert changed(cursor, text) == (0 if text.startswith("CREATE") else expected[0][0]), text
        for table in ("u", "v") if "CREATE" not in text else ():
            rows = f"SELECT {t}.{table} FROM {t}.{table} ORDER BY {t}.{table}"
            assert run(cursor, rows) == oracle.sql(rows).fetchall(), text
    run(cursor, f"DROP SCHEMA {t} CASCADE")


def test_tables_of_one_name_are_told_apart_by_their_schemas(
    cursor: flight_sql.Cursor, oracle: duckdb.DuckDBPyConnection, t: str
) -> None:
    for text in (
        f"CREATE SCHEMA {t}",
        f"CREATE TABLE {t}.{t} AS SELECT i AS a, i * 10 AS c FROM range(4) r(i)",
        f"CREATE TABLE {t} AS SELECT i AS a, 'n' || i AS b FROM range(2, 6) r(i)",
        f"UPDATE {t}.{t} SET c = -main.{t}.a FROM main.{t} WHERE main.{t}.a = {t}.{t}.a",
        f"DELETE FROM {t}.{t} USING main.{t} WHERE main.{t}.a = {t}.{t}.a + 1",
        f"""MERGE INTO main.{t} USING {t}.{t} ON main.{t}.a = {t}.{t}.a
            WHEN NOT MATCHED THEN INSERT VALUES ({t}.{t}.a, {t}.{t}.c)""",
    ):
        oracle.execute(text.replace("main.", "memory.main."))
        run(cursor, text)
        for rows in (f"FROM main.{t} ORDER BY ALL", f"FROM {t}.{t} ORDER BY ALL") if "CREATE" not in text else ():
            assert run(cursor, rows) == oracle.sql(rows).fetchall(), text
    run(cursor, f"DROP SCHEMA {t} CASCADE")


def test_parameters(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} (id INTEGER, name VARCHAR)")
    insert = f"INSERT INTO {t} VALUES (?, upper(?))"
    assert cursor.adbc_prepare(insert).types == [pa.int32(), pa.string()]
    assert changed(cursor, insert, (1, "a")) == 1
    cursor.executemany(insert, [(i, f"n{i}") for i in range(2, 603)])
    assert cursor.rowcount == 601
    assert run(cursor, f"SELECT count(*), sum(id), count(DISTINCT name) FROM {t}") == [(602, sum(range(603)), 602)]
    assert changed(cursor, f"UPDATE {t} SET name = ? WHERE id BETWEEN ? AND ?", ("x", 10, 19)) == 10
    assert run(cursor, f"SELECT count(*) FROM {t} WHERE name = ?", ("x",)) == [(10,)]
    cursor.executemany(f"DELETE FROM {t} WHERE id = ?", [(1,), (2,), (1000,)])
    assert cursor.rowcount == 2
    with pytest.raises(adbc_driver_manager.Error, match="2 needed, 1 bound"):
        cursor.executemany(insert, [(1,)])


def test_a_statement_that_fails_in_the_middle_leaves_nothing(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} (id INTEGER)")
    refused(
        cursor, f"INSERT INTO {t} SELECT CASE WHEN i = 900000 THEN 'x' ELSE '1' END FROM range(1000000) r(i)", "convert"
    )
    with pytest.raises(adbc_driver_manager.Error, match="convert"):
        cursor.executemany(f"INSERT INTO {t} VALUES (?)", [(str(i),) for i in range(400)] + [("x",)])
    refused(cursor, f"UPDATE {t} SET id = 'x'", "convert") if run(cursor, f"SELECT count(*) FROM {t}") != [
        (0,)
    ] else None
    assert run(cursor, f"SELECT count(*) FROM {t}") == [(0,)]
    run(cursor, f"INSERT INTO {t} VALUES (1), (2)")
    refused(cursor, f"UPDATE {t} SET id = CASE id WHEN 1 THEN '5' ELSE 'x' END", "convert")
    assert run(cursor, f"SELECT id FROM {t} ORDER BY id") == [(1,), (2,)]


def test_effects_come_once_and_when_asked_for(client: flight.FlightClient, t: str) -> None:
    assert update(client, f"CREATE TABLE {t} AS SELECT 1 AS x") == 1
    command = descriptor(sql.CommandStatementQuery(query=f"INSERT INTO {t} SELECT x + 1 FROM {t}"))
    count = descriptor(sql.CommandStatementQuery(query=f"SELECT count(*) AS n FROM {t}"))

    def rows() -> object:
        return client.do_get(client.get_flight_info(count).endpoints[0].ticket).read_all()["n"][0].as_py()

    assert client.get_schema(command).schema.names == ["Count"]
    assert rows() == 1
    info = client.get_flight_info(command)
    assert rows() == 2
    for _ in range(3):
        assert client.do_get(info.endpoints[0].ticket).read_all()["Count"].to_pylist() == [1]
    assert rows() == 2
    assert update(client, f"SELECT * FROM {t}") == -1


def test_a_statement_with_effects_says_so_when_it_is_prepared(client: flight.FlightClient, t: str) -> None:
    update(client, f"CREATE TABLE {t} (x BIGINT)")
    prepared = Prepared(client, f"INSERT INTO {t} VALUES (?)")
    assert prepared.result.is_update
    assert prepared.result.dataset_schema == b""
    command = sql.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.handle)
    data = pa.table({"1": [1, 2, 3]})
    writer, reader = client.do_put(descriptor(command), data.schema)
    with writer:
        writer.write_table(data)
        writer.done_writing()
        answer = reader.read()
    assert sql.DoPutUpdateResult.FromString(answer.to_pybytes()).record_count == 3
    prepared.close()


def test_tables_that_are_there_or_not(cursor: flight_sql.Cursor, t: str) -> None:
    refused(cursor, f"DROP TABLE {t}", "no table")
    assert changed(cursor, f"DROP TABLE IF EXISTS {t}") == 0
    for missing in (f"no_such_schema.{t}", f"grism.no_such_schema.{t}", f"no_such_catalog.main.{t}", f"temp.{t}"):
        for text in ("DROP TABLE IF EXISTS {}", "DROP VIEW IF EXISTS {}", "ALTER TABLE IF EXISTS {} DROP COLUMN x"):
            assert changed(cursor, text.format(missing)) == 0
            refused(cursor, text.format(missing).replace("IF EXISTS ", ""), "There is no")
    run(cursor, f"CREATE TABLE {t} AS SELECT 1 AS x")
    refused(cursor, f"CREATE TABLE {t} (y INTEGER)", "is there already")
    run(cursor, f"CREATE TABLE IF NOT EXISTS {t} AS SELECT 2 AS x")
    assert run(cursor, f"SELECT x FROM {t}") == [(1,)]
    run(cursor, f"DROP TABLE {t}")
    refused(cursor, f"SELECT x FROM {t}", "no table")


def test_what_is_refused(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} (x INTEGER)")
    refused(cursor, "INSERT INTO region SELECT * FROM region", "read-only")
    refused(cursor, "DELETE FROM region", "read-only")
    refused(cursor, "DROP TABLE region", "read-only")
    refused(cursor, f"INSERT INTO {t} VALUES (1, 2)", "2 values for 1 columns")
    refused(cursor, f"INSERT INTO {t} SELECT 1, 2", "2 values for 1 columns")
    refused(cursor, f"INSERT INTO {t} (y) VALUES (1)", 'no column "y"; did you mean|no column "y"')
    refused(cursor, f"UPDATE {t} SET y = 1", 'no column "y"')
    refused(cursor, f"UPDATE {t} SET x = 1, x = 2", "set twice")
    refused(cursor, f"ALTER TABLE {t} DROP COLUMN x", "only column")
    for constraint in ("PRIMARY KEY", "UNIQUE", "CHECK (x > 1)", "REFERENCES region", "GENERATED ALWAYS AS (1)"):
        refused(cursor, f"CREATE TABLE {t}_2 (x INTEGER {constraint})", f"{constraint.split()[0]}.* is not handled")
        refused(cursor, f"ALTER TABLE {t} ADD COLUMN y INTEGER {constraint}", f"{constraint.split()[0]}.* not handled")
    refused(cursor, f"CREATE TABLE {t}_2 (x INTEGER, CONSTRAINT c UNIQUE (x))", "CONSTRAINT is not handled")
    refused(cursor, f"CREATE TABLE {t}_2 (x VARCHAR COLLATE nocase)", "COLLATE is not handled")
    refused(cursor, f"CREATE TABLE {t}_2 (x INTEGER DEFAULT (SELECT max(x) FROM {t}))", "reads tables")
    refused(cursor, f"CREATE TABLE {t}_2 (x INTEGER DEFAULT y)", 'no column "y"')
    refused(cursor, f"INSERT INTO {t} VALUES (1) RETURNING x", "RETURNING is not handled")
    refused(cursor, f"INSERT INTO {t} SELECT 1 ON CONFLICT DO NOTHING", "ON CONFLICT is not handled.*MERGE")
    refused(cursor, f"INSERT OR REPLACE INTO {t} VALUES (1)", "INSERT OR ... is not handled.*MERGE")
    for statement in ("BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK"):
        refused(cursor, statement, "no transactions")
    refused(cursor, f"CREATE TABLE {t}_2 AS SELECT * FROM read_csv('/etc/passwd')", "read_csv")
    refused(cursor, f"SELECT ?; DROP TABLE {t}", "Parameters belong to one statement")
    refused(cursor, f"UPDATE {t} SET x = (SELECT 1 FROM read_text('/etc/passwd'))", "read_text")
    refused(cursor, "CREATE INDEX i ON region (r_name)", "is made of Parquet files, and has no indexes")
    assert run(cursor, f"SELECT count(*) FROM {t}") == [(0,)]


def test_names_of_both_sides_are_ambiguous(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} AS SELECT 1 AS x, 2 AS y")
    source = "(SELECT 1 AS x, 3 AS z) s"
    refused(cursor, f"UPDATE {t} SET y = z FROM {source} WHERE x = 1", "Ambiguous")
    refused(cursor, f"DELETE FROM {t} USING {source} WHERE x = 1", "Ambiguous")
    refused(cursor, f"MERGE INTO {t} USING {source} ON {t}.x = s.x WHEN MATCHED THEN UPDATE SET y = x", "Ambiguous")
    refused(cursor, f"MERGE INTO {t} USING {source} ON x = 1 WHEN NOT MATCHED THEN INSERT VALUES (1, 2)", "Ambiguous")
    assert changed(cursor, f"UPDATE {t} SET y = z FROM {source} WHERE {t}.x = ? AND s.x = ?", (1, 1)) == 1
    assert run(cursor, f"SELECT * FROM {t}") == [(1, 3)]


def test_merge_changes_a_row_once(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} AS SELECT 1 AS x, 2 AS y")
    merge = f"MERGE INTO {t} USING range(3) r(i) ON x = 1 WHEN MATCHED THEN"
    refused(cursor, f"{merge} UPDATE SET y = i", "more than once")
    refused(cursor, f"{merge} DELETE", "more than once")
    merge = (
        f"MERGE INTO {t} USING (SELECT ?::INTEGER AS k, ?::INTEGER AS v) ON k = x WHEN MATCHED THEN UPDATE SET y = v"
    )
    cursor.executemany(f"{merge} WHEN NOT MATCHED THEN INSERT VALUES (k, v)", [(1, 20), (5, 50), (5, 51)])
    assert cursor.rowcount == 3
    assert run(cursor, f"SELECT * FROM {t} ORDER BY x") == [(1, 20), (5, 51)]


def test_columns_without_nulls(served: Served, connection: flight_sql.Connection, t: str) -> None:
    with connection.cursor() as cursor:
        run(cursor, f"CREATE TABLE {t} (x INTEGER NOT NULL, y INTEGER)")
        run(cursor, f"INSERT INTO {t} VALUES (1, 1)")
        refused(cursor, f"INSERT INTO {t} VALUES (2, 2), (NULL, 3)", "takes no NULLs")
        refused(cursor, f"INSERT INTO {t} (y) VALUES (2)", "takes no NULLs")
        refused(cursor, f"UPDATE {t} SET x = NULL", "takes no NULLs")
        run(cursor, f"ALTER TABLE {t} ADD COLUMN z INTEGER")
        run(cursor, f"ALTER TABLE {t} RENAME x TO key")
        refused(cursor, f"ALTER TABLE {t} ALTER z SET NOT NULL", "takes no NULLs")
        refused(cursor, f"INSERT INTO {t} (y) VALUES (2)", "takes no NULLs")
        data = pa.table({"key": pa.array([None, 1], pa.int32()), "y": pa.array([1, 1], pa.int32())})
        data = data.append_column("z", data["y"])
        with pytest.raises(adbc_driver_manager.Error, match="takes no NULLs"):
            cursor.adbc_ingest(t, data, mode="append")
        assert run(cursor, f"SELECT * FROM {t}") == [(1, 1, None)]


def test_defaults_come_from_statements_only(cursor: flight_sql.Cursor, t: str) -> None:
    text = b"(SELECT max(r_regionkey) FROM region)"
    field = pa.field("x", pa.int64(), metadata={b"grism.default": text, b"other": b"kept"})
    cursor.adbc_ingest(t, pa.table([pa.array([1])], schema=pa.schema([field])))
    run(cursor, f"INSERT INTO {t} DEFAULT VALUES")
    assert run(cursor, f"SELECT x FROM {t} ORDER BY ALL") == [(1,), (None,)]


def test_temporary_tables_by_sql(served: Served, cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TEMP TABLE {t} AS SELECT 1 AS x")
    assert changed(cursor, f"INSERT INTO {t} VALUES (2)") == 1
    assert changed(cursor, f"UPDATE {t} SET x = x + 10 WHERE x = 2") == 1
    assert run(cursor, f"SELECT x FROM temp.{t} ORDER BY x") == [(1,), (12,)]
    with flight_sql.connect(served.uri, autocommit=True) as other, other.cursor() as stranger:
        refused(stranger, f"SELECT * FROM {t}", "no table")
    run(cursor, f"DROP TABLE {t}")
    refused(cursor, f"SELECT * FROM {t}", "no table")


# ---- schemas


def test_schemas(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE SCHEMA {t}")
    run(cursor, f"CREATE SCHEMA IF NOT EXISTS {t}")
    refused(cursor, f"CREATE SCHEMA {t}", "is there already")
    run(cursor, f"CREATE TABLE {t}.a AS SELECT 1 AS x")
    run(cursor, f"CREATE VIEW {t}.v AS SELECT * FROM {t}.a")
    assert run(cursor, f"SELECT x FROM {t}.v") == [(1,)]
    refused(cursor, f"DROP SCHEMA {t}", "not empty")
    run(cursor, f"DROP TABLE {t}.a")
    refused(cursor, f"DROP SCHEMA {t}", "not empty")
    run(cursor, f"DROP VIEW {t}.v")
    run(cursor, f"DROP SCHEMA {t}")
    refused(cursor, f"CREATE TABLE {t}.a AS SELECT 1 AS x", "no schema")
    for name in ("temp", "INFORMATION_SCHEMA"):
        refused(cursor, f"CREATE SCHEMA {name}", "a meaning of its own")
    refused(cursor, "CREATE VIEW INFORMATION_SCHEMA.v AS SELECT 1 AS x", "no schema")


def test_tables_and_views_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    data, log = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("log")
    with serve(data, log / "1") as (uri, _), connected(uri) as cursor:
        run(cursor, "CREATE TABLE t AS SELECT 1 AS x")
        run(cursor, "CREATE VIEW v AS SELECT x + 1 AS y FROM t")
        run(cursor, "CREATE TEMP TABLE gone AS SELECT 1 AS x")
    with serve(data, log / "2") as (uri, _), connected(uri) as cursor:
        assert run(cursor, "SELECT y FROM v") == [(2,)]
        assert run(cursor, "SHOW TABLES") == [("t",), ("v",)]
    assert not list((data / ".sessions").iterdir())


def test_the_catalog_by_sql(connection: flight_sql.Connection, cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE SCHEMA {t}")
    run(cursor, f"CREATE TABLE {t}.a (id INTEGER, name VARCHAR)")
    run(cursor, f"CREATE VIEW {t}.v AS SELECT id + 1 AS next FROM {t}.a")
    query = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = ? ORDER BY 1"
    assert run(cursor, query, (t,)) == [("a", "BASE TABLE"), ("v", "VIEW")]
    query = f"""SELECT table_name, column_name, ordinal_position, data_type FROM information_schema.columns
                WHERE table_schema = '{t}' ORDER BY ALL"""
    assert run(cursor, query) == [("a", "id", 1, "INTEGER"), ("a", "name", 2, "VARCHAR"), ("v", "next", 1, "INTEGER")]
    assert (t,) in run(cursor, "SELECT schema_name FROM information_schema.schemata")
    assert (t, "v") in run(cursor, "SHOW ALL TABLES")
    assert (t,) in run(cursor, "SHOW SCHEMAS")
    for text in (f"SHOW TABLES FROM {t}", f"SHOW TABLES IN grism.{t.upper()}"):
        assert run(cursor, text) == [("a",), ("v",)]
    assert run(cursor, f"SHOW VIEWS FROM {t}") == [("v",)]
    assert {("a",), ("nation",)} <= set(run(cursor, "SHOW TABLES FROM grism"))
    assert run(cursor, "SHOW DATABASES") == [("grism",)]
    refused(cursor, "SHOW TABLES FROM nothing", "no schema")
    assert [row[:2] for row in run(cursor, f"DESCRIBE {t}.v")] == [("next", "INTEGER")]
    assert [row[:2] for row in run(cursor, "DESCRIBE SELECT 1 AS x, 'a' AS y")] == [("x", "INTEGER"), ("y", "VARCHAR")]
    assert connection.adbc_get_table_schema("v", db_schema_filter=t).names == ["next"]
    refused(cursor, "SELECT * FROM information_schema.nothing", "no table|no schema")


# ---- several at once


def test_nothing_is_lost_to_writers_at_once(served: Served, t: str) -> None:
    write_at_once(served.uri, t)


def write_at_once(uri: str, t: str, threads: int = 4, times: int = 4) -> None:
    """Statements of several connections on one table: each took effect once, or said that it conflicted."""
    with connected(uri) as cursor:
        run(cursor, f"CREATE TABLE {t} AS SELECT i AS k, 0 AS n FROM range({threads}) r(i)")

    def write(k: int) -> tuple[int, int]:
        """How many updates and how many inserts took effect."""
        done = {"update": 0, "insert": 0}
        with connected(uri) as cursor:
            for i in range(times):
                update = (
                    f"UPDATE {t} SET n = n + 1 WHERE k < {threads}"
                    if i % 2
                    else f"MERGE INTO {t} USING range({threads}) r(i) ON i = k WHEN MATCHED THEN UPDATE SET n = n + 1"
                )
                for kind, text in ("update", update), ("insert", f"INSERT INTO {t} VALUES ({100 + k}, 1)"):
                    try:
                        run(cursor, text)
                        done[kind] += 1
                    except adbc_driver_manager.OperationalError as error:
                        if "ConflictError" not in str(error):
                            raise
        return done["update"], done["insert"]

    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(write, range(threads)))
    with connected(uri) as cursor:
        updates = sum(n for n, _ in done)
        assert updates > 0
        assert run(cursor, f"SELECT k, n FROM {t} WHERE k < {threads} ORDER BY k") == [
            (k, updates) for k in range(threads)
        ]
        assert run(cursor, f"SELECT k, count(*) FROM {t} WHERE k >= 100 GROUP BY k ORDER BY k") == [
            (100 + k, inserts) for k, (_, inserts) in enumerate(done)
        ]
