"""The servers that every program asks, each with the same tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import duckdb
import jwt
import pytest

from flight_server.auth.users import add_user
from tests.conftest import RAY_OPTIONS
from tests.flight_server.endpoint.certificates import Authority
from tests.harness.server import serve
from tests.real_clients.programs import CANNOT

USER, PASSWORD, SECRET = "ana", "a pass: word", "s" * 48
_LOCAL_OPTIONS = ("--threads", "2")

_TABLES = [
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.items (id BIGINT NOT NULL, name VARCHAR, price DECIMAL(9, 2), day DATE)",
    "INSERT INTO shop.items VALUES (1, 'a', 1.50, DATE '2024-02-29'), (2, NULL, 20.00, NULL), (3, 'c', 300.25, NULL)",
    "CREATE VIEW shop.cheap AS SELECT * FROM shop.items WHERE price < 100",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What clients cannot do is said at the end of a run."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for (client, check), reason in config.stash.get(CANNOT, {}).items():
        reasons.setdefault((client, reason), []).append(check)
    for (client, reason), checks in sorted(reasons.items()):
        terminalreporter.write_line(f"{client} is not asked {', '.join(checks)}: {reason}")


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Gives what a program is told of the servers, for a runtime; the servers are started once."""
    with ExitStack() as stack:
        secured: dict[str, Any] = {}
        plain: dict[str, str] = {}

        def start(runtime: str) -> dict[str, Any]:
            if not secured:
                secured.update(_serve_securely(stack, tmp_path_factory.mktemp("secured")))
            if runtime not in plain:
                plain[runtime] = _plain(stack, tmp_path_factory.mktemp(f"plain-{runtime}"), runtime)
            return {"runtime": runtime, "plain": plain[runtime], **secured, "token": _token()}

        yield start


def _plain(stack: ExitStack, folder: Path, runtime: str) -> str:
    """The address of a server without logins over the tables."""
    data = _million(folder / "data")
    options = RAY_OPTIONS if runtime == "ray" else _LOCAL_OPTIONS
    uri, _ = stack.enter_context(serve(data, folder / "log", *options))
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in _TABLES:
            cursor.execute(statement)
    return uri.partition("://")[2]


def _serve_securely(stack: ExitStack, folder: Path) -> dict[str, str]:
    """Two servers with TLS and logins; the tokens of the second end soon."""
    authority = Authority()
    pair = authority.issue("localhost")
    (folder / "cert.pem").write_bytes(pair.certificate)
    (folder / "key.pem").write_bytes(pair.private_key)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "secret").write_text(SECRET)
    add_user(folder / "users", USER, PASSWORD, frozenset({"reader"}))
    options = [f"--tls-cert={folder / 'cert.pem'}", f"--tls-key={folder / 'key.pem'}", f"--users={folder / 'users'}"]
    options += [f"--jwt-key={folder / 'secret'}", "--jwt-issuer=us", "--jwt-audience=grism", *_LOCAL_OPTIONS]
    data = folder / "data"
    data.mkdir()
    found = {"ca": str(folder / "ca.pem"), "user": USER, "password": PASSWORD}
    for name, life in (("tls", ()), ("brief", ("--token-lifetime", "3s"))):
        uri, _ = stack.enter_context(serve(data, folder / f"log-{name}", *options, *life))
        found[name] = "localhost:" + uri.rpartition(":")[2]
    return found


def _token() -> str:
    """A JWT that is good for as long as a run takes."""
    claims = {"sub": USER, "iss": "us", "aud": "grism", "exp": int(time.time()) + 3600, "roles": ["reader"]}
    return jwt.encode(claims, SECRET, "HS256")


def _million(folder: Path) -> Path:
    """A folder with a table of a million rows and 256 MB of text, in several row groups."""
    folder.mkdir()
    text = "SELECT range AS id, repeat(md5(range::VARCHAR), 8) AS text FROM range(1000000)"
    with duckdb.connect() as kernel:
        kernel.execute(f"COPY ({text}) TO '{folder / 'million.parquet'}' (ROW_GROUP_SIZE 100000)")
    return folder
