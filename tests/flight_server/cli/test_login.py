"""Client commands on a server that asks for TLS and a login, and what they say where either is wrong."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight

from flight_server.auth.users import add_user
from flight_server.cli.connect import Target, client_text
from flight_server.cli.main import main
from tests.flight_server.conftest import Served
from tests.flight_server.endpoint.certificates import Authority
from tests.harness.server import serve

PASSWORD = "a long password"
ROWS = ["query", "SELECT n_name FROM nation WHERE n_nationkey = 0", "--format", "json"]


@dataclass(frozen=True)
class Secured:
    """A server with TLS and logins, and a folder with what a client needs."""

    uri: str
    files: Path

    def file(self, name: str) -> str:
        return str(self.files / name)


@pytest.fixture(scope="module")
def secured(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder, authority = tmp_path_factory.mktemp("secured"), Authority()
    pair, client = authority.issue("localhost"), authority.issue("ana")
    files = {
        "cert": pair.certificate,
        "key": pair.private_key,
        "ca": authority.pem,
        "other-ca": Authority("other").pem,
        "client-cert": client.certificate,
        "client-key": client.private_key,
        "password": PASSWORD.encode() + b"\n",
        "wrong": b"not the password\n",
        "empty": b"\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    add_user(folder / "users", "ana", PASSWORD, frozenset({"reader"}))
    options = [f"--tls-cert={folder / 'cert'}", f"--tls-key={folder / 'key'}", f"--tls-client-ca={folder / 'ca'}"]
    with serve(tpch_dir, folder / "log", *options, "--users", str(folder / "users"), "--threads", "1") as (uri, _):
        with flight.connect(
            uri, tls_root_certs=authority.pem, cert_chain=client.certificate, private_key=client.private_key
        ) as bare:
            _, bearer = bare.authenticate_basic_token("ana", PASSWORD)
        (folder / "token").write_bytes(bearer.removeprefix(b"Bearer "))
        yield Secured(uri, folder)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GRISM_")]:
        monkeypatch.delenv(name)


def certificate(secured: Secured) -> list[str]:
    return [f"--{name}={secured.file(name)}" for name in ("client-cert", "client-key")] + [
        f"--uri={secured.uri}",
        f"--tls-ca={secured.file('ca')}",
    ]


@pytest.mark.parametrize("way", [("--user", "ana", "--password-file"), ("--token-file",)], ids=["password", "token"])
def test_every_command_logs_in(secured: Secured, way: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    login = [*way, secured.file("token" if len(way) == 1 else "password"), *certificate(secured)]
    assert main([*ROWS, *login]) == 0
    assert json.loads(capfd.readouterr().out) == [{"n_name": "ALGERIA"}]
    assert main(["tables", *login]) == 0
    assert "lineitem" in capfd.readouterr().out
    assert main(["explain", "SELECT * FROM nation", *login]) == 0
    assert "TableScanExec" in capfd.readouterr().out


@pytest.mark.parametrize(
    "variables",
    [
        {"GRISM_USER": "ana", "GRISM_PASSWORD": PASSWORD},
        {"GRISM_USER": "ana", "GRISM_PASSWORD_FILE": "password"},
        {"GRISM_TOKEN_FILE": "token"},
        {"GRISM_TOKEN": "token"},
    ],
    ids=["password", "password file", "token file", "token"],
)
def test_variables(
    secured: Secured,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        value = secured.file(value) if name.endswith("_FILE") else value
        monkeypatch.setenv(name, (secured.files / "token").read_text() if name == "GRISM_TOKEN" else value)
    monkeypatch.setenv("GRISM_URI", secured.uri)
    monkeypatch.setenv("GRISM_TLS_CA", secured.file("ca"))
    monkeypatch.setenv("GRISM_CLIENT_CERT", secured.file("client-cert"))
    monkeypatch.setenv("GRISM_CLIENT_KEY", secured.file("client-key"))
    assert main(ROWS) == 0
    assert json.loads(capfd.readouterr().out) == [{"n_name": "ALGERIA"}]


def test_a_password_is_asked_for_on_a_terminal(secured: Secured) -> None:
    command = [sys.executable, "-m", "flight_server.cli", *ROWS, "--user", "ana", *certificate(secured)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr == "grism: There is no password: use --password-file or GRISM_PASSWORD.\n"
    terminal, end = pty.openpty()
    with subprocess.Popen(command, stdin=end, stdout=subprocess.PIPE, stderr=end, start_new_session=True) as run:
        shown = b""
        while b"assword:" not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, PASSWORD.encode() + b"\n")
        printed, _ = run.communicate(timeout=30)
        assert b"ALGERIA" in printed
        assert run.returncode == 0
    assert PASSWORD.encode() not in shown + os.read(terminal, 1000)
    os.close(terminal)
    os.close(end)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--user", "ana", "--password-file", "@wrong"], "User or password is wrong"),
        (["--token-file", "@wrong"], "The token is not valid or has expired; log in again"),
        ([], "asks for a login; use --user, or --token-file."),
        (["--tls-ca", "@other-ca"], "is not trusted: certificate signed by unknown authority; name its authority"),
        (["--user", "ana", "--password-file", "@empty"], "is to hold a password on one line"),
        (["--token-file", "/no/such/file"], "The file '/no/such/file' cannot be read: No such file or directory."),
    ],
)
def test_what_is_wrong_is_one_line(
    secured: Secured, changed: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [secured.file(word[1:]) if word.startswith("@") else word for word in changed]
    assert main([*ROWS, *certificate(secured), *given]) == 1
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_wrong_kind_of_connection(secured: Secured, served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    trust = f"--tls-ca={secured.file('ca')}"
    assert main([*ROWS, "--uri", secured.uri, trust]) == 1
    assert "it may ask for client certificates" in capfd.readouterr().err
    assert main([*ROWS, "--uri", secured.uri.replace("grpc+tls", "grpc")]) == 1
    assert "it may ask for TLS" in capfd.readouterr().err
    assert main([*ROWS, "--uri", served.uri.replace("grpc:", "grpc+tls:"), trust]) == 1
    assert "does not speak TLS; use grpc://" in capfd.readouterr().err


TLS, PLAIN = Target("grpc+tls://h:1", {}), Target("grpc://h:1", {})
CERTIFIED = Target(TLS.uri, {DatabaseOptions.MTLS_CERT_CHAIN.value: "PEM"})
PREFACE = 'connection error: desc = "error reading server preface: EOF"'
BROKEN_PIPE = "write tcp 127.0.0.1:5->127.0.0.1:1: write: broken pipe"
CLIENT_CERTIFICATES = "; it may ask for client certificates: use --client-cert."


@pytest.mark.parametrize(
    ("target", "text", "advice"),
    [
        (TLS, PREFACE, CLIENT_CERTIFICATES),
        (TLS, BROKEN_PIPE, CLIENT_CERTIFICATES),
        (TLS, "write tcp [::1]:5->[::1]:1: write: connection reset by peer", CLIENT_CERTIFICATES),
        (TLS, "error reading from server: read tcp h:5->h:1: read: connection reset by peer", CLIENT_CERTIFICATES),
        (TLS, "error reading from server: remote error: tls: certificate required", CLIENT_CERTIFICATES),
        (CERTIFIED, BROKEN_PIPE, "; it may not trust the certificate of --client-cert."),
        (PLAIN, PREFACE, "; it may ask for TLS: use grpc+tls://."),
        (PLAIN, BROKEN_PIPE, "."),
    ],
)
def test_a_server_that_ends_the_connection(target: Target, text: str, advice: str) -> None:
    driver = f"IO: [FlightSQL] {text} (Unavailable; Prepare)"
    assert client_text(target, driver) == f"The server at {target.uri} ends the connection{advice}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dial tcp h:1: connect: connection refused", f"No server answers at {TLS.uri}; start one"),
        ("name resolver error: produced zero addresses", f"There is no host of the name in {TLS.uri}; name another"),
        ("The worker is gone: broken pipe.", "The worker is gone: broken pipe."),
    ],
)
def test_other_failures_are_told_apart_from_it(text: str, message: str) -> None:
    assert client_text(TLS, f"IO: [FlightSQL] {text} (Unavailable; Prepare)").startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "ana", "--token-file", "x"], "are two ways to log in"),
        (["--password-file", "x"], "--password-file needs --user"),
        (["--tls-ca", "x"], "--tls-ca goes with a URI that begins with grpc+tls://"),
        (["--uri", "grpc+tls://h:1", "--client-cert", "x"], "--client-cert and --client-key go together"),
        (["--uri", "grpc://ana:secret@h:1"], "--uri has no user and no password"),
        (["--data", ".", "--user", "ana"], "--user is for a server"),
    ],
)
def test_flags_that_do_not_go_together(arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ROWS, *arguments]) == 2
    error = capfd.readouterr().err
    assert message in error
    assert "secret" not in error
