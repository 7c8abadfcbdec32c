"""Queries that run and wait, from outside: cancelled, out of time, over the limits, left by their clients, logged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import unwrap, wrap
from tests.flight_server.service.test_queries import Prepared
from tests.harness.processes import ray_workers, wait_busy, wait_idle
from tests.harness.server import serve
from tests.harness.waiting import until

SLOTS, PLACES = 2, 3
COUNT = "SELECT count(*) FROM range(1000000000) a(i), range(1000000) b(j) WHERE i % 7 = j % 5"
"""Takes days, and gives one row."""
ENDLESS = "SELECT i, i::VARCHAR AS s FROM range(100000000000) t(i)"
"""Gives rows at once and for days."""
PATIENCE = 20.0

Answer = pa.Table | Exception


@dataclass(frozen=True)
class Narrow:
    """A server with few slots, and what it has logged."""

    uri: str
    pid: int
    log: Path

    def lines(self, event: str, text: str) -> list[dict[str, object]]:
        """The log's lines of a kind whose statement contains a text."""
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in found if line.get("event") == event and text in str(line.get("statement"))]

    def line(self, event: str, text: str) -> dict[str, object]:
        """The one line of a kind whose statement contains a text, which may come in a moment."""
        until(lambda: bool(self.lines(event, text)))
        (line,) = self.lines(event, text)
        return line


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Narrow]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    options = {"max-queries": SLOTS, "max-queued": PLACES, "queue-timeout": "1500ms", "query-timeout": "4s"}
    options |= {"stall-yield": "1h"}
    options |= {"max-prepared-size": "4MB", "max-parameter-size": "3MB"}
    options |= {"statement-ttl": "4s", "threads": 2, "log-format": "json", "log-level": "debug"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with serve(tmp_path_factory.mktemp("data"), log, *arguments) as (uri, pid):
        yield Narrow(uri, pid, log)


@pytest.fixture
def client(narrow: Narrow) -> Iterator[flight.FlightClient]:
    with flight.connect(narrow.uri) as client:
        yield client


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def info(client: flight.FlightClient, query: str) -> flight.FlightInfo:
    return client.get_flight_info(flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=query))))


def begin(client: flight.FlightClient, query: str) -> flight.FlightStreamReader:
    """A result of which the first rows were read."""
    reader = client.do_get(info(client, query).endpoints[0].ticket)
    reader.read_chunk()
    return reader


def fetch(client: flight.FlightClient, planned: flight.FlightInfo) -> Answer:
    try:
        return client.do_get(planned.endpoints[0].ticket).read_all()
    except (flight.FlightError, pa.ArrowException) as error:
        return error


def run(client: flight.FlightClient, query: str) -> Answer:
    return fetch(client, info(client, query))


def action(client: flight.FlightClient, name: str, body: bytes) -> bytes:
    (result,) = client.do_action(flight.Action(name, body))
    return bytes(result.body.to_pybytes())


def cancel(client: flight.FlightClient, planned: flight.FlightInfo) -> messages.CancelStatus:
    request = messages.CancelFlightInfoRequest(info=messages.FlightInfo.FromString(planned.serialize()))
    answer = action(client, "CancelFlightInfo", request.SerializeToString())
    return messages.CancelFlightInfoResult.FromString(answer).status


def cancel_query(client: flight.FlightClient, planned: flight.FlightInfo) -> messages.CancelStatus:
    answer = unwrap(action(client, "CancelQuery", wrap(sql.ActionCancelQueryRequest(info=planned.serialize()))))
    assert isinstance(answer, sql.ActionCancelQueryResult)
    return messages.CancelStatus.Value(
        sql.ActionCancelQueryResult.CancelResult.Name(answer.result).replace("RESULT", "STATUS")
    )


def set_timeout(client: flight.FlightClient, seconds: float) -> None:
    value = messages.SessionOptionValue(double_value=seconds)
    action(
        client,
        "SetSessionOptions",
        messages.SetSessionOptionsRequest(session_options={"timeout": value}).SerializeToString(),
    )


def assert_every_slot_is_free(narrow: Narrow) -> None:
    """As many queries as there are slots run beside each other; their clients leave in the middle."""
    with flight.connect(narrow.uri) as client:
        readers = [begin(client, ENDLESS) for _ in range(SLOTS)]
        for reader in readers:
            reader.cancel()


# ---- cancelled


@pytest.mark.parametrize("stop", [cancel, cancel_query])
def test_a_running_query_is_cancelled_and_its_work_stops(
    narrow: Narrow,
    client: flight.FlightClient,
    threads: ThreadPoolExecutor,
    stop: Callable[[flight.FlightClient, flight.FlightInfo], messages.CancelStatus],
) -> None:
    planned = info(client, COUNT)
    answer = threads.submit(fetch, client, planned)
    wait_busy(lambda: [narrow.pid])
    assert stop(client, planned) == messages.CANCEL_STATUS_CANCELLED
    assert isinstance(answer.result(PATIENCE), flight.FlightCancelledError)
    wait_idle(lambda: [narrow.pid])
    assert isinstance(fetch(client, planned), flight.FlightCancelledError)
    assert stop(client, planned) == messages.CANCEL_STATUS_CANCELLED


def test_a_query_on_ray_is_cancelled_and_its_tasks_stop(
    server_uri: Callable[[str], str], threads: ThreadPoolExecutor
) -> None:
    with flight.connect(server_uri("ray")) as client:
        query = "SELECT count(*) FROM lineitem a, lineitem b, lineitem c WHERE a.l_orderkey + b.l_partkey > c.l_suppkey"
        planned = info(client, query)
        answer = threads.submit(fetch, client, planned)
        wait_busy(ray_workers)
        assert cancel(client, planned) == messages.CANCEL_STATUS_CANCELLED
        assert isinstance(answer.result(PATIENCE), flight.FlightCancelledError)
        wait_idle(ray_workers)
        set_timeout(client, 1.0)
        assert isinstance(run(client, query), flight.FlightTimedOutError)
        wait_idle(ray_workers)
        action(client, "CloseSession", b"")


def test_a_waiting_query_is_cancelled_and_the_running_ones_go_on(
    narrow: Narrow, client: flight.FlightClient, threads: ThreadPoolExecutor
) -> None:
    readers = [begin(client, ENDLESS) for _ in range(SLOTS)]
    waiting = info(client, "SELECT 'waiting'")
    answer = threads.submit(fetch, client, waiting)
    narrow.line("queued", "'waiting'")
    assert cancel(client, waiting) == messages.CANCEL_STATUS_CANCELLED
    assert isinstance(answer.result(PATIENCE), flight.FlightCancelledError)
    for reader in readers:
        assert reader.read_chunk().data.num_rows
        reader.cancel()
    assert_every_slot_is_free(narrow)


def test_a_stream_that_is_cancelled_ends_in_an_error(narrow: Narrow, client: flight.FlightClient) -> None:
    planned = info(client, ENDLESS)
    ticket = messages.Ticket(ticket=planned.endpoints[0].ticket.ticket).SerializeToString()
    with grpc.insecure_channel(narrow.uri.removeprefix("grpc://")) as channel:
        stream = channel.unary_stream("/arrow.flight.protocol.FlightService/DoGet")(ticket)
        next(stream)
        cancel(client, planned)
        with pytest.raises(grpc.RpcError) as caught:
            list(stream)
    assert caught.value.code() is grpc.StatusCode.CANCELLED
    assert caught.value.details() == "The query was cancelled. Detail: Cancelled"
    assert ("grism-error", "CancelledError") in caught.value.trailing_metadata()


def test_what_can_be_cancelled(client: flight.FlightClient) -> None:
    unfetched, fetched = info(client, "SELECT 1"), info(client, "SELECT 2")
    fetch(client, fetched)
    assert cancel(client, unfetched) == messages.CANCEL_STATUS_CANCELLED
    assert isinstance(fetch(client, unfetched), flight.FlightCancelledError)
    assert cancel(client, fetched) == messages.CANCEL_STATUS_NOT_CANCELLABLE
    assert isinstance(fetch(client, fetched), pa.Table)
    tables = client.get_flight_info(flight.FlightDescriptor.for_command(wrap(sql.CommandGetTables())))
    assert cancel(client, tables) == messages.CANCEL_STATUS_NOT_CANCELLABLE
    forged = flight.FlightInfo(pa.schema([]), flight.FlightDescriptor.for_command(b""), [], -1, -1)
    with pytest.raises(pa.ArrowInvalid, match="endpoints"):
        cancel(client, forged)
    endpoint = flight.FlightEndpoint(b"x" * 90, [])
    forged = flight.FlightInfo(pa.schema([]), flight.FlightDescriptor.for_command(b""), [endpoint], -1, -1)
    with pytest.raises(pa.ArrowInvalid, match="not valid"):
        cancel(client, forged)


# ---- expired and renewed


def test_a_ticket_expires_and_a_renewed_one_lives_longer(client: flight.FlightClient) -> None:
    planned = info(client, "SELECT 42 AS n")
    (endpoint,) = planned.endpoints
    expires = endpoint.expiration_time.as_py()
    until(lambda: time.time() > expires.timestamp() - 1)
    request = messages.RenewFlightEndpointRequest()
    request.endpoint.ParseFromString(endpoint.serialize())
    renewed = flight.FlightEndpoint.deserialize(action(client, "RenewFlightEndpoint", request.SerializeToString()))
    assert renewed.expiration_time.as_py() > expires
    until(lambda: time.time() > expires.timestamp())
    with pytest.raises(pa.ArrowInvalid, match="has expired"):
        client.do_get(endpoint.ticket).read_all()
    assert client.do_get(renewed.ticket).read_all().to_pylist() == [{"n": 42}]
    with pytest.raises(pa.ArrowInvalid, match="has expired"):
        action(client, "RenewFlightEndpoint", request.SerializeToString())


# ---- the queue


def test_a_turn_goes_to_the_client_that_has_fewest(narrow: Narrow) -> None:
    """While one client's query runs and others of it wait, another's single query comes first."""
    done: list[str] = []

    def ask(client: flight.FlightClient, name: str) -> None:
        assert isinstance(run(client, f"SELECT '{name}' AS asks, sum(i) FROM range(100000000) t(i)"), pa.Table)
        done.append(name)

    with flight.connect(narrow.uri) as many, flight.connect(narrow.uri) as single, ThreadPoolExecutor(3) as pool:
        readers = [begin(many, ENDLESS) for _ in range(SLOTS)]
        for client, name in ((many, "first"), (many, "second"), (single, "third")):
            pool.submit(ask, client, name)
            narrow.line("queued", f"'{name}' AS asks")
        readers[0].cancel()
        pool.shutdown()
        readers[1].cancel()
    assert done[0] == "third"


def test_who_comes_when_too_many_wait_is_refused_at_once(
    narrow: Narrow, client: flight.FlightClient, threads: ThreadPoolExecutor
) -> None:
    readers = [begin(client, ENDLESS) for _ in range(SLOTS)]
    began = time.monotonic()
    waiting = [threads.submit(run, client, f"SELECT {i} AS waits") for i in range(PLACES)]
    until(lambda: len(narrow.lines("queued", "AS waits")) == PLACES)
    refused = [threads.submit(run, client, f"SELECT {i} AS waits") for i in range(2)]
    answers = [answer.result(PATIENCE) for answer in (*waiting, *refused)]
    assert time.monotonic() - began >= 1.5
    assert all(isinstance(answer, flight.FlightUnavailableError) for answer in answers)
    texts = sorted(str(answer).split(";")[0] for answer in answers)
    assert texts[:2] == [f"{SLOTS} queries run and {PLACES} wait, the most that may"] * 2
    assert all("waited 1.5 s for its turn" in text for text in texts[2:]), texts
    for reader in readers:
        reader.cancel()
    assert_every_slot_is_free(narrow)


def test_whoever_leaves_leaves_its_slot(narrow: Narrow, threads: ThreadPoolExecutor) -> None:
    def counted(event: str, times: int) -> Callable[[], bool]:
        return lambda: len(narrow.lines(event, "'left'")) == times * PLACES

    for times in (1, 2):
        client = flight.connect(narrow.uri)
        readers = [begin(client, ENDLESS) for _ in range(SLOTS)]
        with grpc.insecure_channel(narrow.uri.removeprefix("grpc://")) as channel:
            tickets = [info(client, "SELECT 'left'").endpoints[0].ticket.ticket for _ in range(PLACES)]
            do_get = channel.unary_stream("/arrow.flight.protocol.FlightService/DoGet")
            calls = [do_get(messages.Ticket(ticket=ticket).SerializeToString()) for ticket in tickets]
            until(counted("queued", times))
            calls[0].cancel()  # the others with their connection
        info(client, "SELECT 'never fetched'")
        with pytest.raises(pa.ArrowKeyError):
            info(client, "SELECT nothing")
        until(counted("query", times))
        del readers
        client.close()
    with flight.connect(narrow.uri) as client:
        assert isinstance(run(client, "SELECT CAST('x' AS INTEGER)"), pa.ArrowInvalid)
        assert isinstance(run(client, "SELECT 1"), pa.Table)
    assert_every_slot_is_free(narrow)


# ---- what is kept


def test_what_is_bound_has_a_limit(client: flight.FlightClient) -> None:
    """The oldest parameters of the statement make room, then the client's statement that was not used for longest."""
    large, too_large = (pa.table({"1": ["x" * size]}) for size in (2_500_000, 3_000_000))
    statement, other = (Prepared(client, "SELECT length(?) AS n") for _ in range(2))
    first, second = statement.bind(large), statement.bind(large)
    assert statement.rows(second)["n"].to_pylist() == [2_500_000]
    with pytest.raises(pa.ArrowInvalid, match="no longer kept"):
        statement.rows(first)
    with pytest.raises(pa.ArrowInvalid, match="More than 3000000 bytes of parameters"):
        other.bind(too_large)
    assert statement.rows(second)["n"].to_pylist() == [2_500_000]
    third = other.bind(large)
    with pytest.raises(pa.ArrowInvalid, match="EvictedError"):
        statement.rows(second)
    assert other.rows(third)["n"].to_pylist() == [2_500_000]
    assert other.rows(other.bind(large))["n"].to_pylist() == [2_500_000]
    other.close()


# ---- out of time


def test_the_time_of_a_query_is_over(narrow: Narrow, client: flight.FlightClient, threads: ThreadPoolExecutor) -> None:
    """While it runs by the server's limit, and while it waits or is read slowly by the session's."""
    with flight.connect(narrow.uri) as other:
        running = threads.submit(run, other, COUNT + " -- for the server's time")
        wait_busy(lambda: [narrow.pid])
        held = begin(other, ENDLESS)
        set_timeout(client, 0.5)
        assert isinstance(run(client, "SELECT 'waits for long'"), flight.FlightTimedOutError)
        held.cancel()
        slow = begin(client, ENDLESS + " -- read slowly")
        assert isinstance(run(other, "SELECT 'has the slot of what is out of time'"), pa.Table)
        with pytest.raises(flight.FlightTimedOutError, match="ran out of time"):
            slow.read_all()
        assert isinstance(running.result(PATIENCE), flight.FlightTimedOutError)
    wait_idle(lambda: [narrow.pid])
    line = narrow.line("query", "for the server's time")
    assert (line["status"], line["rows"]) == ("DeadlineExceededError", 0)
    assert 3.9 < float(str(line["run"])) + float(str(line["queue"])) < 6
    for text in ("read slowly", "'waits for long'"):
        assert narrow.line("query", text)["status"] == "DeadlineExceededError"
    action(client, "CloseSession", b"")


def test_a_statement_with_effects_is_out_of_time_and_changes_nothing(
    narrow: Narrow, client: flight.FlightClient
) -> None:
    set_timeout(client, 0.5)
    with pytest.raises(flight.FlightTimedOutError):
        info(client, f"CREATE TABLE never_made AS {COUNT}")
    wait_idle(lambda: [narrow.pid])
    with pytest.raises(pa.ArrowKeyError):
        info(client, "SELECT * FROM never_made")
    for event in ("query", "statement"):
        line = narrow.line(event, "CREATE TABLE never_made")
        assert (line["kind"], line["status"]) == ("CREATE TABLE AS", "DeadlineExceededError")
    action(client, "CloseSession", b"")


def slow_to_plan(levels: int = 13) -> str:
    """A query in some hundred thousand characters, of which nothing is to be computed."""
    text = "(SELECT 1 AS x LIMIT 0)"
    for _ in range(levels):
        text = f"(SELECT a.x FROM {text} a, {text} b)"
    return f"SELECT x FROM {text}"


@pytest.mark.parametrize("statement", ["{}", "CREATE VIEW never_made AS {}", "CREATE TABLE never_made AS {}"])
def test_the_time_of_a_query_is_over_while_it_is_planned(
    narrow: Narrow, client: flight.FlightClient, statement: str
) -> None:
    set_timeout(client, 0.3)
    text = f"{statement.format(slow_to_plan())} -- planned for long"
    before = len(narrow.lines("query", text[:100]))
    with pytest.raises(flight.FlightTimedOutError, match="ran out of time"):
        info(client, text)
    with pytest.raises(pa.ArrowKeyError):
        info(client, "SELECT * FROM never_made")
    *_, line = narrow.lines("query", text[:100])
    assert len(narrow.lines("query", text[:100])) == before + 1
    assert line["status"] == "DeadlineExceededError"
    prepared = sql.ActionCreatePreparedStatementRequest(query=text)
    if statement != "CREATE VIEW never_made AS {}":
        with pytest.raises(flight.FlightTimedOutError, match="ran out of time"):
            action(client, "CreatePreparedStatement", wrap(prepared))
    action(client, "CloseSession", b"")


def test_nothing_is_planned_for_a_client_that_has_left(narrow: Narrow, client: flight.FlightClient) -> None:
    text = f"SELECT 'left while planned' AS s, x FROM ({slow_to_plan()})"
    command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=text)))
    with pytest.raises(flight.FlightTimedOutError):
        client.get_flight_info(command, flight.FlightCallOptions(timeout=0.3))
    assert narrow.line("query", "'left while planned'")["status"] == "cancelled"
    wait_idle(lambda: [narrow.pid])


def test_clients_that_do_not_read_lose_their_turns(
    tmp_path_factory: pytest.TempPathFactory, threads: ThreadPoolExecutor
) -> None:
    """Those that compute for long do not."""
    options = ["--max-queries", "2", "--stall-timeout", "1s", "--threads", "2"]
    log = tmp_path_factory.mktemp("log") / "log"
    with serve(tmp_path_factory.mktemp("data"), log, *options) as (uri, _), flight.connect(uri) as client:
        computing = info(client, COUNT)
        answer = threads.submit(fetch, client, computing)
        stalled = begin(client, ENDLESS)
        assert isinstance(run(client, "SELECT 1"), pa.Table)
        with pytest.raises(flight.FlightTimedOutError, match="read nothing for 1 s"):
            stalled.read_all()
        assert not answer.done()
        assert cancel(client, computing) == messages.CANCEL_STATUS_CANCELLED
        assert isinstance(answer.result(PATIENCE), flight.FlightCancelledError)


# ---- the log


def test_each_query_has_one_line(narrow: Narrow, client: flight.FlightClient) -> None:
    planned = info(client, "SELECT i,\n   i AS again FROM range(1000) t(i)")
    fetch(client, planned)
    line = narrow.line("query", "AS again")
    assert line["statement"] == "SELECT i, i AS again FROM range(1000) t(i)"
    told = {name: line[name] for name in ("logger", "level", "user", "kind", "runtime", "rows", "status")}
    assert told == {
        "logger": "grism.query",
        "level": "info",
        "user": "anonymous",
        "kind": "SELECT",
        "runtime": "local",
        "rows": 1000,
        "status": "ok",
    }
    assert 16_000 < int(str(line["bytes"])) < 20_000
    for name in ("planning", "queue", "run"):
        assert 0 <= float(str(line[name])) < 5
    assert str(line["peer"]).startswith("ipv4:127.0.0.1:")


def test_what_fails_or_runs_nothing_has_its_line_too(narrow: Narrow, client: flight.FlightClient) -> None:
    with pytest.raises(pa.ArrowKeyError):
        info(client, "SELECT * FROM no_such_table")
    line = narrow.line("query", "no_such_table")
    assert (line["status"], line["run"]) == ("UnknownTableError", 0)
    assert 'no table "no_such_table"' in str(line["error"]).replace("main.", "")
    fetch(client, info(client, "EXPLAIN SELECT 'explained'"))
    line = narrow.line("query", "explained")
    assert (line["kind"], line["status"]) == ("EXPLAIN", "ok")
    assert int(str(line["rows"])) > 0
    run(client, "SELECT CAST('no number' AS INTEGER)")
    assert narrow.line("query", "no number")["status"] == "InvalidValueError"
    run(client, "SELECT '" + "x" * 10_000 + "' AS of_great_length")
    assert narrow.lines("query", "of_great_length") == []
    assert len(str(narrow.line("query", "x" * 400)["statement"])) < 600


def test_what_changes_something_is_audited(narrow: Narrow, client: flight.FlightClient) -> None:
    fetch(client, info(client, "CREATE TABLE audited AS SELECT i FROM range(10) t(i)"))
    fetch(client, info(client, "DELETE FROM audited WHERE i > 6"))
    writer, reader = client.do_put(flight.FlightDescriptor.for_path("main", "audited"), pa.schema([("i", pa.int64())]))
    with writer:
        writer.write_table(pa.table({"i": [1, 2]}))
        writer.done_writing()
        reader.read()
    with pytest.raises(pa.ArrowInvalid):
        info(client, "CREATE TABLE audited (i INTEGER)")
    info(client, "DROP TABLE audited")
    until(lambda: len(narrow.lines("statement", "audited")) == 5)
    lines = narrow.lines("statement", "audited")
    assert [(line["kind"], line["rows"], line["status"]) for line in lines] == [
        ("CREATE TABLE AS", 10, "ok"),
        ("DELETE", 3, "ok"),
        ("UPLOAD", 2, "ok"),
        ("CREATE TABLE", 0, "TableExistsError"),
        ("DROP TABLE", 0, "ok"),
    ]
    assert {(line["logger"], line["user"]) for line in lines} == {("grism.audit", "anonymous")}
    assert len(narrow.lines("query", "audited")) == 5
