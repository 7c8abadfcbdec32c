"""Each client with user and password, or with a token, against a server with TLS, as docs/clients.md says it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import polars as pl
import pytest
import sqlalchemy as sa
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight

from flight_server.auth.users import add_user
from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.clients.raw import RawClient
from tests.flight_server.endpoint.certificates import Authority
from tests.harness.server import serve

PASSWORD = "a pass: word"
QUERY = "SELECT count(*) AS n FROM nation"


@dataclass(frozen=True)
class Guarded:
    """Where the server listens, and the file and the text of the authority to trust."""

    uri: str
    file: Path
    ca: str

    @property
    def address(self) -> str:
        return self.uri.partition("://")[2]


@pytest.fixture(scope="module")
def guarded(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority()
    pair = authority.issue("localhost")
    (folder / "cert.pem").write_bytes(pair.certificate)
    (folder / "key.pem").write_bytes(pair.private_key)
    (folder / "ca.pem").write_bytes(authority.pem)
    add_user(folder / "users", "ann", PASSWORD, frozenset({"reader"}))
    options = [f"--tls-cert={folder / 'cert.pem'}", f"--tls-key={folder / 'key.pem'}", f"--users={folder / 'users'}"]
    with serve(tpch_dir, folder / "log", "--threads", "1", *options) as (uri, _):
        yield Guarded(uri, folder / "ca.pem", authority.pem.decode())


def token(server: Guarded) -> str:
    """What the server answers to a Handshake."""
    with flight.connect(server.uri, tls_root_certs=server.ca.encode()) as client:
        name, value = client.authenticate_basic_token("ann", PASSWORD)
    assert name == b"authorization"
    return value.decode()


def test_adbc(guarded: Guarded) -> None:
    trust = {DatabaseOptions.TLS_ROOT_CERTS.value: guarded.ca}
    user = {"username": "ann", "password": PASSWORD}
    bearer = {DatabaseOptions.AUTHORIZATION_HEADER.value: token(guarded)}
    for login in (user, bearer):
        with flight_sql.connect(guarded.uri, trust | login, autocommit=True) as connection:
            assert pl.read_database(QUERY, connection).item() == 25
    with pytest.raises(flight_sql.Error, match=r"(?i)unauthenticated"):
        flight_sql.connect(guarded.uri, trust | user | {"password": "another"}, autocommit=True)
    with pytest.raises(flight_sql.Error, match=r"(?i)certificate|tls"):
        flight_sql.connect(guarded.uri, user, autocommit=True)


@pytest.mark.filterwarnings("ignore:.*was not explicitly close:ResourceWarning")  # SQLAlchemy's cursors
def test_sqlalchemy(guarded: Guarded) -> None:
    trust = {DatabaseOptions.TLS_ROOT_CERTS.value: guarded.ca}
    user = sa.URL.create("adbc+flightsql", host="127.0.0.1", port=int(guarded.address.rpartition(":")[2]))
    for login in ({"username": "ann", "password": PASSWORD}, {"authorization": token(guarded)}):
        url = user.update_query_dict(trust | login)
        engine = sa.create_engine(url, connect_args={"autocommit": True})
        with engine.connect() as connection:
            assert connection.execute(sa.text(QUERY)).scalar() == 25
        engine.dispose()


def test_bare_flight(guarded: Guarded) -> None:
    with flight.connect(guarded.uri, tls_root_certs=guarded.ca.encode()) as client:
        options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("ann", PASSWORD)])
        info = client.get_flight_info(flight.FlightDescriptor.for_path("nation"), options)
        assert client.do_get(info.endpoints[0].ticket, options).read_all().num_rows == 25
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.get_flight_info(flight.FlightDescriptor.for_path("nation"))


def test_jdbc_and_odbc_take_a_token_to_the_handshake(guarded: Guarded) -> None:
    credentials = grpc.ssl_channel_credentials(guarded.ca.encode())
    with RawClient(guarded.uri) as client:
        client.channel = grpc.secure_channel(guarded.address, credentials)
        client.handshake("Basic YW5uOmEgcGFzczogd29yZA")
        assert client.ask(sql.CommandStatementQuery(query=QUERY))["n"].to_pylist() == [25]
        (_, value) = client.headers.pop()
        client.handshake(value)
        assert client.ask(sql.CommandStatementQuery(query=QUERY))["n"].to_pylist() == [25]


class Basic(flight.ClientAuthHandler):
    """User and password in the message of a Handshake, as arrow-go's and pyarrow's `authenticate` send them."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__()
        self._basic = flight.BasicAuth(user, password)
        self._token = b""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        outgoing.write(self._basic.serialize())
        self._token = incoming.read()

    def get_token(self) -> bytes:
        return self._token


def test_a_login_in_the_message_of_a_handshake(guarded: Guarded) -> None:
    command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=QUERY)))
    with flight.connect(guarded.uri, tls_root_certs=guarded.ca.encode()) as client:
        client.authenticate(Basic("ann", PASSWORD))
        (endpoint,) = client.get_flight_info(command).endpoints
        assert client.do_get(endpoint.ticket).read_all()["n"].to_pylist() == [25]
    for login in (Basic("ann", "another"), Basic("", ""), Basic("nobody", PASSWORD)):
        with flight.connect(guarded.uri, tls_root_certs=guarded.ca.encode()) as client:
            with pytest.raises(flight.FlightUnauthenticatedError):
                client.authenticate(login)
            with pytest.raises(flight.FlightUnauthenticatedError):
                client.get_flight_info(command)


class Forged(Basic):
    """One that brings a token of its own."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        super().authenticate(outgoing, incoming)
        self._token = self._token[:-2] + b"xx"


def test_a_token_from_the_message_of_a_handshake_is_looked_at(guarded: Guarded) -> None:
    with flight.connect(guarded.uri, tls_root_certs=guarded.ca.encode()) as client:
        client.authenticate(Forged("ann", PASSWORD))
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.list_flights())


def test_handshakes_that_say_nothing_keep_nobody_out(guarded: Guarded) -> None:
    """A few may wait for their message, and more are refused; who logs in by a header waits for none."""
    never, ended = threading.Event(), queue.Queue[grpc.StatusCode]()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield from ()

    with grpc.secure_channel(guarded.address, grpc.ssl_channel_credentials(guarded.ca.encode())) as channel:
        handshake = channel.stream_stream("/arrow.flight.protocol.FlightService/Handshake")
        calls = [handshake(nothing(), timeout=60) for _ in range(24)]
        for call in calls:
            call.add_done_callback(lambda call: ended.put(call.code()))
        assert {ended.get(timeout=20) for _ in range(8)} == {grpc.StatusCode.UNAVAILABLE}
        assert token(guarded)
        assert ended.empty()
        for call in calls:
            call.cancel()
        never.set()
