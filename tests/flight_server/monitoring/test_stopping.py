"""Queries and sessions are stopped, by whom they belong to and by administrators."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest
from pyarrow import flight

from tests.flight_server.monitoring.looking import LONG, OTHERS, PASSWORD, Login, begun
from tests.harness.waiting import until


def test_an_administrator_looks_and_stops_while_nobody_else_has_a_turn(
    login: Login, threads: ThreadPoolExecutor, log: Path
) -> None:
    ann, bob, root = login("ann"), login("bob"), login("root")
    running, first = begun(threads, ann, root)
    waiting, second = begun(threads, bob, root, "queued")
    assert "wait, the most that may" in login("bob").refusal("SELECT 1")
    (row,) = root.rows(f"SELECT * {OTHERS} AND id = '{first}'")
    assert (row["user"], row["kind"], row["text"], row["runtime"]) == ("ann", "SELECT", LONG, "local")
    assert row["run"] > 0
    assert row["ended"] is None
    assert row["agent"].startswith("looker ")
    assert row["client"].startswith("ipv4:127")
    for id in (first, second):
        root.rows(f"KILL QUERY '{id}'")
    for answer in (running, waiting):
        assert 'CANCELLED: The query was stopped by "root" with KILL QUERY.' in answer.result(30)
    until(lambda: not root.rows(f"SELECT 1 {OTHERS} AND state IN ('running', 'queued')"))
    (row,) = root.rows(f"SELECT state, error_type, error, ended - begun AS took {OTHERS} AND id = '{first}'")
    assert (row["state"], row["error_type"]) == ("cancelled", "CancelledError")
    assert '"root"' in row["error"]
    assert [line for line in log.read_text().splitlines() if "grism.audit" in line and first in line and "KILL" in line]


def test_others_see_and_stop_what_is_their_own(login: Login, threads: ThreadPoolExecutor) -> None:
    ann, bob, root = login("ann"), login("bob"), login("root")
    answer, id = begun(threads, ann, root)
    # Who is no administrator waits for a turn: the query is that of another connection of the same user.
    assert f"No query '{id}' runs that you may stop" in bob.refusal(f"KILL QUERY '{id}'")
    assert "NOT_FOUND" in bob.refusal("KILL QUERY 'nothing'")
    login("ann").rows(f"KILL QUERY '{id}'")
    assert '"ann"' in answer.result(30)
    assert {row["user"] for row in bob.rows("SELECT DISTINCT user FROM system.queries")} == {"bob"}
    assert {"ann", "bob", "root"} <= {row["user"] for row in root.rows("SELECT DISTINCT user FROM system.queries")}


def test_sessions_are_told_and_ended(login: Login, threads: ThreadPoolExecutor) -> None:
    ann, root = login("ann"), login("root")
    assert ann.rows("SELECT * FROM system.sessions") == []
    ann.rows("CREATE TEMP TABLE mine AS SELECT 1 AS x")
    (session,) = ann.rows("SELECT * FROM system.sessions")
    assert (session["user"], session["schema"], session["temporary_tables"]) == ("ann", "main", 1)
    answer, id = begun(threads, ann, root)
    assert root.rows(f"SELECT session {OTHERS} AND id = '{id}'") == [{"session": session["id"]}]
    assert f"No session '{session['id']}'" in login("bob").refusal(f"KILL SESSION '{session['id']}'")
    root.rows(f"KILL SESSION '{session['id']}'")
    assert 'The session was ended by "root" with KILL SESSION.' in answer.result(30)
    assert root.rows(f"SELECT * FROM system.sessions WHERE id = '{session['id']}'") == []
    assert "mine" in login("ann").refusal("FROM mine")


def test_a_driver_whose_session_is_ended_tells_of_it(guarded: str, login: Login, threads: ThreadPoolExecutor) -> None:
    root, options = login("root"), {"username": "ann", "password": PASSWORD}
    options["adbc.flight.sql.rpc.with_cookie_middleware"] = "true"
    with flight_sql.connect(guarded, db_kwargs=options, autocommit=True) as connection:

        def refused(text: str) -> str:
            with pytest.raises(flight_sql.Error) as raised:
                asked(text)
            return str(raised.value)

        def asked(text: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall()

        with connection.cursor() as cursor:
            cursor.execute("SET timeout = '10m'")
        answer = threads.submit(refused, LONG)
        (row,) = until(lambda: root.rows(f"SELECT session {OTHERS} AND user = 'ann' AND state = 'running'"))
        root.rows(f"KILL SESSION '{row['session']}'")
        # Closing the statement, which went with the session, is no error that would stand in the place of this one.
        assert 'CANCELLED: [FlightSQL] The session was ended by "root" with KILL SESSION.' in answer.result(30)
        assert "begin another" in refused("SELECT 1")
        assert asked("SELECT 1") == [(1,)]


BATCH = pa.record_batch({"a": range(1000)})
MOST = 5_000  # batches that a client sends before it gives up


def ingest(uri: str, batches: Iterator[pa.RecordBatch]) -> None:
    options = {"username": "root", "password": PASSWORD}
    with (
        flight_sql.connect(uri, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.adbc_ingest("sent", pa.RecordBatchReader.from_batches(BATCH.schema, batches))


def bind(uri: str, batches: Iterator[pa.RecordBatch]) -> None:
    options = {"username": "root", "password": PASSWORD}
    with (
        flight_sql.connect(uri, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE OR REPLACE TABLE bound (a BIGINT)")
        cursor.executemany("INSERT INTO bound VALUES (?)", pa.RecordBatchReader.from_batches(BATCH.schema, batches))


def put(uri: str, batches: Iterator[pa.RecordBatch]) -> None:
    with flight.FlightClient(uri) as client:
        options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", PASSWORD)])
        writer, _ = client.do_put(flight.FlightDescriptor.for_path("sent"), BATCH.schema, options)
        with writer:
            for batch in batches:
                writer.write_batch(batch)


@pytest.mark.parametrize("send", [ingest, put])
def test_an_upload_is_stopped_before_its_end(
    guarded: str,
    login: Login,
    threads: ThreadPoolExecutor,
    send: Callable[[str, Iterator[pa.RecordBatch]], None],
) -> None:
    """Its client need not send the rest."""
    root, sent, stopped = login("root"), 0, threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal sent
        while sent < MOST:
            if sent == 10:
                stopped.wait(30)
            sent += 1
            yield BATCH

    def refused() -> str:
        with pytest.raises((flight_sql.Error, flight.FlightError)) as raised:
            send(guarded, batches())
        return str(raised.value)

    answer = threads.submit(refused)
    running = f"SELECT id {OTHERS} AND kind = 'UPLOAD' AND state = 'running' AND received > 0"
    (row,) = until(lambda: root.rows(running))
    root.rows(f"KILL QUERY '{row['id']}'")
    stopped.set()
    assert 'The query was stopped by "root" with KILL QUERY.' in answer.result(60)
    (ended,) = root.rows(f"SELECT state, received {OTHERS} AND id = '{row['id']}'")
    assert ended["state"] == "cancelled"
    assert ended["received"] < MOST * BATCH.nbytes / 2


@pytest.mark.parametrize(("send", "kind", "sent"), [(put, "UPLOAD", 0), (ingest, "UPLOAD", 10), (bind, "INSERT", 20)])
def test_what_a_silent_client_sends_is_stopped_at_once(
    guarded: str,
    login: Login,
    data: Path,
    threads: ThreadPoolExecutor,
    send: Callable[[str, Iterator[pa.RecordBatch]], None],
    kind: str,
    sent: int,
) -> None:
    """It is told everywhere, and nothing is kept, long before the client sends on, and is told of it, too."""
    root, goes_on = login("root"), threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(MOST):
            if number == sent:
                goes_on.wait(60)
            yield BATCH

    def refused() -> str:
        with pytest.raises((flight_sql.Error, flight.FlightError)) as raised:
            send(guarded, batches())
        return str(raised.value)

    answer = threads.submit(refused)
    try:
        running = f"SELECT id, received {OTHERS} AND kind = '{kind}' AND state = 'running'"
        (row,) = until(lambda: [row for row in root.rows(running) if row["received"] == sent * BATCH.nbytes])
        root.rows(f"KILL QUERY '{row['id']}'")
        ended = f"SELECT state, rows, received, error {OTHERS} AND id = '{row['id']}' AND ended IS NOT NULL"
        (row,) = until(lambda: root.rows(ended))
        assert not answer.done()
        assert (row["state"], row["rows"], row["received"]) == ("cancelled", 0, sent * BATCH.nbytes)
        assert 'by "root" with KILL QUERY' in row["error"]
        assert kind == "INSERT" or not list(data.rglob("sent*"))
    finally:
        goes_on.set()
    assert 'The query was stopped by "root" with KILL QUERY.' in answer.result(60)


def test_rows_of_a_change_that_is_stopped_do_not_count(login: Login, threads: ThreadPoolExecutor) -> None:
    root = login("root")
    answer = threads.submit(root.refusal, "CREATE TABLE never AS SELECT range AS a FROM range(100000000000)")
    running = f"SELECT id {OTHERS} AND kind = 'CREATE TABLE AS' AND state = 'running' AND rows > 0"
    other = login("root")
    (row,) = until(lambda: other.rows(running))
    other.rows(f"KILL QUERY '{row['id']}'")
    assert "CANCELLED" in answer.result(60)
    assert other.rows(f"SELECT state, rows {OTHERS} AND id = '{row['id']}'") == [{"state": "cancelled", "rows": 0}]


def test_rows_that_were_changed_before_a_failure_count(guarded: str, login: Login) -> None:
    root, options = login("root"), {"username": "root", "password": PASSWORD}
    root.rows("CREATE OR REPLACE TABLE parts AS SELECT range AS a FROM range(5)")
    with (
        flight_sql.connect(guarded, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
        pytest.raises(flight_sql.Error, match="This is row 3 of 4"),
    ):
        cursor.executemany("UPDATE parts SET a = CAST(? AS BIGINT)", [("1",), ("2",), ("none",), ("4",)])
    told = root.rows(f"SELECT rows, state {OTHERS} AND kind = 'UPDATE' ORDER BY begun DESC LIMIT 1")
    assert told == [{"rows": 10, "state": "failed"}]
