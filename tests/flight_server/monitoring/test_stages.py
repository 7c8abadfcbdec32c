"""What runs at workers, told by tables while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import RawClient
from tests.conftest import RAY_OPTIONS
from tests.flight_server.monitoring.looking import OTHERS, Client, Login, add_users, logins
from tests.harness.server import serve
from tests.harness.waiting import until

LAST_TAKES_DAYS = """
    WITH a AS (SELECT l_orderkey AS k, count(*) AS n FROM lineitem GROUP BY ALL)
    SELECT count(*) FROM (FROM a ORDER BY k LIMIT 20000) x, a y, a z
    WHERE x.n * y.n * z.n % 7 = 3 AND (x.k + y.k + z.k) % 2 = 1"""
"""On workers: its first stages end, and the last one, which joins what they gave, does not."""


def test_the_stages_of_a_query_on_ray_are_told_while_it_runs(
    server_uri: Callable[[str], str], threads: ThreadPoolExecutor
) -> None:
    with RawClient(server_uri("ray")) as raw, RawClient(server_uri("ray")) as other:
        client, victim = Client(raw), Client(other)
        answer = threads.submit(victim.refusal, LAST_TAKES_DAYS)
        running = f"SELECT id, progress {OTHERS} AND text LIKE '%x.n * y.n%' AND state = 'running'"
        joined = f"SELECT q.id, progress, s.* FROM ({running}) q JOIN system.stages s ON s.query = q.id ORDER BY stage"

        def told() -> list[dict[str, Any]]:
            stages = client.rows(joined)
            return [stage for stage in stages if stage["done"] and stage["done"] == stage["tasks"]]

        whole = until(told)[0]
        assert whole["tasks"] <= whole["attempts"]
        assert whole["rows"] > 0
        assert whole["bytes"] > 0
        assert 0 < whole["progress"] < 1

        def one_runs() -> list[dict[str, Any]]:  # of another stage there may be more for a while
            tasks = client.rows(f"SELECT * FROM system.tasks WHERE query = '{whole['id']}' ORDER BY stage, task")
            return tasks if [task["state"] for task in tasks].count("running") == 1 else []

        tasks = until(one_runs)
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


@pytest.fixture
def login_on_ray(tpch_dir: Path, tmp_path: Path) -> Iterator[Login]:
    """Gives a connection of a user's own to a server on Ray with users, where root is an administrator."""
    users = add_users(tmp_path, ann="reader", bob="reader", carl="writer", root="admin")
    with (
        serve(tpch_dir, tmp_path / "server.log", *RAY_OPTIONS, "--users", str(users)) as (uri, _),
        logins(uri) as login,
    ):
        yield login


def test_each_sees_the_stages_and_tasks_of_its_own_queries_only(
    login_on_ray: Login, threads: ThreadPoolExecutor
) -> None:
    root = login_on_ray("root")
    running = f"SELECT id, user {OTHERS} AND text LIKE '%x.n * y.n%' AND state = 'running'"
    tables = ("stages", "tasks")
    answers: dict[str, Future[str]] = {}

    def ids() -> dict[str, str]:
        return {row["user"]: row["id"] for row in root.rows(running)}

    def in_its_last_stage(user: str) -> bool:
        """Whether all that is not done of its query is one task."""
        mine = [row for row in root.rows("FROM system.tasks") if row["query"] == ids().get(user)]
        return bool(mine) and [row["state"] for row in mine if row["state"] != "done"] == ["running"]

    for user in ("ann", "bob"):
        answers[user] = threads.submit(login_on_ray(user).refusal, LAST_TAKES_DAYS)
        until(lambda user=user: in_its_last_stage(user))
    queries = ids()
    everything = {table: root.rows(f"FROM system.{table} ORDER BY ALL") for table in tables}
    seen = {
        user: {table: login_on_ray(user).rows(f"FROM system.{table} ORDER BY ALL") for table in tables}
        for user in ("ann", "bob", "carl")
    }
    for user, query in queries.items():
        own = {table: [row for row in rows if row["query"] == query] for table, rows in everything.items()}
        assert seen[user] == own
        (at,) = (number for number, stage in enumerate(own["stages"]) if stage["running"])
        before, running, after = own["stages"][:at], own["stages"][at], own["stages"][at + 1 :]
        assert before
        assert all(stage["done"] == stage["tasks"] and stage["rows"] and stage["bytes"] for stage in before)
        assert (running["tasks"], running["running"], running["done"]) == (1, 1, 0)
        assert all(stage["done"] == stage["rows"] == stage["attempts"] == 0 for stage in after)
        for stage in own["stages"]:
            tasks = [task for task in own["tasks"] if task["stage"] == stage["stage"]]
            assert [task["task"] for task in tasks] == list(range(stage["tasks"] or 0))
            assert sum(task["rows"] or 0 for task in tasks) == stage["rows"]
            assert [task["state"] for task in tasks].count("running") == stage["running"]
    assert seen["carl"] == {"stages": [], "tasks": []}
    for user in seen:
        looker = login_on_ray(user)
        assert {row["user"] for row in looker.rows("FROM system.queries")} == {user}
        assert looker.rows(f"SELECT id {OTHERS} AND state = 'running'") == (
            [{"id": queries[user]}] if user in queries else []
        )
        assert looker.rows("FROM system.workers") == looker.rows("FROM system.sessions") == []
    workers = {row["id"]: row["tasks"] for row in root.rows("FROM system.workers")}
    assert sum(workers.values()) == 2
    assert {row["worker"] for row in everything["tasks"] if row["state"] == "running"} <= workers.keys()
    for user, query in queries.items():
        root.rows(f"KILL QUERY '{query}'")
        assert "KILL QUERY" in answers[user].result(30)
    until(lambda: not root.rows("FROM system.tasks"))
