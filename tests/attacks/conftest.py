"""A server process for the attacks; after each one it has to answer, and to hold no more than before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from flight_server.proto import sql
from tests.attacks.process import holdings, wait_settled
from tests.clients.raw import RawClient
from tests.harness.server import serve


@dataclass(frozen=True)
class Attacked:
    """Where the server listens, its process, and its data folder, beside which there is a file of secrets."""

    uri: str
    pid: int
    data: Path

    @property
    def secrets(self) -> Path:
        """A Parquet file that is not the server's to show."""
        return self.data.parent / "secrets.parquet"

    def answers(self) -> None:
        """Raises where the next query does not get its answer."""
        with RawClient(self.uri) as client:
            query = "SELECT count(*) AS n FROM nation"
            assert client.ask(sql.CommandStatementQuery(query=query))["n"].to_pylist() == [25]

    def reads(self, number: int) -> None:
        """All of a table, over a connection of its own."""
        with RawClient(self.uri) as client:
            assert (
                client.ask(sql.CommandStatementQuery(query=f"SELECT *, {number} AS n FROM orders")).num_rows == 15_000
            )


_AT_ONCE = 100


@pytest.fixture(scope="session")
def attacked(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server over nation and orders; what it keeps for a client, it keeps for two seconds.

    What is planned waits longer to be fetched: two hundred clients at once need some seconds on a busy machine.
    """
    folder = tmp_path_factory.mktemp("attacked")
    data = folder / "data"
    data.mkdir()
    for name in ("nation", "orders"):
        shutil.copy(tpch_dir / f"{name}.parquet", data)
    shutil.copy(tpch_dir / "region.parquet", folder / "secrets.parquet")
    kept = ("--session-ttl", "2s", "--prepared-ttl", "2s", "--statement-ttl", "8s")
    with serve(data, folder / "log", "--threads", "2", *kept) as (uri, pid):
        server = Attacked(uri, pid, data)
        server.answers()
        with RawClient(uri) as client:  # what Lance holds from its first writes on is no attack's
            append = ["INSERT INTO first VALUES (1)", "SELECT * FROM first"] * 100
            for text in ("CREATE TABLE first (x BIGINT)", *append, "DROP TABLE first"):
                client.ask(sql.CommandStatementQuery(query=text))
        with ThreadPoolExecutor(_AT_ONCE) as threads:  # nor is what allocators keep for as many threads as there may be
            list(threads.map(server.reads, range(2 * _AT_ONCE)))
        yield server


@pytest.fixture(scope="module")
def survivor(attacked: Attacked) -> Iterator[Attacked]:
    """The server; at the end of a module it is asked to be as before."""
    before = holdings(attacked.pid)
    yield attacked
    attacked.answers()
    after = wait_settled(attacked.pid, before, also=attacked.answers)
    assert after.is_no_more_than(before), f"{before} before, {after} after"
