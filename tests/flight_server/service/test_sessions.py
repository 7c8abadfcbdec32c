"""Sessions: their options, who they belong to, and their end."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight

from engine.errors import ResourceExhaustedError
from engine.rights import Identity
from engine.statements.session import Session
from engine.storage.protocol import TableName, WriteMode
from flight_server.endpoint.calls import Call, CallRegistry
from flight_server.options import ServiceOptions
from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.sessions import COOKIE, Sessions
from flight_server.service.store import EvictedError
from flight_server.service.wire import wrap
from tests.clients.raw import RawClient, command_descriptor
from tests.flight_server.conftest import Served

Result = messages.SetSessionOptionsResult


def options(client: flight.FlightClient, cookie: str | None = None) -> messages.GetSessionOptionsResult:
    body = messages.GetSessionOptionsRequest().SerializeToString()
    headers = [] if cookie is None else [(b"cookie", f"{COOKIE}={cookie}".encode())]
    call = flight.FlightCallOptions(headers=headers)
    (result,) = client.do_action(flight.Action("GetSessionOptions", body), call)
    return messages.GetSessionOptionsResult.FromString(result.body.to_pybytes())


def set_options(client: flight.FlightClient, **values: messages.SessionOptionValue) -> Result:
    body = messages.SetSessionOptionsRequest(session_options=values).SerializeToString()
    (result,) = client.do_action(flight.Action("SetSessionOptions", body))
    return Result.FromString(result.body.to_pybytes())


def close(client: flight.FlightClient) -> messages.CloseSessionResult:
    (result,) = client.do_action(flight.Action("CloseSession", b""))
    return messages.CloseSessionResult.FromString(result.body.to_pybytes())


def test_options_are_set_told_and_taken_back(client: flight.FlightClient) -> None:
    value = messages.SessionOptionValue
    assert not set_options(client, timeout=value(double_value=30), partitions=value(int64_value=4)).errors
    told = options(client).session_options
    assert (told["catalog"].string_value, told["schema"].string_value) == ("grism", "main")
    assert (told["timeout"].double_value, told["partitions"].int64_value) == (30, 4)
    assert not set_options(client, timeout=value(), schema=value(string_value="MAIN")).errors
    assert set(options(client).session_options) == {"catalog", "schema", "partitions"}
    assert close(client).status == messages.CloseSessionResult.CLOSED
    assert set(options(client).session_options) == {"catalog", "schema"}


def test_options_that_cannot_be_set(client: flight.FlightClient) -> None:
    value = messages.SessionOptionValue
    refused = set_options(
        client,
        nothing=value(string_value="x"),
        schema=value(string_value="no_such"),
        catalog=value(string_value="other"),
        timeout=value(string_value="soon"),
        partitions=value(int64_value=0),
    )
    assert refused.errors.pop("nothing").value == Result.INVALID_NAME
    assert {name: error.value for name, error in refused.errors.items()} == dict.fromkeys(
        ("schema", "catalog", "timeout", "partitions"), Result.INVALID_VALUE
    )
    close(client)


def test_a_query_that_takes_longer_than_the_session_s_timeout_is_stopped(client: flight.FlightClient) -> None:
    set_options(client, timeout=messages.SessionOptionValue(double_value=0.3))
    query = "SELECT count(*) FROM range(1000000000) a(i), range(1000000) b(j) WHERE i % 7 = j % 5"
    command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=query)))
    with pytest.raises(flight.FlightTimedOutError, match="ran out of time"):  # planning may take that long under load
        client.do_get(client.get_flight_info(command).endpoints[0].ticket).read_all()
    close(client)


def test_adbc_sets_the_current_schema(served: Served, connection: flight_sql.Connection) -> None:
    name = f"s_{uuid.uuid4().hex[:8]}"
    (served.data / f"{name}.schema").mkdir()
    connection.adbc_connection.set_options(**{"adbc.connection.db_schema": name})
    assert connection.adbc_current_db_schema == name
    assert connection.adbc_current_catalog == "grism"
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t", pa.table({"x": [1]}))
        cursor.execute("SELECT current_schema(), x FROM t")
        assert cursor.fetchall() == [(name, 1)]
        with pytest.raises(adbc_driver_manager.Error, match="nation"):
            cursor.execute("SELECT * FROM nation")


# ---- the store


class FakePeer(Call):
    """A call of which only its headers and its peer are told."""

    def __init__(self, registry: CallRegistry, peer: str, cookie: str | None = None) -> None:
        super().__init__("DoAction", {} if cookie is None else {"cookie": [f"other=1; {COOKIE}={cookie}"]}, registry)
        self.sent: list[str] = []
        self.peer = peer

    def add_header(self, key: str, value: str) -> None:
        assert key == "set-cookie"
        self.sent.append(value.partition("=")[2].partition(";")[0])


ANN, BOB = Identity("ann"), Identity("bob")


@pytest.fixture
def registry() -> object:
    found = CallRegistry()
    yield found
    found.stop()


def make_table(session: Session) -> None:
    rows = pa.table({"a": [1]}).to_reader()
    session.make_temporary().write(TableName("main", "made"), rows, WriteMode.CREATE)


def begin(sessions: Sessions, call: FakePeer, identity: Identity) -> Session:
    session, _ = sessions.of(call, identity)
    make_table(session)
    call.finish()
    return session


def found(sessions: Sessions, call: FakePeer, identity: Identity) -> Session:
    return sessions.of(call, identity)[0]


def test_a_session_is_found_by_cookie_and_connection_and_by_nobody_else(registry: CallRegistry, tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, ServiceOptions())
    call = FakePeer(registry, "ipv4:1")
    session = begin(sessions, call, ANN)
    (cookie,) = call.sent
    assert found(sessions, FakePeer(registry, "ipv4:1"), ANN) is session
    assert found(sessions, FakePeer(registry, "ipv4:2", cookie), ANN) is session
    assert found(sessions, FakePeer(registry, "ipv4:1"), BOB) is not session
    assert found(sessions, FakePeer(registry, "ipv4:1", cookie), BOB) is not session
    assert found(sessions, FakePeer(registry, "ipv4:2"), ANN) is not session
    assert found(sessions, FakePeer(registry, "ipv4:1", "forged"), ANN) is not session
    assert len(sessions) == 1
    sessions.close_all()


def test_idle_sessions_end_by_themselves_and_busy_ones_do_not(registry: CallRegistry, tmp_path: Path) -> None:
    sessions, others = Sessions(tmp_path, ServiceOptions(session_ttl=0.2)), set(threading.enumerate())
    begin(sessions, FakePeer(registry, "ipv4:1"), ANN)
    busy = FakePeer(registry, "ipv4:2")
    session = found(sessions, busy, ANN)
    make_table(session)
    (ender,) = set(threading.enumerate()) - others
    ender.join(1)
    assert ender.is_alive()
    assert len(sessions) == 1
    assert list((tmp_path / ".sessions").iterdir()) == [session.folder]
    busy.finish()
    ender.join(10)
    assert not ender.is_alive()
    assert len(sessions) == 0
    assert not list((tmp_path / ".sessions").iterdir())


def test_nobody_waits_for_sessions_that_are_closed(registry: CallRegistry, tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, ServiceOptions())
    closers: list[Callable[[Session], object]] = [
        lambda session: sessions.close(session, ""),
        lambda _: sessions.close_all(),
    ]
    for close in closers:
        others = set(threading.enumerate())
        session = begin(sessions, FakePeer(registry, "ipv4:1"), ANN)
        (ender,) = set(threading.enumerate()) - others
        close(session)
        ender.join(10)
        assert not ender.is_alive()
        assert not list((tmp_path / ".sessions").iterdir())


def test_who_has_most_sessions_loses_the_one_that_was_not_used_for_longest(
    registry: CallRegistry, tmp_path: Path
) -> None:
    released: list[str] = []
    sessions = Sessions(tmp_path, ServiceOptions(max_sessions=3), released.append)
    calls = [FakePeer(registry, f"ipv4:{i}") for i in range(3)]
    first, second, third = (begin(sessions, call, ANN) for call in calls)
    (cookie,) = calls[0].sent
    again = FakePeer(registry, "ipv4:0", cookie)
    assert sessions.of(again, ANN) == (first, first.origin)
    again.finish()
    busy = FakePeer(registry, "ipv4:4")
    found(sessions, busy, BOB).make_temporary()
    assert released == [second.origin, "ipv4:1"]
    with pytest.raises(EvictedError, match="begin another"):
        sessions.of(FakePeer(registry, "ipv4:1", calls[1].sent[0]), ANN)
    assert found(sessions, FakePeer(registry, "ipv4:1", calls[1].sent[0]), ANN) is not second
    begin(sessions, FakePeer(registry, "ipv4:5"), BOB)
    assert released[2:] == [third.origin, "ipv4:2"]
    begin(sessions, FakePeer(registry, "ipv4:6"), BOB)
    assert len(sessions) == 3
    assert found(sessions, FakePeer(registry, "ipv4:0", cookie), ANN) is first
    busy.finish()
    sessions.close_all()


def test_while_all_sessions_are_in_use_no_other_begins(registry: CallRegistry, tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, ServiceOptions(max_sessions=1))
    busy = FakePeer(registry, "ipv4:1")
    found(sessions, busy, ANN).make_temporary()
    with pytest.raises(ResourceExhaustedError, match="1 sessions are open"):
        found(sessions, FakePeer(registry, "ipv4:2"), BOB).make_temporary()
    busy.finish()
    begin(sessions, FakePeer(registry, "ipv4:2"), BOB)
    sessions.close_all()


def test_a_session_without_a_cookie_ends_with_its_connection(registry: CallRegistry, tmp_path: Path) -> None:
    released: list[str] = []
    sessions = Sessions(tmp_path, ServiceOptions(), released.append)
    bound = begin(sessions, FakePeer(registry, "ipv4:1"), ANN)
    call, again, other = FakePeer(registry, "ipv4:2"), FakePeer(registry, "ipv4:1"), FakePeer(registry, "ipv4:3")
    with_cookie = begin(sessions, call, ANN)
    assert sessions.of(again, ANN) == (bound, "ipv4:1")
    assert sessions.peers() == {"ipv4:1", "ipv4:2"}
    other.headers = {"cookie": [f"{COOKIE}={call.sent[0]}"]}
    assert sessions.of(other, ANN) == (with_cookie, with_cookie.origin)
    assert sessions.peers() == {"ipv4:1"}
    sessions.disconnect({"ipv4:1", "ipv4:2"})
    assert len(sessions) == 2  # a call is not over yet
    again.finish()
    sessions.disconnect({"ipv4:1", "ipv4:2"})
    assert released == [bound.origin, "ipv4:1"]
    assert [kept.name for kept in (tmp_path / ".sessions").iterdir()] == [with_cookie.folder.name]
    other.finish()
    sessions.close_all()


def test_what_a_crash_left_is_removed_and_what_is_in_use_is_not(registry: CallRegistry, tmp_path: Path) -> None:
    living = Sessions(tmp_path, ServiceOptions())
    session = begin(living, FakePeer(registry, "ipv4:1"), ANN)
    (tmp_path / ".sessions" / "dead" / "tables").mkdir(parents=True)
    Sessions(tmp_path, ServiceOptions())
    assert list((tmp_path / ".sessions").iterdir()) == [session.folder]
    living.close_all()


def test_the_cookie_comes_again_to_who_has_lost_it(writable_uri: str) -> None:
    """arrow-go's middleware does not see one that comes with the answer to an update."""
    with RawClient(writable_uri) as raw:
        raw.update(sql.CommandStatementUpdate(query="SET timeout = 60"))
        cookies = []
        for headers in ([], [("cookie", "other=1")]):
            raw.headers = headers
            call = raw.stream("GetFlightInfo", command_descriptor(sql.CommandStatementQuery(query="SELECT 1")))
            list(call)
            cookies.append(dict(call.initial_metadata())["set-cookie"].partition(";")[0])
        assert cookies[0] == cookies[1]
        raw.headers = [("cookie", cookies[0])]
        call = raw.stream("GetFlightInfo", command_descriptor(sql.CommandStatementQuery(query="SELECT 1")))
        list(call)
        assert "set-cookie" not in dict(call.initial_metadata())


# ---- settings by statement, and by header


def read(cursor: flight_sql.Cursor, query: str) -> pa.Table:
    cursor.execute(query)
    return cursor.fetch_arrow_table()


@pytest.fixture
def schema_of_its_own(writer: flight_sql.Connection, t: str) -> Iterator[str]:
    """A schema with the table `here` in it."""
    with writer.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {t}")
        cursor.execute(f"CREATE TABLE {t}.here AS SELECT 1 AS x")
        yield t
        cursor.execute(f"DROP TABLE {t}.here")
        cursor.execute(f"DROP SCHEMA {t}")


@pytest.mark.parametrize(
    ("choose", "give_back"),
    [
        ("USE {}", "USE main"),
        ("use grism.{};", "USE grism"),
        ("SET schema = '{}'", "RESET schema"),
        ("SET SESSION schema TO {}", "SET schema = DEFAULT"),
        ('SET "schema" = "{}"', "RESET SESSION schema"),
    ],
)
def test_a_statement_chooses_the_schema(writable_uri: str, schema_of_its_own: str, choose: str, give_back: str) -> None:
    with flight_sql.connect(writable_uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(choose.format(schema_of_its_own))
        cursor.execute("SELECT x FROM here")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("SELECT current_schema()")
        assert cursor.fetchall() == [(schema_of_its_own,)]
        cursor.execute(give_back)
        with pytest.raises(adbc_driver_manager.Error, match="here"):
            cursor.execute("SELECT x FROM here")


def test_statements_set_what_session_options_set(writable_uri: str) -> None:
    with flight.connect(writable_uri, generic_options=[("grism.test.settings", 1)]) as client:
        for text in (
            "SET timeout = '1.5s'",
            "SET partitions = 7",
            "SET endpoints TO workers",
            "SET dictionaries = true",
            "SET runtime = DEFAULT",
        ):
            command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=text)))
            (endpoint,) = client.get_flight_info(command).endpoints
            assert client.do_get(endpoint.ticket).read_all().to_pydict() == {"Count": [0]}
        found = options(client).session_options
        assert found["timeout"].double_value == 1.5
        assert found["partitions"].int64_value == 7
        assert found["endpoints"].string_value == "workers"
        assert found["dictionaries"].bool_value
        assert close(client).status == messages.CloseSessionResult.CLOSED


def test_settings_are_shown(writable_uri: str, schema_of_its_own: str) -> None:
    with flight_sql.connect(writable_uri, autocommit=True) as connection, connection.cursor() as cursor:
        assert read(cursor, "SHOW timeout").to_pydict() == {"timeout": [None]}
        cursor.execute("SET timeout = '1500ms'")
        assert read(cursor, "SHOW Timeout").to_pydict() == {"timeout": ["1.5"]}
        cursor.execute(f"USE {schema_of_its_own}")
        found = read(cursor, "SHOW ALL").to_pydict()
        told = dict(zip(found["name"], found["value"], strict=True))
        assert (told["schema"], told["endpoints"], told["dictionaries"]) == (schema_of_its_own, "server", "false")
        assert (told["timeout"], told["partitions"]) == ("1.5", None)
        assert read(cursor, "SHOW here")["column_name"].to_pylist() == ["x"]
        cursor.execute("CREATE TEMP TABLE timeout (y INTEGER)")
        assert read(cursor, "SHOW timeout")["column_name"].to_pylist() == ["y"]
        with pytest.raises(adbc_driver_manager.Error, match="nowhere"):
            cursor.execute("SHOW nowhere")


def test_a_time_limit_that_a_statement_sets_holds(writable_uri: str) -> None:
    with flight_sql.connect(writable_uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET timeout = '1500ms'")
        with pytest.raises(adbc_driver_manager.Error, match="ran out of time"):
            read(cursor, "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b")
        cursor.execute("SET timeout = 0")
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("way_out", ["SET timeout = '1m'", "RESET timeout"])
def test_a_time_limit_that_nothing_meets_can_be_set_anew(writable_uri: str, way_out: str) -> None:
    with flight_sql.connect(writable_uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET timeout = 0.000001")
        with pytest.raises(adbc_driver_manager.Error, match="ran out of time"):
            cursor.execute("SELECT 1")
        cursor.execute(way_out)
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_headers_are_the_first_values_of_a_session(writable_uri: str, schema_of_its_own: str) -> None:
    """JDBC sends those parameters of its URL that it does not know as headers of every call."""
    header = DatabaseOptions.RPC_CALL_HEADER_PREFIX.value
    values = {f"{header}schema": schema_of_its_own, f"{header}timeout": "20s"}
    with flight_sql.connect(writable_uri, values, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT x FROM here")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("USE main")  # begins the session, in which what is set holds
        cursor.execute("SELECT current_schema()")
        assert cursor.fetchall() == [("main",)]
        assert connection.adbc_connection.get_option_float("adbc.flight.sql.session.option.timeout") == 20.0
    nowhere = {f"{header}schema": "nowhere"}
    with (
        flight_sql.connect(writable_uri, nowhere, autocommit=True) as connection,
        connection.cursor() as cursor,
        pytest.raises(adbc_driver_manager.Error, match="schema cannot be 'nowhere'"),
    ):
        cursor.execute("SELECT 1")
