"""What `grism query` prints of statements with effects, and how Ctrl-C ends one that runs."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest

from flight_server.cli.connect import Target
from flight_server.cli.main import main
from flight_server.cli.server_source import ServerSource
from tests.flight_server.conftest import Served
from tests.harness.processes import cpu_seconds
from tests.harness.server import serve
from tests.harness.waiting import until

LONG = "SELECT count(*) FROM range(100000000000) t(i) WHERE i % 7 = hash(i) % 11"


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("changing")
    (folder / "data").mkdir()
    with serve(folder / "data", folder / "server.log", "--threads", "1") as (uri, pid):
        yield Served(uri, pid, folder / "data")


def test_a_statement_with_effects_says_how_many_rows_it_changed(
    changing: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    statements = {
        "CREATE TABLE item (id INT, name VARCHAR)": "(done)",
        "INSERT INTO item VALUES (1, 'a'), (2, 'b')": "(2 rows changed)",
        "WITH more AS (SELECT 3, 'c') INSERT INTO item FROM more": "(1 row changed)",
        "UPDATE item SET name = 'x' WHERE id > 1": "(2 rows changed)",
        "UPDATE item SET name = 'x' WHERE id > 9": "(0 rows changed)",
        "MERGE INTO item USING (SELECT 1 AS id) AS new ON item.id = new.id WHEN MATCHED THEN DELETE": "(1 row changed)",
        "/* CREATE */ DELETE FROM item WHERE id > 9": "(0 rows changed)",
        "CREATE TABLE copy AS SELECT * FROM item": "(2 rows changed)",
        "CREATE VIEW named AS SELECT name FROM item": "(done)",
        "-- a remark\n ALTER TABLE item ADD COLUMN price INT": "(done)",
        "RESTORE TABLE item TO VERSION 1": "(done)",
        "ALTER TABLE item CREATE TAG 'empty'": "(done)",
        "DELETE FROM item": "(0 rows changed)",
        "SET timeout = '30s'": "(done)",
        "RESET timeout": "(done)",
        "use main": "(done)",
        "DROP VIEW named": "(done)",
    }
    for statement, line in statements.items():
        assert main(["query", statement, "--uri", changing.uri]) == 0
        assert capfd.readouterr().out == line + "\n", statement


def test_rows_that_look_like_a_count_are_rows(changing: Served, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", 'SELECT 7::BIGINT AS "Count"', "--uri", changing.uri]) == 0
    assert capfd.readouterr().out.splitlines() == ["Count", "-----", "    7", "(1 row)"]


@pytest.mark.parametrize("format", ["csv", "json", "arrow"])
def test_programs_get_no_rows_and_people_the_count(
    changing: Served, format: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    create = f"CREATE TABLE made_for_{format} AS SELECT 1 AS a"
    assert main(["query", create, "--uri", changing.uri, "--format", format]) == 0
    out, err = capfdbinary.readouterr()
    assert err == b"(1 row changed)\n"
    match format:
        case "csv":
            assert out == b""
        case "json":
            assert json.loads(out) == []
        case "arrow":
            assert pa.ipc.open_stream(io.BytesIO(out)).read_all().num_rows == 0


@pytest.mark.parametrize("statement", [LONG, f"CREATE TABLE never AS {LONG}"], ids=["query", "change"])
def test_an_interrupt_ends_the_statement_at_the_server(changing: Served, statement: str) -> None:
    log = changing.data.parent / "server.log"
    cancelled, before = log.read_text().count("status=cancelled"), cpu_seconds([changing.pid])
    command = [sys.executable, "-m", "flight_server.cli", "query", statement, "--uri", changing.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            until(lambda: cpu_seconds([changing.pid]) > before + 0.3, timeout=60)
            run.send_signal(signal.SIGINT)
            out, err = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (run.returncode, out, err) == (130, "", "grism: interrupted\n")
    until(lambda: log.read_text().count("status=cancelled") > cancelled)


def test_to_cancel_what_has_just_ended_does_nothing(changing: Served) -> None:
    source = ServerSource(Target(changing.uri, {}))
    source.cancel()
    with source.run("SELECT 1"):
        assert source._cursor is not None
        source._cursor.close()
        source.cancel()
    with source.run("SELECT 2 AS two") as answer:
        assert answer.reader.read_all().to_pylist() == [{"two": 2}]
    source.close()
