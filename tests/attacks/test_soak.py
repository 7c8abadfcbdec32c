"""Clients of every kind of call, for minutes: no wrong answer, nothing that stays behind, memory that stays flat."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.attacks.process import holdings, wait_settled
from tests.conftest import RAY_OPTIONS
from tests.harness.server import serve

pytestmark = pytest.mark.soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
CLIENTS = 32
SAMPLE_SECONDS = 1.0
# Each client has few sessions and statements open at once: with these limits, any that are left open are soon missed.
LIMITS = ("--max-sessions", "150", "--max-prepared", "150", "--max-queries", "16", "--queue-timeout", "2m")
LONG = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_orderkey + b.l_partkey > 7 AND a.l_comment < b.l_comment"
RUNTIMES = {"local": ("--threads", "2"), "ray": RAY_OPTIONS}


@dataclass
class Client:
    """One client: its connection, which it renews now and then, and what it has done."""

    uri: str
    number: int
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.number)
        self.connection = flight_sql.connect(self.uri, autocommit=True)
        self.table = f"soak_{self.number}"

    def rows(self, text: str, parameters: tuple[object, ...] | None = None) -> list[tuple[object, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(text, parameters)
            found: list[tuple[object, ...]] = cursor.fetchall()
            return found

    def count_changes(self, text: str) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            return int(cursor.rowcount)

    def run(self, until: float) -> None:
        """Call after call, each checked, until that time."""
        while time.monotonic() < until:
            name = self.chance.choice(list(CALLS))
            CALLS[name](self)
            self.done[name] += 1
        self.connection.close()

    # ---- the calls

    def query(self) -> None:
        key = self.chance.randrange(25)
        assert self.rows(f"SELECT n_nationkey FROM nation WHERE n_nationkey = {key}") == [(key,)]
        assert self.rows("SELECT count(*), sum(o_orderkey) FROM orders") == [(15_000, 449_872_500)]

    def join(self) -> None:
        joined = "orders JOIN lineitem ON o_orderkey = l_orderkey JOIN customer ON c_custkey = o_custkey"
        assert self.rows(f"SELECT count(*) FROM {joined}") == [(60_175,)]

    def parameters(self) -> None:
        low = self.chance.randrange(25)
        assert self.rows("SELECT count(*) FROM nation WHERE n_nationkey >= ?", (low,)) == [(25 - low,)]

    def bulk(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT * FROM lineitem")
            assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 60_175

    def leave(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT a.* FROM lineitem a, region")
            assert cursor.fetch_record_batch().read_next_batch().num_rows

    def cancel(self) -> None:
        with flight.connect(self.uri) as client:
            command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=LONG)))
            info = client.get_flight_info(command)
            request = messages.CancelFlightInfoRequest(info=messages.FlightInfo.FromString(info.serialize()))
            body = request.SerializeToString()

            def stop() -> None:
                list(client.do_action(flight.Action("CancelFlightInfo", body)))

            stopper = threading.Timer(self.chance.random(), stop)
            stopper.start()
            with pytest.raises(flight.FlightCancelledError):
                client.do_get(info.endpoints[0].ticket).read_all()
            stopper.join()

    def ingest(self) -> None:
        count = self.chance.randrange(1, 5000)
        data = pa.table({"i": range(count), "s": [f"text {i}" for i in range(count)]})
        with self.connection.cursor() as cursor:
            assert cursor.adbc_ingest(self.table, data, mode="replace") == count
            assert cursor.adbc_ingest(self.table, data, mode="append") == count
        assert self.rows(f"SELECT count(*), sum(i) FROM {self.table}") == [(2 * count, count * (count - 1))]
        self.rows(f"DROP TABLE {self.table}")

    def temporary(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.adbc_ingest("scratch", pa.table({"i": [self.number]}), mode="replace", temporary=True)
        assert self.rows("SELECT i FROM scratch") == [(self.number,)]

    def change(self) -> None:
        self.rows(f"CREATE OR REPLACE TABLE {self.table} AS SELECT i, i % 3 AS k FROM range(100) t(i)")
        assert self.count_changes(f"UPDATE {self.table} SET i = -i WHERE k = 1") == 33
        assert self.count_changes(f"DELETE FROM {self.table} WHERE k = 2") == 33
        assert self.rows(f"SELECT count(*), sum(i) FROM {self.table}") == [(67, 1683 - 1617)]
        self.rows(f"DROP TABLE {self.table}")

    def metadata(self) -> None:
        names = {row[0] for row in self.rows("SHOW TABLES")}
        assert {"nation", "orders", "lineitem"} <= names
        assert self.connection.adbc_get_table_schema("nation").names[0] == "n_nationkey"
        objects = self.connection.adbc_get_objects(depth="tables", table_name_filter="nation").read_all()
        assert objects.num_rows == 1

    def mistake(self) -> None:
        for text in (
            "SELECT * FROM no_such_table",
            "SELEC 1",
            "SELECT CAST(n_name AS INTEGER) FROM nation",
        ):
            with pytest.raises(flight_sql.Error):
                self.rows(text)

    def reconnect(self) -> None:
        self.connection.close()
        self.connection = flight_sql.connect(self.uri, autocommit=True)


CALLS: dict[str, Callable[[Client], None]] = {
    call.__name__: call
    for call in [
        *(Client.query, Client.join, Client.parameters, Client.bulk, Client.leave, Client.cancel),
        *(Client.ingest, Client.temporary, Client.change, Client.metadata, Client.mistake, Client.reconnect),
    ]
}


@pytest.fixture(params=RUNTIMES)
def soaked(request: pytest.FixtureRequest, tpch_dir: Path, tmp_path: Path) -> Iterator[tuple[str, int, Path]]:
    """A server's URI, its process and its data folder."""
    data = tmp_path / "data"
    shutil.copytree(tpch_dir, data)
    with serve(data, tmp_path / "log", *LIMITS, *RUNTIMES[request.param]) as (uri, pid):
        yield uri, pid, data


@pytest.mark.timeout(SECONDS * 2 + 300)
def test_soak(soaked: tuple[str, int, Path]) -> None:
    uri, pid, data = soaked
    tables = tables_of(uri)
    _run(uri, min(10.0, SECONDS / 10))
    before = holdings(pid)
    sizes: list[int] = []
    done = _run(uri, SECONDS, lambda: sizes.append(holdings(pid).rss))
    assert done.keys() == CALLS.keys(), done
    assert tables_of(uri) == tables
    assert not list(data.glob(".*.tmp"))  # of a write that did not come to its end
    assert not list((data / ".sessions").iterdir())
    after = wait_settled(pid, before)
    assert after.threads <= before.threads + 8, (before, after)
    assert after.files <= before.files + 8, (before, after)
    third, fourth = sizes[len(sizes) // 2 : len(sizes) * 3 // 4], sizes[len(sizes) * 3 // 4 :]
    memory = [size // 1_000_000 for size in sizes[:: len(sizes) // 20 or 1]]
    print(f"{sum(done.values())} calls: {dict(done)}; RSS in MB: {memory}")
    assert statistics.median(fourth) <= 1.05 * statistics.median(third) + 10_000_000, sizes


def tables_of(uri: str) -> list[str]:
    """The tables that there are; of those that were dropped the files stay for a while, for queries that read them."""
    with flight.connect(uri) as client:
        return sorted(found.descriptor.path[-1].decode() for found in client.list_flights())


def _run(uri: str, seconds: float, sample: Callable[[], object] = lambda: None) -> Counter[str]:
    """Every client for so long; what they have done. Raises what any of them met."""
    until = time.monotonic() + seconds
    clients = [Client(uri, number) for number in range(CLIENTS)]
    failures: list[BaseException] = []

    def work(client: Client) -> None:
        try:
            client.run(until)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and not failures:
        threads[0].join(SAMPLE_SECONDS)
        sample()
    for thread in threads:
        thread.join(120)
    if failures:
        raise failures[0]
    return sum((client.done for client in clients), Counter())
