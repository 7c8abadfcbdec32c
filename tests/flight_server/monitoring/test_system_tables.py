"""What runs in a server, told by tables; and stopped, by whom it belongs to and by administrators."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pyarrow as pa
import pytest

from flight_server.auth.users import add_user
from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.harness.server import serve
from tests.harness.waiting import until

PASSWORD = "correct horse battery"
LONG = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE i % 7 = j % 5"
"""Takes days."""
OTHERS = "FROM system.queries WHERE text NOT LIKE '%system.%'"


@dataclass
class Client:
    """A user's connection."""

    raw: RawClient

    def rows(self, text: str) -> list[dict[str, Any]]:
        """The rows of a statement; of one with effects, their count."""
        return self.raw.ask(sql.CommandStatementQuery(query=text)).to_pylist()

    def refusal(self, text: str) -> str:
        """The error of a statement."""
        with pytest.raises(grpc.RpcError) as raised:
            self.rows(text)
        return f"{raised.value.code().name}: {raised.value.details()}"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "server.log"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def guarded(log: Path, data: Path) -> Iterator[str]:
    """A server with one turn for queries, where root is an administrator."""
    users, rights = log.parent / "users", log.parent / "rights.toml"
    for name, role in (
        ("ann", "writer"),
        ("bob", "reader"),
        ("root", "admin"),
        ("carl", "narrow"),
        ("dora", "nothing"),
    ):
        add_user(users, name, PASSWORD, frozenset({role}))
    rights.write_text('[roles.narrow]\nread = ["main.*"]\n')
    options = ("--users", str(users), "--rights", str(rights))
    options += ("--max-queries", "1", "--max-queued", "1", "--query-history", "40")
    with serve(data, log, "--threads", "1", *options) as (uri, _):
        yield uri


@pytest.fixture
def login(guarded: str) -> Iterator[Callable[[str], Client]]:
    """Gives a connection of a user's own."""
    with ExitStack() as opened:

        def connect(name: str) -> Client:
            proof = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
            return Client(
                opened.enter_context(RawClient(guarded, [("authorization", f"Basic {proof}")], agent="looker"))
            )

        yield connect


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def begun(threads: ThreadPoolExecutor, client: Client, root: Client, state: str = "running") -> tuple[Future[str], str]:
    """What a query of days ends with, and its id once it is in a `state`."""
    ids = {row["id"] for row in root.rows(f"SELECT id {OTHERS}")}
    answer = threads.submit(client.refusal, LONG)
    found: list[str] = []

    def runs() -> bool:
        rows = root.rows(f"SELECT id {OTHERS} AND state = '{state}'")
        found[:] = [row["id"] for row in rows if row["id"] not in ids]
        return bool(found)

    until(runs)
    return answer, found[0]


def test_an_administrator_looks_and_stops_while_nobody_else_has_a_turn(
    login: Callable[[str], Client], threads: ThreadPoolExecutor, log: Path
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


def test_others_see_and_stop_what_is_their_own(login: Callable[[str], Client], threads: ThreadPoolExecutor) -> None:
    ann, bob, root = login("ann"), login("bob"), login("root")
    answer, id = begun(threads, ann, root)
    # Who is no administrator waits for a turn: the query is that of another connection of the same user.
    assert f"No query '{id}' runs that you may stop" in bob.refusal(f"KILL QUERY '{id}'")
    assert "NOT_FOUND" in bob.refusal("KILL QUERY 'nothing'")
    login("ann").rows(f"KILL QUERY '{id}'")
    assert '"ann"' in answer.result(30)
    assert {row["user"] for row in bob.rows("SELECT DISTINCT user FROM system.queries")} == {"bob"}
    assert {"ann", "bob", "root"} <= {row["user"] for row in root.rows("SELECT DISTINCT user FROM system.queries")}


def test_what_ended_is_kept_with_its_rows_and_its_error(login: Callable[[str], Client]) -> None:
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


def test_tables_are_told_with_what_they_are_made_of(login: Callable[[str], Client]) -> None:
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


def test_tables_that_may_not_be_read_are_not_told(login: Callable[[str], Client], data: Path) -> None:
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


def test_what_others_ask_is_not_told(login: Callable[[str], Client], threads: ThreadPoolExecutor) -> None:
    root, carl = login("root"), login("carl")
    answer, id = begun(threads, login("ann"), root)
    assert root.rows(f"SELECT text FROM system.queries WHERE id = '{id}'") == [{"text": LONG}]
    root.rows(f"KILL QUERY '{id}'")
    assert "KILL QUERY" in answer.result(30)
    for table in ("queries", "stages", "tasks", "sessions", "settings", "workers"):
        for row in carl.rows(f"SELECT * FROM system.{table}"):
            assert row["user"] == "carl"
            assert LONG not in str(row)


def test_sessions_of_several_users_are_told_to_whom_they_belong(login: Callable[[str], Client]) -> None:
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


def test_settings_are_for_administrators(login: Callable[[str], Client]) -> None:
    assert login("ann").rows("SELECT * FROM system.settings") == []
    found = {row["name"]: row for row in login("root").rows("SELECT * FROM system.settings")}
    assert (found["max_queries"]["value"], found["max_queries"]["default"]) == ("1", "64")
    assert found["max_queries"]["section"] == "service"
    assert "run at once" in found["max_queries"]["description"]
    assert found["users"]["value"].endswith("/users")
    assert found["memory_limit"]["value"] is None
    assert found["queue_timeout"]["value"] == "60s"


def test_sessions_are_told_and_ended(login: Callable[[str], Client], threads: ThreadPoolExecutor) -> None:
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


def test_a_driver_whose_session_is_ended_tells_of_it(
    guarded: str, login: Callable[[str], Client], threads: ThreadPoolExecutor
) -> None:
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
def test_what_is_refused(login: Callable[[str], Client], text: str, told: str) -> None:
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


def test_what_workers_write_is_told_as_what_is_written_here(server_uri: Callable[[str], str]) -> None:
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


def test_the_progress_of_a_query_grows_to_its_end(
    server_uri: Callable[[str], str], threads: ThreadPoolExecutor
) -> None:
    uri = server_uri("parquet")
    with RawClient(uri) as raw, RawClient(uri) as other:
        client, looker = Client(raw), Client(other)
        text = "SELECT count(*) FROM lineitem, range(200000) AS grows(j) WHERE (l_orderkey * j) % 7 = 3"
        answer = threads.submit(client.refusal, text)
        seen: list[float] = []

        def has_grown() -> bool:
            told = looker.rows(f"SELECT progress {OTHERS} AND text LIKE '%grows(j)%' AND state = 'running'")
            seen.extend(row["progress"] or 0.0 for row in told)
            return len(set(seen)) > 2

        until(has_grown)
        assert seen == sorted(seen)
        assert 0 <= seen[0] < seen[-1] < 1
        (running,) = looker.rows(f"SELECT id {OTHERS} AND text LIKE '%grows(j)%'")
        looker.rows(f"KILL QUERY '{running['id']}'")
        assert "KILL QUERY" in answer.result(30)
        looker.rows("SELECT count(*) FROM lineitem, range(2) AS ends(j)")
        (row,) = looker.rows(f"SELECT progress, state {OTHERS} AND text LIKE '%ends(j)'")
        assert row == {"progress": 1.0, "state": "done"}


def test_rows_on_their_way_to_a_slow_reader_are_progress(server_uri: Callable[[str], str]) -> None:
    uri, text = server_uri("ray"), "SELECT l.*, j AS travels FROM lineitem l, range(8) t(j)"
    with (
        RawClient(uri) as raw,
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        told = f"SELECT state, progress, rows {OTHERS} AND text LIKE '%AS travels%' ORDER BY begun DESC LIMIT 1"
        cursor.execute(text)
        reader = cursor.fetch_record_batch()
        rows, shares = reader.read_next_batch().num_rows, list[float]()
        for _ in range(2):
            (row,) = Client(raw).rows(told)
            assert row["state"] == "sending"
            assert rows <= row["rows"] < 8 * 60_175
            shares.append(row["progress"])
            rows += sum(reader.read_next_batch().num_rows for _ in range(10))
        assert 0 < shares[0] < shares[1] < 1
        rows += sum(batch.num_rows for batch in reader)
        assert rows == 8 * 60_175
        (row,) = until(lambda: [row for row in Client(raw).rows(told) if row["state"] == "done"])
        assert row["progress"] == 1.0


def test_a_statement_with_effects_sends_nothing(login: Callable[[str], Client], threads: ThreadPoolExecutor) -> None:
    root = login("root")
    text = "CREATE TABLE slowly AS SELECT i, md5(i::VARCHAR) AS t FROM range(1000000000) r(i)"
    answer = threads.submit(login("root").refusal, text)
    written = f"SELECT id, state, progress {OTHERS} AND text LIKE '%slowly%' AND rows > 0 AND ended IS NULL"
    (row,) = until(lambda: root.rows(written))
    root.rows(f"KILL QUERY '{row['id']}'")
    assert "KILL QUERY" in answer.result(30)
    assert row["state"] == "running"


def test_an_upload_is_told_while_it_comes_in(login: Callable[[str], Client], guarded: str) -> None:
    goes_on = threading.Event()
    batch = pa.RecordBatch.from_pydict({"x": list(range(10_000))})

    def batches() -> Iterator[pa.RecordBatch]:
        yield from [batch] * 3
        assert goes_on.wait(60)
        yield from [batch] * 3

    def upload() -> int:
        options = {"username": "root", "password": PASSWORD}
        with (
            flight_sql.connect(guarded, db_kwargs=options, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            sent = pa.RecordBatchReader.from_batches(batch.schema, batches())
            return int(cursor.adbc_ingest("sent", sent, mode="create"))

    root, seen = login("root"), list[dict[str, Any]]()
    told = "SELECT state, rows, received FROM system.queries WHERE kind = 'UPLOAD' AND text LIKE '%sent%'"
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(upload)

        def arrived() -> bool:
            seen[:] = root.rows(told)
            return bool(seen) and seen[0]["rows"] > 0

        until(arrived)
        goes_on.set()
        assert sent.result(60) == 60_000
    assert seen[0]["state"] == "running"
    assert seen[0]["rows"] in (10_000, 20_000, 30_000)
    assert 8 * 10_000 <= seen[0]["received"] < 8 * 60_000
    (ended,) = root.rows(told)
    assert (ended["state"], ended["rows"]) == ("done", 60_000)
    assert ended["received"] >= 8 * 60_000
    root.rows("DROP TABLE sent")


def test_the_stages_of_a_query_on_ray_are_told_while_it_runs(
    server_uri: Callable[[str], str], threads: ThreadPoolExecutor
) -> None:
    with RawClient(server_uri("ray")) as raw, RawClient(server_uri("ray")) as other:
        client, victim = Client(raw), Client(other)
        # The first stages end; the last one, which joins what they gave, takes days.
        text = """
            SELECT count(*) FROM (SELECT l_orderkey AS k, count(*) AS n FROM lineitem GROUP BY ALL) a,
                range(1000000000) b(j) WHERE a.n * b.j % 7 = 3 AND a.k % 2 = 1"""
        answer = threads.submit(victim.refusal, text)
        running = f"SELECT id, progress {OTHERS} AND text LIKE '%a.n * b.j%' AND state = 'running'"
        joined = f"SELECT q.id, progress, s.* FROM ({running}) q JOIN system.stages s ON s.query = q.id ORDER BY stage"

        def told() -> list[dict[str, Any]]:
            stages = client.rows(joined)
            return [stage for stage in stages if stage["done"] and stage["done"] == stage["tasks"]]

        whole = until(told)[0]
        assert whole["tasks"] <= whole["attempts"]
        assert whole["rows"] > 0
        assert whole["bytes"] > 0
        assert 0 < whole["progress"] < 1
        tasks = client.rows(f"SELECT * FROM system.tasks WHERE query = '{whole['id']}' ORDER BY stage, task")
        done = [task for task in tasks if task["stage"] == whole["stage"]]
        assert [task["task"] for task in done] == list(range(whole["tasks"]))
        assert {task["state"] for task in done} == {"done"}
        assert sum(task["rows"] for task in done) == whole["rows"]
        assert sum(task["bytes"] for task in done) >= whole["bytes"]  # those that were lost and made again count there
        workers = {worker["id"] for worker in client.rows("SELECT id FROM system.workers")}
        assert all(task["seconds"] > 0 and task["attempts"] > 0 and task["worker"] in workers for task in done)
        (last,) = [task for task in tasks if task["state"] == "running"]
        assert (last["rows"], last["seconds"]) == (None, None)
        assert last["worker"] in workers
        client.rows(f"KILL QUERY '{whole['id']}'")
        assert "KILL QUERY" in answer.result(30)
        until(lambda: not client.rows("SELECT * FROM system.stages"))
        assert client.rows("SELECT * FROM system.tasks") == []
