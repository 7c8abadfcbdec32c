"""How far a statement is, and an upload, told while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest

from tests.clients.raw import RawClient
from tests.flight_server.monitoring.looking import OTHERS, PASSWORD, Client, Login
from tests.harness.waiting import until


@pytest.mark.parametrize(("begins", "name"), [("", "grows"), ("EXPLAIN ANALYZE ", "is_profiled")])
def test_the_progress_of_a_query_grows_to_its_end(
    server_uri: Callable[[str], str], threads: ThreadPoolExecutor, begins: str, name: str
) -> None:
    uri = server_uri("parquet")
    with RawClient(uri) as raw, RawClient(uri) as other:
        client, looker = Client(raw), Client(other)
        text = f"{begins}SELECT count(*) FROM lineitem, range(50000) AS {name}(j) WHERE (l_orderkey * j) % 7 = 3"
        answer = threads.submit(client.refusal, text)
        seen: list[float] = []

        def has_grown() -> bool:
            told = looker.rows(f"SELECT progress {OTHERS} AND text LIKE '%{name}(j)%' AND state = 'running'")
            seen.extend(row["progress"] or 0.0 for row in told)
            return len(set(seen)) > 2

        until(has_grown)
        assert seen == sorted(seen)
        assert 0 <= seen[0] < seen[-1] < 1
        (running,) = looker.rows(f"SELECT id {OTHERS} AND text LIKE '%{name}(j)%'")
        looker.rows(f"KILL QUERY '{running['id']}'")
        assert "KILL QUERY" in answer.result(30)
        looker.rows(f"{begins}SELECT count(*) FROM lineitem, range(2) AS {name}_ends(j)")
        (row,) = looker.rows(f"SELECT progress, state {OTHERS} AND text LIKE '%{name}_ends(j)'")
        assert row == {"progress": 1.0, "state": "done"}


def test_rows_on_their_way_to_a_slow_reader_are_progress_on_ray(server_uri: Callable[[str], str]) -> None:
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


def test_a_statement_with_effects_sends_nothing(login: Login, threads: ThreadPoolExecutor) -> None:
    root = login("root")
    text = "CREATE TABLE slowly AS SELECT i, md5(i::VARCHAR) AS t FROM range(1000000000) r(i)"
    answer = threads.submit(login("root").refusal, text)
    written = f"SELECT id, state, progress {OTHERS} AND text LIKE '%slowly%' AND rows > 0 AND ended IS NULL"
    (row,) = until(lambda: root.rows(written))
    root.rows(f"KILL QUERY '{row['id']}'")
    assert "KILL QUERY" in answer.result(30)
    assert row["state"] == "running"


def test_an_upload_is_told_while_it_comes_in(login: Login, guarded: str) -> None:
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
