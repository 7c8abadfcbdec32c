"""One text on the same tables has the same answer, whoever asks: a client of a server, a program, the command line.

Every statement here goes through each door, in this order; answers, schemas and errors are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest

import grism
from engine.runtime import Runtime
from flight_server.cli.main import main
from tests.grism.test_connection import Kept
from tests.harness.server import serve

STATEMENTS = """
CREATE SCHEMA doors
CREATE SCHEMA doors
CREATE SCHEMA IF NOT EXISTS doors
CREATE TABLE doors.t (id BIGINT NOT NULL DEFAULT 7, name VARCHAR, price DECIMAL(9, 2), at TIMESTAMP)
CREATE TABLE doors.t (id BIGINT)
DESCRIBE doors.t
SELECT * FROM (DESCRIBE doors.t)
SHOW COLUMNS FROM doors.t
SELECT column_name, "null" FROM (DESCRIBE doors.t) WHERE "default" IS NOT NULL
INSERT INTO doors.t (name, price) VALUES ('a', 1.5), ('b', NULL)
INSERT INTO doors.t SELECT i, 'n' || i, i / 4, TIMESTAMP '2024-02-29 12:00:00' FROM range(1, 6) r(i)
INSERT INTO doors.t (id) VALUES (NULL)
INSERT INTO doors.t (nope) VALUES (1)
SELECT * FROM doors.t ORDER BY ALL
SELECT id, count(*) AS n FROM doors.t GROUP BY id ORDER BY id
SELECT nope FROM doors.t
SELECT * FROM doors.nope
SELEC 1
SELECT 1; SELECT 2
SELECT 1; SELEC 2
CREATE SCHEMA once; CREATE TABLE once.t AS SELECT 1 AS a; SELECT a, ';' FROM once.t; -- ;
INSERT INTO once.t VALUES (2); SELECT nope FROM once.t; DROP TABLE once.t
SELECT count(*) FROM once.t; DROP SCHEMA once CASCADE
SELECT CAST('x' AS INTEGER)
SELECT 1 AS a, 2 AS a
SELECT {'a': 1, 'b': [1, 2]} AS s, MAP {'k': 1} AS m, INTERVAL 1 DAY AS i, 1.5::HUGEINT AS h, NULL AS n
EXPLAIN DROP TABLE doors.t
EXPLAIN (FORMAT JSON) SELECT count(*) FROM doors.t WHERE id > 1
UPDATE doors.t SET price = coalesce(price, 0) + 1 WHERE id < 4
UPDATE doors.t SET nope = 1
MERGE INTO doors.t USING (VALUES (1, 'one'), (100, 'hundred')) s(id, name) ON t.id = s.id
    WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
DELETE FROM doors.t WHERE price > 2
DELETE FROM doors.t WHERE nope
SELECT * FROM doors.t ORDER BY ALL
ALTER TABLE doors.t ADD COLUMN extra INTEGER DEFAULT 3
ALTER TABLE doors.t RENAME name TO title
SELECT * FROM doors.t ORDER BY ALL
CREATE VIEW doors.v AS SELECT id, title FROM doors.t
CREATE VIEW doors.v AS SELECT 1
SELECT * FROM doors.v ORDER BY ALL
DESCRIBE doors.v
INSERT INTO doors.v VALUES (1, 'x')
SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'doors' ORDER BY ALL
SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'doors' ORDER BY ALL
SHOW TABLES FROM doors
SHOW DATABASES
CREATE TABLE doors.u AS SELECT id FROM doors.v
CREATE OR REPLACE TABLE doors.u AS SELECT id + 1 AS id FROM doors.v
EXPLAIN CREATE TABLE doors.u AS SELECT 1 AS a
SELECT count(*) AS n FROM doors.u
TRUNCATE doors.u
SELECT count(*) AS n FROM doors.u
CREATE TEMP TABLE passing AS SELECT 5 AS a
SELECT * FROM passing
DROP TABLE passing
EXPLAIN DROP TABLE doors.u
DROP TABLE doors.u
DROP TABLE doors.u
DROP TABLE IF EXISTS doors.u
EXPLAIN DROP TABLE doors.u
DROP SCHEMA doors
DROP VIEW doors.v
DROP TABLE doors.t
DROP SCHEMA doors
CREATE SCHEMA doors
CREATE TABLE doors.t (a INTEGER)
CREATE VIEW doors.v AS SELECT * FROM doors.t
ALTER TABLE doors.t RENAME TO r
ALTER TABLE doors.r RENAME TO v
SELECT * FROM doors.r
ALTER TABLE doors.r RENAME TO t
ALTER VIEW doors.v RENAME TO w
ALTER VIEW doors.w RENAME TO v
DROP VIEW doors.v CASCADE
CREATE VIEW doors.v AS SELECT * FROM doors.t
SELECT count(*) AS n FROM system.information_schema.columns WHERE table_schema = 'doors'
CREATE TEMP TABLE passing AS SELECT 5 AS a
SELECT temp.main.passing.a FROM temp.main.passing JOIN grism.doors.t ON true
DROP TABLE temp.main.passing
DROP SCHEMA doors CASCADE
SELECT * FROM doors.t
DROP SCHEMA main CASCADE
CHECKPOINT
SET TimeZone = 'UTC'
SET TimeZone = 'Europe/Berlin'
BEGIN
SAVEPOINT s
COPY doors.t TO 'file'
"""
TEXTS = STATEMENTS.strip().replace("\n    ", " ").split("\n")

Answer = tuple[object, ...]
Door = Callable[[str], Answer]


def through_python(db: grism.Connection) -> Door:
    def ask(text: str) -> Answer:
        try:
            result = db.sql(text)
            table = result.to_arrow()
        except grism.GrismError as error:
            return "error", error.message
        return ("changed", result.changed) if result.changed is not None else rows_of(table)

    return ask


def through_server(cursor: flight_sql.Cursor) -> Door:
    def ask(text: str) -> Answer:
        try:
            cursor.execute(text)
            table = cursor.fetch_arrow_table()
        except adbc_driver_manager.Error as error:
            return "error", str(error)
        return rows_of(table) if len(table.schema) else ("changed", cursor.rowcount)

    return ask


def through_command_line(folder: Path, capture: pytest.CaptureFixture[bytes]) -> Door:
    def ask(text: str) -> Answer:
        status = main(["query", "--data", str(folder), "--format", "arrow", text])
        out, err = capture.readouterr()
        if status:
            return "error", err.decode()
        table = pa.ipc.open_stream(out).read_all()
        return rows_of(table) if len(table.schema) else ("changed", err.decode().strip())

    return ask


def rows_of(table: pa.Table) -> Answer:
    return "rows", [(field.name, str(field.type)) for field in table.schema], table.to_pylist()


def answers(door: Door, texts: Sequence[str] = TEXTS) -> list[Answer]:
    return [door(text) for text in texts]


@pytest.fixture(scope="module")
def expected() -> list[Answer]:
    """What a program gets over a database in memory."""
    with grism.connect() as db:
        return answers(through_python(db))


def compare(expected: Sequence[Answer], found: Sequence[Answer], texts: Sequence[str] = TEXTS) -> None:
    for text, here, there in zip(texts, expected, found, strict=True):
        if here[0] == "error":
            assert there[0] == "error", (text, here, there)
            assert str(here[1]).strip() in str(there[1]), text
        else:
            assert there == here, text


def test_every_kind_of_statement_has_an_answer(expected: list[Answer]) -> None:
    kinds = [answer[0] for answer in expected]
    assert {kind: kinds.count(kind) for kind in ("rows", "changed", "error")} == {
        "rows": 27,
        "changed": 36,
        "error": 25,
    }


def test_a_program_on_a_folder(expected: list[Answer], tmp_path: Path) -> None:
    with grism.connect(tmp_path) as db:
        compare(expected, answers(through_python(db)))


def test_a_program_on_each_runtime(expected: list[Answer], runtime: Runtime) -> None:
    with grism.Connection(Kept(runtime)) as db:
        found = answers(through_python(db))
    plans = [i for i, text in enumerate(TEXTS) if text.startswith("EXPLAIN")]  # each runtime has its own
    for i in plans:
        assert found[i][0] == expected[i][0]
        found[i] = expected[i]
    compare(expected, found)


def test_a_client_of_a_server(expected: list[Answer], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (
        serve(data, tmp_path / "server.log") as (uri, _),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        compare(expected, answers(through_server(cursor)))


def test_the_command_line(expected: list[Answer], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Each statement by a command of its own, so that nothing of a session is left for the next one."""
    alone = [i for i, text in enumerate(TEXTS) if "passing" not in text]
    texts = [TEXTS[i] for i in alone]
    found = answers(through_command_line(tmp_path, capsysbinary), texts)
    wanted = [expected[i] for i in alone]
    for i, answer in enumerate(wanted):
        if answer[0] == "changed":
            assert found[i][0] == "changed", texts[i]
            assert answer[1] == 0 or str(answer[1]) in str(found[i][1]), texts[i]
            found[i] = answer
    compare(wanted, found, texts)
