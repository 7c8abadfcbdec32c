"""Queries that have ended are rows of a table, and in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import GrismError, SchemaMismatchError, UnsupportedError
from engine.statements.appended_table import AppendedTable
from engine.statements.database import Database
from engine.statements.upkeep import Thresholds
from engine.storage import DirectoryStorage
from flight_server.monitoring.query_log import LIMITS, NEEDED, QUERY_LOG_SCHEMA, QueryLog
from local_runtime import LocalRuntime
from tests.harness.runtimes import SqlRuntime, Tables
from tests.harness.server import serve
from tests.harness.waiting import until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(number: int, ended: datetime = NOW) -> dict[str, Any]:
    """A query that has ended."""
    known = {"id": f"q{number}", "user": "ann", "text": f"SELECT {number}", "ended": ended, "rows": number}
    return {**dict.fromkeys(QUERY_LOG_SCHEMA.names), "progress": 1.0, **known}


def test_a_server_writes_what_ended_until_its_end(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir()
    options = ("--query-log-table", "audit.queries", "--threads", "1")
    with (
        serve(data, log, *options) as (uri, _),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT range AS n FROM range(1000)")
        cursor.fetchall()
        with pytest.raises(flight_sql.Error):
            cursor.execute("SELECT missing")
        cursor.adbc_ingest("sent", pa.table({"n": range(5000)}))
        cursor.execute("SELECT count(*) FROM audit.queries")  # it is there from the beginning
        cursor.fetchall()
    with LocalRuntime(DirectoryStorage(data), threads=1) as runtime:
        rows = runtime.sql("SELECT * FROM audit.queries ORDER BY begun").read_all()
    assert rows.schema.names == QUERY_LOG_SCHEMA.names
    told = [
        (row["kind"], row["text"], row["state"], row["error_type"], row["rows"], row["received"])
        for row in rows.to_pylist()
    ]
    assert told == [
        ("SELECT", "SELECT range AS n FROM range(1000)", "done", None, 1000, 0),
        ("SELECT", "SELECT missing", "failed", "UnknownColumnError", 0, 0),
        ("UPLOAD", '"sent"', "done", None, 5000, 40_000),
        ("SELECT", "SELECT count(*) FROM audit.queries", "done", None, 1, 0),
    ]
    assert all(row["begun"] <= row["ended"] and row["run"] >= 0 for row in rows.to_pylist())
    assert all(row["id"] in log.read_text() for row in rows.to_pylist())


@pytest.fixture
def database(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]
) -> Iterator[tuple[SqlRuntime, Database]]:
    runtime = make_runtime(runtime_name, "lance")[0]
    yield runtime, Database(runtime)
    runtime.sql("DROP TABLE IF EXISTS told")


def test_both_runtimes_write_batches_and_remove_what_is_old(database: tuple[SqlRuntime, Database]) -> None:
    runtime, of_runtime = database
    table = AppendedTable(of_runtime, ["told"], QUERY_LOG_SCHEMA, NEEDED)
    log = QueryLog(table, timedelta(days=1), replace(LIMITS, items=2, seconds=600))
    log.ended([row(1, NOW - timedelta(days=20_000))])
    log.ended([row(2, datetime.now(UTC))])
    until(lambda: log.written_count == 2)
    log.ended([row(3, datetime.now(UTC))])
    log.close()
    assert (log.written_count, log.dropped_count) == (3, 0)
    again = AppendedTable(of_runtime, ["told"], QUERY_LOG_SCHEMA, NEEDED)
    again.close()
    assert runtime.sql("SELECT id, rows FROM told ORDER BY id").read_all().to_pydict() == {
        "id": ["q2", "q3"],
        "rows": [2, 3],
    }


def test_many_batches_do_not_stay_many_fragments(tmp_path: Path) -> None:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        thresholds = Thresholds(statements=8, fragments=4)
        table = AppendedTable(Database(runtime), ["told"], QUERY_LOG_SCHEMA, NEEDED, thresholds)
        for number in range(8):
            table.append(pa.Table.from_pylist([row(number)], QUERY_LOG_SCHEMA))
        stored = "SELECT fragments, rows FROM system.tables WHERE \"table\" = 'told'"
        until(lambda: runtime.sql(stored).read_all().to_pydict() == {"fragments": [1], "rows": [8]})
        table.close()


def test_a_table_that_was_dropped_is_made_again_with_its_schema(tmp_path: Path) -> None:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        database = Database(runtime)
        table = AppendedTable(database, ["audit", "told"], QUERY_LOG_SCHEMA, NEEDED)
        for drops in ([], ["TABLE audit.told"], ["TABLE audit.told", "SCHEMA audit"]):
            for dropped in drops:
                database.sql(f"DROP {dropped}").close()
            table.append(pa.Table.from_pylist([row(len(drops))], QUERY_LOG_SCHEMA))
            assert runtime.sql("SELECT id FROM audit.told").read_all()["id"].to_pylist() == [f"q{len(drops)}"]
        table.close()


def test_a_table_that_is_altered_takes_what_it_has_columns_for(tmp_path: Path) -> None:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        database = Database(runtime)
        table = AppendedTable(database, ["told"], QUERY_LOG_SCHEMA, NEEDED)

        def append(number: int, *changes: str) -> None:
            for change in changes:
                database.sql(f"ALTER TABLE {change}").close()
            table.append(pa.Table.from_pylist([row(number)], QUERY_LOG_SCHEMA))

        append(1, "told DROP COLUMN rows", "told ADD COLUMN mine INTEGER")
        append(2, "told ADD COLUMN rows BIGINT")
        with pytest.raises(SchemaMismatchError, match='no column "text"'):
            append(3, "told RENAME text TO statement")
        append(4, "told RENAME statement TO text")
        found = runtime.sql("SELECT id, text, rows, mine FROM told ORDER BY id").read_all().to_pylist()
        assert [tuple(each.values()) for each in found] == [
            ("q1", "SELECT 1", None, None),
            ("q2", "SELECT 2", 2, None),
            ("q4", "SELECT 4", 4, None),
        ]
        table.close()


class SlowTable:
    """A table that takes rows when it is let, and fails where it is told to."""

    def __init__(self) -> None:
        self.taking, self.begun, self.rows = threading.Event(), threading.Event(), 0
        self.failure: Exception | None = None

    def append(self, rows: pa.Table) -> None:
        self.begun.set()
        self.taking.wait()
        if self.failure is not None:
            raise self.failure
        self.rows += rows.num_rows

    def remove(self, column: str, before: datetime) -> int:
        raise AssertionError("nothing is removed")

    def close(self) -> None:
        self.taking.set()


def test_what_does_not_fit_is_dropped_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    table = SlowTable()
    log = QueryLog(table, limits=replace(LIMITS, items=10, waiting=30))
    for number in range(10):
        log.ended([row(number)])
    assert table.begun.wait(20)
    for number in range(100):
        log.ended([row(number)])
    assert log.dropped_count == 70
    table.taking.set()
    log.close()
    assert (log.written_count, table.rows, log.dropped_count) == (40, 40, 70)
    log.ended([row(1)])
    assert log.dropped_count == 71
    (told,) = [record for record in caplog.records if record.name == "grism.query_log"]
    assert told.fields == {"queries": 70, "error": "too many waited"}  # type: ignore[attr-defined]


def test_a_table_that_takes_nothing_costs_rows_and_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    failing, stuck = SlowTable(), SlowTable()
    failing.failure = GrismError("The disk is full.")
    failing.taking.set()
    log = QueryLog(failing, limits=replace(LIMITS, items=1))
    log.ended([row(1)])
    until(lambda: log.dropped_count == 1)
    failing.failure = None
    log.ended([row(2)])
    log.close()
    assert (log.written_count, log.dropped_count, failing.rows) == (1, 1, 1)
    log = QueryLog(stuck, limits=replace(LIMITS, items=1))
    log.ended([row(1)])
    assert stuck.begun.wait(20)
    log.ended([row(2)])
    log.close(seconds=0.01)
    assert log.dropped_count == 2
    assert [record.fields for record in caplog.records if record.name == "grism.query_log"] == [  # type: ignore[attr-defined]
        {"queries": 1, "error": "The disk is full."},
        {"queries": 2, "error": "the end did not wait for them longer"},
    ]


def test_a_table_of_an_older_version_keeps_its_columns(tmp_path: Path) -> None:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        older = pa.schema([field for field in QUERY_LOG_SCHEMA if field.name != "trace"])
        AppendedTable(Database(runtime), ["told"], older, NEEDED).close()
        table = AppendedTable(Database(runtime), ["told"], QUERY_LOG_SCHEMA, NEEDED)
        table.append(pa.Table.from_pylist([row(1)], QUERY_LOG_SCHEMA))
        table.close()
        assert runtime.sql("FROM told").read_all().schema.names == older.names
        assert runtime.sql("SELECT id FROM told").read_all().to_pydict() == {"id": ["q1"]}


def test_what_cannot_be_the_table_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "file.parquet")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        runtime.sql("CREATE TABLE other AS SELECT 1 AS id")
        runtime.sql("CREATE VIEW seen AS SELECT 1 AS id")
        database = Database(runtime)
        for path, error in (
            ("other", SchemaMismatchError),
            ("file", UnsupportedError),
            ("system.queries", UnsupportedError),
            ("seen", GrismError),
            ("a.b.c.d", GrismError),
        ):
            with pytest.raises(error):
                AppendedTable(database, path.split("."), QUERY_LOG_SCHEMA, NEEDED)
