"""Each client with user and password, or with a token, against a server with TLS, as docs/clients.md says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import polars as pl
import pytest
import sqlalchemy as sa
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight

from flight_server.auth.users import add_user
from flight_server.proto import sql
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
