"""What one client leaves open, and what that does to the others: nothing, on servers with little room."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pytest

from flight_server.auth.users import add_user
from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import unwrap, wrap
from tests.clients.raw import RawClient, read_stream
from tests.harness.server import serve
from tests.harness.waiting import until

ROOM = 20
PASSWORD = "correct: horse battery"
PATIENCE = 20.0
EVICTED = "INVALID_ARGUMENT EvictedError"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for anybody."""
    folder = tmp_path_factory.mktemp("crowded")
    options = ("--max-prepared", str(ROOM), "--max-statements", str(ROOM), "--max-sessions", "3", "--threads", "1")
    with serve(folder, folder / "log", *options) as (uri, _):
        yield uri


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server where ana and bob log in."""
    folder, data = tmp_path_factory.mktemp("guarded"), tmp_path_factory.mktemp("guarded-data")
    for name in ("ana", "bob"):
        add_user(folder / "users", name, PASSWORD, frozenset({"admin"}))
    options = ("--max-prepared", str(ROOM), "--max-statements", str(ROOM), "--users", str(folder / "users"))
    options += ("--max-queries", "2", "--stall-yield", "500ms", "--stall-timeout", "1h")
    with serve(data, folder / "log", "--threads", "1", *options) as (uri, _):
        yield uri


def user(uri: str, name: str) -> RawClient:
    """A client that logs in with each call, over a connection of its own."""
    proof = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    return RawClient(uri, [("authorization", f"Basic {proof}")])


def prepare(client: RawClient, query: str = "SELECT 1 AS one") -> bytes:
    """A prepared statement's handle."""
    (body,) = client.action("CreatePreparedStatement", wrap(sql.ActionCreatePreparedStatementRequest(query=query)))
    answer = unwrap(body)
    assert isinstance(answer, sql.ActionCreatePreparedStatementResult)
    return answer.prepared_statement_handle


def state(client: RawClient, handle: bytes) -> str:
    """Whether a prepared statement is open, or the name of the error that it has."""
    try:
        table = client.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))
    except grpc.RpcError as error:
        return f"{error.code().name} {dict(error.trailing_metadata())['grism-error']}"
    return "open" if table.num_rows == 1 else str(table)


def close_session(client: RawClient) -> None:
    (body,) = client.action("CloseSession", messages.CloseSessionRequest().SerializeToString())
    assert messages.CloseSessionResult.FromString(body).status == messages.CloseSessionResult.CLOSED


def test_who_forgets_to_close_loses_its_own_oldest_statements(crowded: str) -> None:
    with RawClient(crowded) as forgetful, flight_sql.connect(crowded, autocommit=True) as connection:
        handles = [prepare(forgetful) for _ in range(3 * ROOM)]
        assert [state(forgetful, handle) for handle in handles] == [EVICTED] * (2 * ROOM) + ["open"] * ROOM
        with pytest.raises(grpc.RpcError, match="none of the open prepared statements any more"):
            forgetful.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handles[0]))
        for i in range(5):
            with connection.cursor() as cursor:
                cursor.execute("SELECT ? + 1", (i,))
                assert cursor.fetchall() == [(i + 1,)]
        with RawClient(crowded) as other:
            kept = [prepare(other) for _ in range(ROOM // 2)]
            for _ in range(ROOM):
                prepare(forgetful)
            assert {state(other, handle) for handle in kept} == {"open"}


def test_a_cursor_whose_statement_was_given_up_closes_like_any_other(crowded: str) -> None:
    with flight_sql.connect(crowded, autocommit=True) as connection:
        cursors = [connection.cursor() for _ in range(ROOM + 1)]
        for cursor in cursors:
            cursor.execute("SELECT 1")
        for cursor in cursors:
            cursor.close()


def test_two_identities_have_equal_shares_over_all_of_their_connections(guarded: str) -> None:
    with user(guarded, "ana") as ana, user(guarded, "ana") as second, user(guarded, "bob") as bob:
        anas = [prepare(client) for client in (ana, second) for _ in range(ROOM)]
        bobs = [prepare(bob) for _ in range(ROOM // 2)]
        for _ in range(ROOM):
            prepare(ana)
        assert {state(bob, handle) for handle in bobs} == {"open"}
        assert {state(second, handle) for handle in anas} == {EVICTED}
        with pytest.raises(grpc.RpcError, match="none of the open prepared statements; it was closed") as caught:
            ana.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=bobs[0]))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        close_session(bob)
        with pytest.raises(grpc.RpcError, match="it was closed or has expired"):
            bob.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=bobs[0]))


@pytest.mark.parametrize("end", ["close the session", "leave"])
def test_the_end_of_a_session_or_connection_gives_back_what_it_held(end: str, crowded: str) -> None:
    with RawClient(crowded) as staying:
        kept = [prepare(staying) for _ in range(ROOM // 4)]
        with RawClient(crowded) as leaving:
            for _ in range(ROOM):
                prepare(leaving)
            if end == "close the session":
                close_session(leaving)
        with RawClient(crowded) as coming:
            give_up, room = time.monotonic() + PATIENCE, ROOM - len(kept)
            while {state(coming, handle) for handle in [prepare(coming) for _ in range(room)]} != {"open"}:
                assert time.monotonic() < give_up  # that a connection is over is seen after a moment
            close_session(coming)
        assert {state(staying, handle) for handle in kept} == {"open"}
        close_session(staying)


def test_statements_that_nobody_fetches_keep_nobody_out(crowded: str) -> None:
    with RawClient(crowded) as careless, RawClient(crowded) as other:
        planned = other.info(sql.CommandStatementQuery(query="SELECT 42 AS x"))
        for query in ["CREATE OR REPLACE TABLE t AS SELECT 1 AS a", "SELECT 1"] * ROOM:
            careless.info(sql.CommandStatementQuery(query=query))
        assert other.get(planned)["x"].to_pylist() == [42]
        assert other.ask(sql.CommandStatementQuery(query="SELECT 43 AS x"))["x"].to_pylist() == [43]
        own = careless.info(sql.CommandStatementQuery(query="SELECT 44 AS x"))
        for _ in range(3 * ROOM):
            careless.info(sql.CommandStatementQuery(query="CREATE OR REPLACE TABLE t AS SELECT 1 AS a"))
        assert careless.get(own)["x"].to_pylist() == [44]
        close_session(careless)
        with pytest.raises(grpc.RpcError, match="none of the open planned statements"):
            careless.get(own)


def test_who_does_not_read_keeps_nobody_waiting_and_may_read_on(guarded: str) -> None:
    long = sql.CommandStatementQuery(query="SELECT i, repeat('x', 1000) AS s FROM range(60000) t(i)")
    with user(guarded, "ana") as ana, user(guarded, "bob") as bob:
        planned = [ana.info(long).endpoint[0].ticket.SerializeToString() for _ in range(2)]
        stalled = [ana.stream("DoGet", ticket) for ticket in planned]
        firsts = [next(stream) for stream in stalled]
        assert bob.ask(sql.CommandStatementQuery(query="SELECT 42 AS x"))["x"].to_pylist() == [42]
        assert read_stream([firsts[0], *stalled[0]]).num_rows == 60_000
        for stream in stalled:
            stream.cancel()


def temporary(client: RawClient) -> None:
    """Begin a session."""
    assert client.update(sql.CommandStatementUpdate(query="CREATE OR REPLACE TEMP TABLE kept AS SELECT 1 AS a")) == 1


def test_a_session_without_a_cookie_ends_with_its_connection(
    crowded: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folders = next(tmp_path_factory.getbasetemp().glob("crowded*")) / ".sessions"
    with RawClient(crowded) as client:
        temporary(client)
        assert len(list(folders.iterdir())) == 1
    until(lambda: not list(folders.iterdir()))


def test_sessions_that_are_left_open_keep_nobody_out(crowded: str) -> None:
    clients = [RawClient(crowded) for _ in range(5)]
    for client in clients:
        temporary(client)
    last = sql.CommandStatementQuery(query="SELECT * FROM kept")
    assert clients[-1].ask(last).num_rows == 1
    with pytest.raises(grpc.RpcError, match="kept"):
        clients[0].ask(last)
    for client in clients:
        client.channel.close()
