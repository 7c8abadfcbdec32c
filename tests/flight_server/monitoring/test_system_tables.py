"""What runs in a server and what is in it, told by tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.clients.raw import RawClient
from tests.flight_server.monitoring.looking import LONG, OTHERS, Client, Login, begun
from tests.harness.waiting import until


def test_what_ended_is_kept_with_its_rows_and_its_error(login: Login) -> None:
    ann = login("ann")
    ann.rows("SELECT * FROM range(12345) t(kept)")
    ann.refusal("SELECT missing FROM range(3) t(kept)")
    ann.refusal("SELECT 1 // (kept - 1) || 'x'::INTEGER FROM range(3) t(kept)")
    found = ann.rows(
        f"SELECT state, rows, bytes > rows AS weighs, error_type {OTHERS} AND text LIKE '%kept%' ORDER BY begun"
    )
    assert found[0] == {"state": "done", "rows": 12345, "weighs": True, "error_type": None}
    assert [(row["state"], row["error_type"]) for row in found[1:]] == [
        ("failed", "UnknownColumnError"),
        ("failed", "InvalidValueError"),
    ]
    for number in range(50):
        ann.rows(f"SELECT {number}")
    (count,) = login("root").rows("SELECT count(*) AS n FROM system.queries WHERE ended IS NOT NULL")
    assert count["n"] == 40


def test_of_what_ended_long_texts_are_cut(login: Login) -> None:
    ann = login("ann")
    whole, long = ("SELECT 'cut', '".ljust(length - 1, mark) + "'" for length, mark in ((4_000, "a"), (4_001, "b")))
    for text in (whole, long):
        ann.rows(text)
    told = ann.rows("SELECT text, kind, rows FROM system.queries WHERE text LIKE 'SELECT ''cut%' ORDER BY begun")
    assert [tuple(row.values()) for row in told] == [(whole, "SELECT", 1), (long[:4_000], "SELECT", 1)]


def test_tables_are_told_with_what_they_are_made_of(login: Login) -> None:
    ann, bob, root = login("ann"), login("bob"), login("root")
    assert ann.rows("SELECT * FROM system.tables") == []
    root.rows("CREATE TABLE told AS SELECT i, i::VARCHAR AS t FROM range(5000) r(i)")
    root.rows("INSERT INTO told VALUES (5000, 'x')")
    root.rows("CREATE INDEX told_i ON told (i)")
    root.rows("DELETE FROM told WHERE i < 100")
    root.rows("CREATE SCHEMA aside")
    root.rows("CREATE TABLE aside.empty AS SELECT 1 AS x LIMIT 0")
    for client in (ann, bob, root):
        empty, told = client.rows("FROM system.tables ORDER BY schema")
        assert (told["schema"], told["table"], told["kind"], told["rows"]) == ("main", "told", "lance", 4901)
        assert (told["fragments"], told["indexes"]) == (2, 1)
        assert (int(told["version"]), told["versions"]) == (4, 4)
        assert told["bytes"] > 4901 * 8
        assert (empty["schema"], empty["table"], empty["rows"], empty["indexes"]) == ("aside", "empty", 0, 0)
    root.rows("DROP TABLE told")
    root.rows("DROP TABLE aside.empty")
    root.rows("DROP SCHEMA aside")
    assert root.rows("SELECT * FROM system.tables") == []


def test_tables_that_may_not_be_read_are_not_told(login: Login, data: Path) -> None:
    root = login("root")
    for text in (
        "CREATE SCHEMA closed",
        "CREATE TABLE closed.hidden AS SELECT * FROM range(1234) t(x)",
        "CREATE TABLE open AS SELECT * FROM range(555) t(x)",
        "CREATE VIEW through AS SELECT * FROM closed.hidden",
        "CREATE TEMP TABLE mine AS SELECT 1 AS x",
    ):
        root.rows(text)
    for folder in (data, data / "closed.schema"):
        (folder / "damaged.parquet").write_bytes(b"PAR1, but no Parquet")
    told = 'SELECT schema, "table", rows FROM system.tables ORDER BY ALL'
    seen = {name: [tuple(row.values()) for row in login(name).rows(told)] for name in ("root", "bob", "carl", "dora")}
    refused = login("carl").refusal("SELECT count(*) FROM through")
    for folder in (data, data / "closed.schema"):
        (folder / "damaged.parquet").unlink()
    for text in ("DROP VIEW through", "DROP TABLE open", "DROP SCHEMA closed CASCADE"):
        root.rows(text)
    opened = [("main", "damaged", None), ("main", "open", 555)]
    everything = [("closed", "damaged", None), ("closed", "hidden", 1234), *opened]
    assert seen == {"root": everything, "bob": everything, "carl": opened, "dora": []}
    assert "1234" not in refused
    assert "1,234" not in refused


def test_what_others_ask_is_not_told(login: Login, threads: ThreadPoolExecutor) -> None:
    root, carl = login("root"), login("carl")
    answer, id = begun(threads, login("ann"), root)
    assert root.rows(f"SELECT text FROM system.queries WHERE id = '{id}'") == [{"text": LONG}]
    root.rows(f"KILL QUERY '{id}'")
    assert "KILL QUERY" in answer.result(30)
    for table in ("queries", "stages", "tasks", "sessions", "settings", "workers"):
        for row in carl.rows(f"SELECT * FROM system.{table}"):
            assert row["user"] == "carl"
            assert LONG not in str(row)


def test_sessions_of_several_users_are_told_to_whom_they_belong(login: Login) -> None:
    root, clients = login("root"), {name: login(name) for name in ("ann", "bob", "carl")}
    until(lambda: not root.rows("SELECT * FROM system.sessions"))  # those of connections that are gone end soon
    clients["ann"].rows("SET timeout = '10m'")
    clients["bob"].rows("CREATE TEMP TABLE mine AS SELECT 1 AS x")
    clients["carl"].rows("SET timeout = '5m'")
    told = "SELECT * FROM system.sessions ORDER BY user"
    first = root.rows(told)
    assert [(row["user"], row["timeout"], row["temporary_tables"], row["calls"]) for row in first] == [
        ("ann", 600.0, 0, 0),
        ("bob", None, 1, 0),
        ("carl", 300.0, 0, 0),
    ]
    for name, client in clients.items():
        assert [row["user"] for row in client.rows(told)] == [name]
    for _ in range(20):  # the same moment, whenever it is told
        assert [row["begun"] for row in root.rows(told)] == [row["begun"] for row in first]
    after = root.rows(told)
    assert all(row["begun"] <= before["used"] < row["used"] for before, row in zip(first, after, strict=True))
    root.rows(f"KILL SESSION '{after[0]['id']}'")
    clients["bob"].rows(f"KILL SESSION '{after[1]['id']}'")  # its own
    assert [row["user"] for row in root.rows(told)] == ["carl"]
    root.rows(f"KILL SESSION '{after[2]['id']}'")
    assert root.rows(told) == []


def test_settings_are_for_administrators(login: Login) -> None:
    assert login("ann").rows("SELECT * FROM system.settings") == []
    found = {row["name"]: row for row in login("root").rows("SELECT * FROM system.settings")}
    assert (found["max_queries"]["value"], found["max_queries"]["default"]) == ("1", "64")
    assert found["max_queries"]["section"] == "service"
    assert "run at once" in found["max_queries"]["description"]
    assert found["users"]["value"].endswith("/users")
    assert found["memory_limit"]["value"] is None
    assert found["queue_timeout"]["value"] == "60s"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM system.querys", 'did you mean "queries"?'),
        ("CREATE TABLE system.own AS SELECT 1", "nothing in it can be changed"),
        ("DELETE FROM system.queries", "nothing in it can be changed"),
        ("CREATE SCHEMA system", "has a meaning of its own"),
        ("FROM system.queries AT (VERSION => 1)", "has no versions"),
        ("KILL TABLE 'x'", "expected QUERY or SESSION"),
        ("KILL QUERY", "Syntax error"),
    ],
)
def test_what_is_refused(login: Login, text: str, told: str) -> None:
    assert told in login("root").refusal(text)


@pytest.mark.parametrize("kind", ["parquet", "ray"])
def test_both_runtimes_tell_what_runs(server_uri: Callable[[str], str], kind: str) -> None:
    with RawClient(server_uri(kind)) as raw:
        client = Client(raw)
        assert [row["name"] for row in client.rows("SHOW TABLES FROM system")] == [
            "queries",
            "sessions",
            "settings",
            "stages",
            "tables",
            "tasks",
            "workers",
        ]
        client.rows("SELECT count(*) FROM lineitem, range(1) GROUP BY l_orderkey")
        (row,) = client.rows(
            f"SELECT runtime, rows, state, progress, spilled, peak_memory > 0 AS had_memory {OTHERS} "
            "AND text LIKE '%l_orderkey' ORDER BY begun DESC LIMIT 1"
        )
        runtime = "ray" if kind == "ray" else "local"
        assert row == {
            "runtime": runtime,
            "rows": 15_000,
            "state": "done",
            "progress": 1.0,
            "spilled": 0,
            "had_memory": True,
        }
        workers = client.rows("SELECT * FROM system.workers ORDER BY id")
        assert len(workers) == (2 if kind == "ray" else 0)
        assert all(worker["location"].startswith("grpc") and worker["tasks"] == 0 for worker in workers)
        (table,) = client.rows("SELECT * FROM system.tables WHERE \"table\" = 'nation'")
        assert (table["kind"], table["rows"], table["fragments"]) == ("parquet", 25, 1)
        assert (table["version"], table["versions"], table["indexes"]) == (None, None, None)
        (joined,) = client.rows("SELECT count(*) AS n FROM nation, (SELECT DISTINCT user FROM system.queries)")
        assert joined["n"] == 25


@pytest.mark.parametrize("kind", ["parquet", "ray"])
def test_what_explain_analyze_tells_is_told(server_uri: Callable[[str], str], kind: str) -> None:
    text = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT l_orderkey, count(*) FROM lineitem GROUP BY ALL"
    with RawClient(server_uri(kind)) as raw:
        client = Client(raw)
        (answer,) = client.rows(text)
        (row,) = client.rows(
            f"SELECT spilled, peak_memory FROM system.queries WHERE text = '{text}' ORDER BY begun DESC LIMIT 1"
        )
    told = json.loads(answer["plan"])
    assert row == {"spilled": told["spilled"], "peak_memory": told["peak_memory"]}
    assert row["peak_memory"] > 0


def test_what_is_written_on_ray_is_told_as_what_is_written_here(server_uri: Callable[[str], str]) -> None:
    texts = [
        "CREATE TABLE weighed AS SELECT l_orderkey, l_comment FROM lineitem",
        "INSERT INTO weighed SELECT l_orderkey, l_comment FROM lineitem",
        "CREATE INDEX weighed_i ON weighed (l_orderkey)",
    ]
    told: dict[str, list[dict[str, Any]]] = {"local": [], "ray": []}
    with RawClient(server_uri("ray")) as raw:
        client = Client(raw)
        for runtime, rows in told.items():
            client.rows(f"SET runtime = '{runtime}'")
            for text in texts:
                client.rows(text)
                rows += client.rows(
                    f"SELECT runtime, rows, bytes FROM system.queries WHERE text = '{text}' ORDER BY begun DESC LIMIT 1"
                )
            client.rows("DROP TABLE weighed")
    for here, there in zip(told["local"], told["ray"], strict=True):
        assert (here["runtime"], there["runtime"]) == ("local", "ray")
        assert there["rows"] == here["rows"]
        assert there["bytes"] == pytest.approx(here["bytes"], rel=0.02)
    assert [row["rows"] for row in told["ray"]] == [60_175, 60_175, 0]


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_it_is_told_that_a_client_left_between_rows(server_uri: Callable[[str], str], kind: str) -> None:
    text = "SELECT l_orderkey, l_comment AS left_between FROM lineitem CROSS JOIN range(40) ORDER BY l_comment"
    uri = server_uri(kind)
    with RawClient(uri) as raw:
        with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            assert cursor.fetch_record_batch().read_next_batch().num_rows
        query = f"SELECT state, error_type, error {OTHERS} AND text = '{text}' AND ended IS NOT NULL"
        (row,) = until(lambda: Client(raw).rows(query))
    assert row == {
        "state": "cancelled",
        "error_type": "CancelledError",
        "error": "The client left before it had taken the last row.",
    }
