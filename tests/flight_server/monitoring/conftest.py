"""A server with users, and logins at it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.flight_server.monitoring.looking import Login, add_users, logins
from tests.harness.server import serve


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "server.log"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def guarded(log: Path, data: Path) -> Iterator[str]:
    """A server with one turn for queries, where root is an administrator."""
    users = add_users(log.parent, ann="writer", bob="reader", root="admin", carl="narrow", dora="nothing")
    rights = log.parent / "rights.toml"
    rights.write_text('[roles.narrow]\nread = ["main.*"]\n')
    options = ("--users", str(users), "--rights", str(rights))
    options += ("--max-queries", "1", "--max-queued", "1", "--query-history", "40")
    with serve(data, log, "--threads", "1", *options) as (uri, _):
        yield uri


@pytest.fixture
def login(guarded: str) -> Iterator[Login]:
    """Gives a connection of a user's own."""
    with logins(guarded) as login:
        yield login


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool
