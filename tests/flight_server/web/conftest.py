"""A server with logins and an HTTP port, for all that looks at it over HTTP."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from flight_server.auth.users import add_user
from tests.clients.raw import RawClient
from tests.harness.server import serve
from tests.harness.waiting import until

PASSWORD = "correct horse battery"
SECRET = "s" * 48
ROLES = {"ann": "admin", "bob": "writer", "eve": "reader"}
JWT_OPTIONS = ("--jwt-issuer", "us", "--jwt-audience", "grism")


@dataclass(frozen=True)
class Watched:
    """A server with an HTTP port, and what it logs."""

    uri: str
    http: str
    log: Path
    data: Path


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    for name, role in ROLES.items():
        add_user(folder / "users", name, PASSWORD, frozenset({role}))
    (folder / "secret").write_text(SECRET)
    log = folder / "server.log"
    options = ("--users", str(folder / "users"), "--jwt-key", str(folder / "secret"), *JWT_OPTIONS)
    options += ("--http-port", "0", "--threads", "1", "--max-queries", "2", "--query-log-table", "audit.asked")
    data = tmp_path_factory.mktemp("data")
    with serve(data, log, *options) as (uri, _):
        found = until(lambda: re.search(r"http=(\S+)", log.read_text()))
        assert found is not None
        yield Watched(uri, found[1], log, data)


@pytest.fixture
def connect(watched: Watched) -> Iterator[Callable[[str], RawClient]]:
    """Gives a Flight connection of a user's own."""
    with ExitStack() as opened:

        def open_as(name: str) -> RawClient:
            proof = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
            return opened.enter_context(RawClient(watched.uri, [("authorization", f"Basic {proof}")]))

        yield open_as
