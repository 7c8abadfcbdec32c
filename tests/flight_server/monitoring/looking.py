"""Users who look at what runs in a server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from flight_server.auth.users import add_user
from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.harness.waiting import until

__all__ = ["LONG", "OTHERS", "PASSWORD", "Client", "Login", "add_users", "begun", "logins"]

PASSWORD = "correct horse battery"
LONG = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE i % 7 = j % 5"
"""Takes days."""
OTHERS = "FROM system.queries WHERE text NOT LIKE '%system.%'"


@dataclass
class Client:
    """A user's connection."""

    raw: RawClient

    def rows(self, text: str) -> list[dict[str, Any]]:
        """The rows of a statement; of one with effects, their count."""
        return self.raw.ask(sql.CommandStatementQuery(query=text)).to_pylist()

    def refusal(self, text: str) -> str:
        """The error of a statement."""
        with pytest.raises(grpc.RpcError) as raised:
            self.rows(text)
        return f"{raised.value.code().name}: {raised.value.details()}"


Login = Callable[[str], Client]
"""Gives a connection of a user's own."""


@contextmanager
def logins(uri: str) -> Iterator[Login]:
    """Connections to a server, until the end."""
    with ExitStack() as opened:

        def connect(name: str) -> Client:
            proof = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
            return Client(opened.enter_context(RawClient(uri, [("authorization", f"Basic {proof}")], agent="looker")))

        yield connect


def add_users(folder: Path, **roles: str) -> Path:
    """A file of users with a role each."""
    users = folder / "users"
    for name, role in roles.items():
        add_user(users, name, PASSWORD, frozenset({role}))
    return users


def begun(threads: ThreadPoolExecutor, client: Client, root: Client, state: str = "running") -> tuple[Future[str], str]:
    """What a query of days ends with, and its id once it is in a `state`."""
    ids = {row["id"] for row in root.rows(f"SELECT id {OTHERS}")}
    answer = threads.submit(client.refusal, LONG)
    found: list[str] = []

    def runs() -> bool:
        rows = root.rows(f"SELECT id {OTHERS} AND state = '{state}'")
        found[:] = [row["id"] for row in rows if row["id"] not in ids]
        return bool(found)

    until(runs)
    return answer, found[0]
