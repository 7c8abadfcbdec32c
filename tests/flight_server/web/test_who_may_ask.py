"""The page where nobody logs in, and over TLS: pages served in this process, over a server that has run nothing."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.rights import Rights
from engine.statements.system_tables import SystemTables
from flight_server.auth import Anonymous
from flight_server.auth.certificates import Certificates
from flight_server.auth.login import Login
from flight_server.auth.users import Users, add_user, remove_user
from flight_server.gate import Gate
from flight_server.monitoring.metrics import Metrics, Numbers
from flight_server.monitoring.registry import OpenHandles, QueryRegistry
from flight_server.web import server
from flight_server.web.app import make_app
from flight_server.web.logins import PageLogins, Ways
from flight_server.web.page import Page
from flight_server.web.server import HttpServer, HttpTls
from flight_server.web.server_view import ServerView
from tests.flight_server.endpoint.certificates import Authority
from tests.flight_server.web.visitor import Visitor
from tests.harness.waiting import until

PASSWORD = "correct horse battery"


def serve(logins: PageLogins, tls: HttpTls | None = None, patience: int = 30) -> HttpServer:
    """The page of a server that has run nothing, whose ``--host`` is `grism.internal`."""
    view = ServerView(SystemTables(), QueryRegistry(10), Rights())
    metrics = Metrics(Numbers(Gate(1, 1, 1.0, 1.0), lambda: OpenHandles(0, 0, 0), lambda: 0, []))
    page = Page(view, logins, ("grism.internal",))
    return HttpServer(make_app(metrics, lambda: True, page.routes), "127.0.0.1", 0, tls, patience)


def form_token(logins: PageLogins) -> str:
    """The word that forms come with where nobody logs in."""
    login = logins.of(None)
    assert login is not None
    return login.form_token


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("10.1.2.3", 200),
        ("grism.internal:{port}", 200),
        ("rebound.example:{port}", 421),
        ("localhost.rebound.example", 421),
        ("127.0.0.1.rebound.example", 421),
        ("localhost.", 200),
        ("[", 421),
        ("", 421),
        ("[::1]rebound.example:{port}", 421),
        ("[rebound.example]", 421),
        ("127.0.0.1@rebound.example", 421),
        ("rebound.example@127.0.0.1", 421),
        ("rebound.example, 127.0.0.1", 421),
        ("127.0.0.1:x", 421),
        ("localhost/", 421),
        ("::1", 421),
    ],
)
def test_where_nobody_logs_in_no_other_name_leads_here(host: str, status: int) -> None:
    logins = PageLogins(Anonymous(), Ways())
    with serve(logins) as http:
        visitor = Visitor(http.address)
        named = host.format(port=http.port)
        assert visitor.get("/queries", {"Host": named}).status == status
        form = {"token": form_token(logins)}
        answer = visitor.post("/queries/x/kill", form, {"Host": named, "Origin": f"http://{named}"})
        assert answer.status == (404 if status == 200 else 421)


def test_where_nobody_logs_in_forms_of_other_sites_do_nothing() -> None:
    logins = PageLogins(Anonymous(), Ways())
    with serve(logins) as http:
        visitor = Visitor(http.address)
        assert visitor.get("/login").location == "/queries"
        assert visitor.get("/queries/", {"Host": "rebound.example"}).status == 404
        page = visitor.get("/queries")
        assert page.status == 200
        assert "Log out" not in page.text
        form = {"token": form_token(logins)}
        for origin in ("https://elsewhere.example", "null", None, "http://[", f"//{http.address.partition('//')[2]}"):
            assert visitor.post("/queries/x/kill", form, {"Origin": origin}).status == 403
        assert visitor.post("/queries/x/kill", {}).status == 403
        assert visitor.post("/queries/x/kill", form).status == 404


def test_over_tls_the_cookie_stays_on_tls(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue("localhost")
    (tmp_path / "cert.pem").write_bytes(pair.certificate)
    (tmp_path / "key.pem").write_bytes(pair.private_key)
    add_user(tmp_path / "users", "ann", PASSWORD, frozenset({"admin"}))
    logins = PageLogins(Login(Users(tmp_path / "users")), Ways(password=True))
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with serve(logins, HttpTls(tmp_path / "cert.pem", tmp_path / "key.pem")) as http:
        visitor = Visitor(f"https://localhost:{http.port}", context)
        assert visitor.log_in("ann", PASSWORD).status == 303
        assert visitor.set_cookie.startswith(f"__Host-grism-page-{http.port}=")
        assert {part.strip() for part in visitor.set_cookie.split(";")[1:]} == {
            "HttpOnly",
            "Path=/",
            "SameSite=strict",
            "Secure",
        }
        assert visitor.get("/queries").status == 200
        remove_user(tmp_path / "users", "ann")
        assert visitor.get("/queries").location.startswith("/login")


def test_certificates_say_who_looks_and_are_asked_for_beside_a_form(tmp_path: Path) -> None:
    authority = Authority()
    for name in ("localhost", "cora"):
        pair = authority.issue(name)
        (tmp_path / f"{name}.pem").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.private_key)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    add_user(tmp_path / "users", "ann", PASSWORD, frozenset({"admin"}))
    tls = HttpTls(tmp_path / "localhost.pem", tmp_path / "localhost.key", tmp_path / "ca.pem")
    bare, known = (ssl.create_default_context(cadata=authority.pem.decode()) for _ in range(2))
    known.load_cert_chain(tmp_path / "cora.pem", tmp_path / "cora.key")
    with serve(PageLogins(Certificates("reader"), Ways(certificate=True)), tls) as http:
        address = f"https://localhost:{http.port}"
        page = Visitor(address, known).get("/queries")
        assert (page.status, Visitor(address, bare).get("/queries").status) == (200, 401)
        assert " cora " in page.text
        assert "administrators see all" in page.text
        assert Visitor(address, known).press("/sessions/x/kill", at="/queries").status == 404
        assert Visitor(address, known).post("/sessions/x/kill", {"token": "0" * 64}).status == 403
        assert Visitor(address, bare).get("/healthz").status == 200
    with serve(PageLogins(Login(Users(tmp_path / "users")), Ways(password=True, certificate=True)), tls) as http:
        address = f"https://localhost:{http.port}"
        assert Visitor(address, bare).log_in("ann", PASSWORD).status == 401
        visitor = Visitor(address, known)
        assert visitor.get("/queries").location.startswith("/login")
        assert visitor.log_in("ann", PASSWORD).status == 303
        assert "ann administrator" in visitor.get("/queries").text
        stolen = Visitor(address, bare)
        stolen.cookies = visitor.cookies
        assert stolen.get("/queries").status == 401


BEGUN = [
    b"",
    b"GET /queries HTTP/1.1\r\nHost: local",
    b"POST /queries/x/kill HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 99\r\n\r\ntoken=",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHo",
]
"""Nothing, half a head, half a form, and a request and a half."""


def test_who_sends_no_whole_request_loses_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    with serve(PageLogins(Anonymous(), Ways()), patience=1) as http, ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection(("127.0.0.1", http.port), 20)) for _ in BEGUN]
        for client, sent in zip(clients, BEGUN, strict=True):
            client.sendall(sent)
        received = [b"".join(iter(partial(client.recv, 4096), b"")) for client in clients]
    assert [b"alive" in answer for answer in received] == [False, False, False, True]
    assert not any(received[:3])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def ended(client: socket.socket) -> bool:
    """Whether a connection was ended at the other side, once all that came before is read."""
    client.settimeout(0.01)
    try:
        while client.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_who_does_not_read_an_answer_loses_the_connection() -> None:
    large = Response(bytes(64 << 20))
    app = Starlette(routes=[Route("/large", lambda _: large)])
    with (
        HttpServer(app, "127.0.0.1", 0, patience=1) as http,
        socket.create_connection(("127.0.0.1", http.port), 20) as client,
    ):
        client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        state = http._server.server_state
        until(lambda: state.total_requests == 1 and not state.connections)
        received = 0
        with suppress(ConnectionError):
            while piece := client.recv(1 << 20):
                received += len(piece)
        assert 0 < received < 64 << 20


@pytest.mark.parametrize(
    "begun", [b"", b"GET /q", b"POST /queries/x/kill HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"]
)
def test_connections_that_keep_the_server_waiting_make_room(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """Whoever has kept it waiting longest goes first, and who asks is answered at once, again and again."""
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 5)
    with serve(PageLogins(Anonymous(), Ways())) as http, ExitStack() as opened:
        clients = []
        for _ in range(12):
            clients.append(opened.enter_context(socket.create_connection(("127.0.0.1", http.port), 20)))
            clients[-1].sendall(begun)
        for _ in range(3):
            assert Visitor(http.address).get("/readyz").status == 200
        until(lambda: [ended(client) for client in clients] == [True] * 8 + [False] * 4)


HELLO = b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03"
"""How a TLS handshake begins."""


@pytest.fixture
def tls(tmp_path: Path) -> tuple[HttpTls, ssl.SSLContext]:
    """Files of a server's, and what its clients trust."""
    authority = Authority()
    pair = authority.issue("localhost")
    (tmp_path / "cert.pem").write_bytes(pair.certificate)
    (tmp_path / "key.pem").write_bytes(pair.private_key)
    trusted = ssl.create_default_context(cadata=authority.pem.decode())
    return HttpTls(tmp_path / "cert.pem", tmp_path / "key.pem"), trusted


def test_who_does_not_come_to_an_end_with_the_handshake_loses_the_connection(
    tls: tuple[HttpTls, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    begun = (b"", HELLO[:3], HELLO, b"GET /healthz HTTP/1.1\r\n\r\n")
    with serve(PageLogins(Anonymous(), Ways()), tls[0], patience=1) as http, ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection(("127.0.0.1", http.port), 20)) for _ in begun]
        for client, sent in zip(clients, begun, strict=True):
            client.sendall(sent)
        for client in clients:
            assert b"alive" not in b"".join(iter(partial(client.recv, 4096), b""))
        until(lambda: not http._server.server_state.connections)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("begun", [b"", HELLO])
def test_handshakes_that_keep_the_server_waiting_make_room(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[HttpTls, ssl.SSLContext], begun: bytes
) -> None:
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 5)
    with serve(PageLogins(Anonymous(), Ways()), tls[0]) as http, ExitStack() as opened:
        clients = []
        for _ in range(12):
            clients.append(opened.enter_context(socket.create_connection(("127.0.0.1", http.port), 20)))
            clients[-1].sendall(begun)
        for _ in range(3):
            assert Visitor(f"https://localhost:{http.port}", tls[1]).get("/readyz").status == 200
        until(lambda: [ended(client) for client in clients] == [True] * 8 + [False] * 4)


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(
    tls: tuple[HttpTls, ssl.SSLContext],
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls[1].wrap_bio(incoming, outgoing, server_hostname="localhost")
    with (
        serve(PageLogins(Anonymous(), Ways()), tls[0]) as http,
        socket.create_connection(("127.0.0.1", http.port), 20) as connection,
    ):

        def done() -> bool:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                return False
            return True

        while not done():
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(1 << 16))
        client.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.sendall(outgoing.read())  # the client's last message of the handshake, and the request
        answer = b""
        while b"alive" not in answer:
            incoming.write(connection.recv(1 << 16))
            with suppress(ssl.SSLWantReadError):
                while True:
                    answer += client.read(1 << 16)
        assert answer.startswith(b"HTTP/1.1 200 OK")


def test_who_does_not_read_makes_room_and_who_waits_for_an_answer_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 2)
    asked, answered = threading.Semaphore(0), threading.Event()

    def wait(request: Request) -> Response:
        asked.release()
        answered.wait(20)
        return Response("late")

    routes = [
        Route("/large", lambda _: Response(bytes(64 << 20))),
        Route("/wait", wait),
        Route("/small", lambda _: Response()),
    ]
    with HttpServer(Starlette(routes=routes), "127.0.0.1", 0) as http, ExitStack() as opened:

        def ask(path: str) -> socket.socket:
            client = opened.enter_context(socket.create_connection(("127.0.0.1", http.port), 20))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return client

        waits = ask("/wait")
        assert asked.acquire(timeout=20)
        unread = ask("/large")
        assert unread.recv(5) == b"HTTP/"
        assert Visitor(http.address).get("/small").status == 200
        until(lambda: ended(unread))
        also = ask("/wait")
        assert asked.acquire(timeout=20)
        assert Visitor(http.address).get("/small").status == 503  # nobody else can go
        answered.set()
        for client in (waits, also):
            assert b"".join(iter(partial(client.recv, 4096), b"")).endswith(b"late")


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
def test_at_the_end_only_answers_that_are_on_their_way_are_waited_for(
    tls: tuple[HttpTls, ssl.SSLContext], secured: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not those who keep a connection for later, and neither read nor close it."""
    asked, answered = threading.Semaphore(0), threading.Event()

    def wait(request: Request) -> Response:
        asked.release()
        answered.wait(20)
        return Response("late")

    app = Starlette(routes=[Route("/wait", wait), Route("/small", lambda _: Response("small"))])
    http = HttpServer(app, "127.0.0.1", 0, tls[0] if secured else None)
    with ExitStack() as opened:

        def ask(path: str) -> socket.socket:
            client = opened.enter_context(socket.create_connection(("localhost", http.port), 20))
            if secured:
                client = opened.enter_context(tls[1].wrap_socket(client, server_hostname="localhost"))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return client

        kept = [ask("/small") for _ in range(3)]
        for client in kept:
            told = b""
            while not told.endswith(b"small"):
                told += client.recv(4096)
        waits = ask("/wait")
        assert asked.acquire(timeout=20)
        closing = threading.Thread(target=http.close)
        closing.start()
        until(lambda: len(http._server.server_state.connections) == 1)
        assert closing.is_alive()
        answered.set()
        assert b"".join(iter(partial(waits.recv, 4096), b"")).endswith(b"late")
        closing.join(20)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
def test_one_address_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[HttpTls, ssl.SSLContext], secured: bool
) -> None:
    """Who has most loses for the next, however many come between the connection and the request of another; and of ten
    connections one is left, even where nobody waits."""
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 10)
    asked, answered = threading.Semaphore(0), threading.Event()

    def wait(request: Request) -> Response:
        asked.release()
        answered.wait(20)
        return Response("late")

    app = Starlette(routes=[Route("/wait", wait), Route("/small", lambda _: Response("small"))])
    with HttpServer(app, "127.0.0.1", 0, tls[0] if secured else None) as http, ExitStack() as opened:

        def connect(address: str) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", http.port), 20, (address, 0))
            return opened.enter_context(client)

        def ask(client: socket.socket, path: str) -> socket.socket:
            if secured:
                client = opened.enter_context(tls[1].wrap_socket(client, server_hostname="localhost"))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return client

        def answer(client: socket.socket) -> bytes:
            return b"".join(iter(partial(client.recv, 4096), b""))

        early = connect("127.0.0.2")
        crowd = [connect("127.0.0.3") for _ in range(30)]
        until(lambda: sum(map(ended, crowd)) == 21)
        assert answer(ask(early, "/small")).endswith(b"small")
        waits = [ask(connect("127.0.0.3"), "/wait") for _ in range(9)]
        assert all(asked.acquire(timeout=20) for _ in waits)
        assert b" 503 " in answer(ask(connect("127.0.0.3"), "/small"))
        assert answer(ask(connect("127.0.0.2"), "/small")).endswith(b"small")
        answered.set()
        assert all(answer(client).endswith(b"late") for client in waits)


def test_of_one_user_the_last_logins_are_kept(tmp_path: Path) -> None:
    add_user(tmp_path / "users", "ann", PASSWORD, frozenset({"admin"}))
    add_user(tmp_path / "users", "bob", PASSWORD, frozenset({"reader"}))
    logins = PageLogins(Login(Users(tmp_path / "users")), Ways(password=True))
    of_bob = logins.log_in("Basic Ym9iOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==")
    cookies = [logins.log_in("Basic YW5uOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==") for _ in range(25)]
    assert [logins.of(cookie) is not None for cookie in cookies] == [False] * 5 + [True] * 20
    found = logins.of(of_bob)
    assert found is not None
    assert found.identity.name == "bob"
    assert len({login.form_token for cookie in cookies[5:] if (login := logins.of(cookie))}) == 20
