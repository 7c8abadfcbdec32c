"""What is not the caller's own: tickets, handles, tokens and sessions that are forged, foreign or too old."""

from __future__ import annotations

import base64
import json
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flight_server.auth.users import add_user
from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.sessions import COOKIE
from flight_server.service.wire import wrap
from tests.attacks.conftest import Attacked
from tests.clients.raw import RawClient
from tests.harness.server import serve
from tests.harness.waiting import until

PASSWORD = "the password of both"
KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
QUERY = sql.CommandStatementQuery(query="SELECT count(*) AS n FROM nation")
PATIENCE = 20.0


@dataclass(frozen=True)
class Guarded:
    """A server that knows ann and bob, the bearers of JWTs, and nobody else."""

    uri: str

    def client(self, name: str) -> RawClient:
        """Somebody who has logged in."""
        client = RawClient(self.uri)
        client.handshake("Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode())
        return client

    def bearer(self, token: str) -> RawClient:
        """Whoever shows the token."""
        return RawClient(self.uri, [("authorization", f"Bearer {token}")])


@pytest.fixture(scope="module")
def guarded(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("credentials")
    for name in ("ann", "bob"):
        add_user(folder / "users", name, PASSWORD, frozenset({"admin"}))
    (folder / "key.pem").write_bytes(PUBLIC)
    options = [f"--users={folder / 'users'}", f"--jwt-key={folder / 'key.pem'}", "--jwt-issuer=us"]
    options += ["--jwt-audience=grism", "--token-ttl=3s", "--token-lifetime=5s"]
    with serve(tpch_dir, folder / "log", "--threads", "1", *options) as (uri, _):
        yield Guarded(uri)


@pytest.fixture
def ann(guarded: Guarded) -> Iterator[RawClient]:
    with guarded.client("ann") as client:
        yield client


@pytest.fixture
def bob(guarded: Guarded) -> Iterator[RawClient]:
    with guarded.client("bob") as client:
        yield client


def refusal_code(call: Callable[[], object]) -> str:
    """The code of a call that has to fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return str(caught.value.code().name)


def fetch(client: RawClient, ticket: bytes) -> list[bytes]:
    return list(client.stream("DoGet", messages.Ticket(ticket=ticket).SerializeToString()))


# ---- tickets


def test_a_ticket_is_good_for_its_owner_only(ann: RawClient, bob: RawClient) -> None:
    info = ann.info(QUERY)
    ticket = info.endpoint[0].ticket.ticket
    assert refusal_code(lambda: fetch(bob, ticket)) == "INVALID_ARGUMENT"
    cancel = messages.CancelFlightInfoRequest(info=info).SerializeToString()
    assert refusal_code(lambda: bob.action("CancelFlightInfo", cancel)) == "INVALID_ARGUMENT"
    renew = messages.RenewFlightEndpointRequest(endpoint=info.endpoint[0]).SerializeToString()
    assert refusal_code(lambda: bob.action("RenewFlightEndpoint", renew)) == "INVALID_ARGUMENT"
    assert ann.get(info)["n"].to_pylist() == [25]


def test_no_byte_of_a_ticket_can_be_changed(attacked: Attacked) -> None:
    with RawClient(attacked.uri) as client:
        ticket = client.info(QUERY).endpoint[0].ticket.ticket
        for place in range(len(ticket)):
            forged = ticket[:place] + bytes([ticket[place] ^ 0x40]) + ticket[place + 1 :]
            assert refusal_code(lambda forged=forged: fetch(client, forged)) == "INVALID_ARGUMENT"
        for forged in (ticket[:-1], ticket + b"\0", ticket * 2, ticket[1:]):
            assert refusal_code(lambda forged=forged: fetch(client, forged)) == "INVALID_ARGUMENT"


def test_a_ticket_of_another_server(attacked: Attacked, ann: RawClient) -> None:
    ticket = ann.info(QUERY).endpoint[0].ticket.ticket
    with RawClient(attacked.uri) as client:
        assert refusal_code(lambda: fetch(client, ticket)) == "INVALID_ARGUMENT"


def test_a_ticket_that_is_too_old(attacked: Attacked) -> None:
    with RawClient(attacked.uri) as client:
        info = client.info(QUERY)
        (endpoint,) = info.endpoint
        expires = endpoint.expiration_time.seconds + endpoint.expiration_time.nanos / 1e9
        until(lambda: time.time() > expires)
        assert refusal_code(lambda: client.get(info)) == "INVALID_ARGUMENT"


# ---- handles


def test_a_handle_is_good_for_its_owner_only(ann: RawClient, bob: RawClient) -> None:
    handle = ann.prepare("SELECT count(*) AS n FROM nation").prepared_statement_handle
    query = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
    assert refusal_code(lambda: bob.info(query)) == "INVALID_ARGUMENT"
    assert refusal_code(lambda: bob.put(query)) == "INVALID_ARGUMENT"
    bob.close_prepared(handle)  # which closes nothing
    assert ann.ask(query)["n"].to_pylist() == [25]


def test_a_handle_that_is_too_old(attacked: Attacked) -> None:
    """It lives for two seconds after its last use; a second one is the clock."""
    with RawClient(attacked.uri) as client:
        old, clock = (client.prepare("SELECT 1 AS n").prepared_statement_handle for _ in range(2))
        began = time.monotonic()
        while time.monotonic() < began + 2.2:
            client.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=clock))
        asked = sql.CommandPreparedStatementQuery(prepared_statement_handle=old)
        assert refusal_code(lambda: client.info(asked)) == "INVALID_ARGUMENT"


# ---- tokens


def claims(**changed: object) -> dict[str, object]:
    base = {"sub": "carl", "iss": "us", "aud": "grism", "exp": time.time() + 60, "roles": ["reader"]}
    return {key: value for key, value in (base | changed).items() if value is not None}


def unsigned_token(algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": "JWT"}, claims()]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_jwts(guarded: Guarded) -> None:
    good = jwt.encode(claims(), KEY, "RS256")
    with guarded.bearer(good) as client:
        assert client.ask(QUERY)["n"].to_pylist() == [25]
    other = rsa.generate_private_key(65537, 2048)
    head, body, signature = good.split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims(sub="root", roles=["admin"])).encode()).decode().rstrip("=")
    for token in (
        unsigned_token("none"),
        unsigned_token("None"),
        unsigned_token("RS256"),
        jwt.encode(claims(), other, "RS256"),
        jwt.encode(claims(), "s" * 48, "HS256"),
        f"{head}.{forged}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        jwt.encode(claims(exp=time.time() - 60), KEY, "RS256"),
        jwt.encode(claims(aud="another"), KEY, "RS256"),
        jwt.encode(claims(iss="them"), KEY, "RS256"),
        jwt.encode(claims(exp=None), KEY, "RS256"),
        "",
        "x" * 5000,
        "a.b.c",
    ):
        with guarded.bearer(token) as client:
            assert refusal_code(lambda client=client: client.info(QUERY)) == "UNAUTHENTICATED"


def test_our_own_tokens(guarded: Guarded, ann: RawClient) -> None:
    token = dict(ann.headers)["authorization"].removeprefix("Bearer ")
    places = [*range(0, len(token), 5), len(token) - 1]
    # The last character's lowest bits belong to no byte: a change of theirs alone is a forgery as well.
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for place in places:
        changed = letters[letters.index(token[place]) ^ 1]
        forged = token[:place] + changed + token[place + 1 :]
        with guarded.bearer(forged) as client:
            assert refusal_code(lambda client=client: client.info(QUERY)) == "UNAUTHENTICATED"
    assert ann.ask(QUERY)["n"].to_pylist() == [25]

    def is_over() -> bool:  # though it is used all the time
        with guarded.bearer(token) as client:
            try:
                client.info(QUERY)
            except grpc.RpcError as error:
                return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
        return False

    until(is_over)


# ---- sessions


def test_a_session_is_its_owner_s(ann: RawClient, bob: RawClient) -> None:
    value = messages.SessionOptionValue(double_value=33.0)
    begin = messages.SetSessionOptionsRequest(session_options={"timeout": value})
    call = ann.channel.unary_stream("/arrow.flight.protocol.FlightService/DoAction")(
        action("SetSessionOptions", begin.SerializeToString()), metadata=ann.headers
    )
    list(call)
    cookie = dict(call.initial_metadata())["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"{COOKIE}=")
    for client, expected in ((ann, 33.0), (bob, None)):
        client.headers.append(("cookie", cookie))
        assert timeout(client) == expected
    for forged in (f"{COOKIE}=", f"{COOKIE}={'0' * 32}", f"{COOKIE}={cookie[-1] * 5000}", "; ; =;=", f"{COOKIE}"):
        bob.headers[-1] = ("cookie", forged)
        assert timeout(bob) is None
    bob.headers[-1] = ("cookie", cookie)
    bob.action("CloseSession", b"")
    assert timeout(ann) == 33.0


def action(name: str, body: bytes) -> bytes:
    """A serialised Action."""
    return b"\x0a" + bytes([len(name)]) + name.encode() + b"\x12" + bytes([len(body)]) + body


def timeout(client: RawClient) -> float | None:
    """The timeout of the client's session."""
    (answer,) = client.action("GetSessionOptions", b"")
    found = messages.GetSessionOptionsResult.FromString(answer).session_options
    return found["timeout"].double_value if "timeout" in found else None


def test_a_wrapped_ticket_is_no_way_around(ann: RawClient, bob: RawClient) -> None:
    """The handle in a ticket is not enough: what is no sealed ticket opens nothing."""
    inner = sql.TicketStatementQuery(statement_handle=ann.info(QUERY).endpoint[0].ticket.ticket[:16])
    for ticket in (wrap(inner), inner.SerializeToString(), wrap(QUERY)):
        assert refusal_code(lambda ticket=ticket: fetch(bob, ticket)) == "INVALID_ARGUMENT"
