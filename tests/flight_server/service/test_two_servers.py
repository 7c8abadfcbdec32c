"""Two processes change one table at once, and one of them dies now and then: nothing is lost, nothing is there twice.

Each client changes rows of its own and knows what they are to be. A statement that answers took effect once, one that
conflicts had none, and one whose server died had all of its effect or none. A row that all clients count up tells how
many of their statements took effect.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from pyarrow import flight

from engine.errors import ConflictError
from engine.storage import DirectoryStorage
from flight_server.proto import sql
from local_runtime import LocalRuntime
from tests.flight_server.service.test_updates import descriptor, update

TABLE = "CREATE TABLE shared (client INTEGER, id BIGINT, n BIGINT, note VARCHAR)"
NOBODY = -1
PER_SERVER = 3
LIKELY = {"insert": 4, "some": 1, "update": 4, "delete": 2, "merge": 3, "count": 2, "add": 0.3, "cast": 0.2}
LIKELY |= {"index": 0.2, "optimize": 0.4, "vacuum": 0.2}
QUERIES = ("SELECT", "OPTIMIZE", "VACUUM")


class LostError(Exception):
    """The server died before it answered."""


Ask = Callable[[str], tuple[int, list[tuple[object, ...]]]]
"""Runs a statement: how many rows it changed, and its rows."""


@dataclass
class Model:
    """The rows of a client by id, and how often it has counted up the row of all."""

    rows: dict[int, tuple[int, str | None]] = field(default_factory=dict)
    counted: int = 0


class Client:
    """Changes its rows until it is told to stop; `error` is what went wrong."""

    def __init__(self, number: int, open_door: Callable[[], Ask], stop: threading.Event) -> None:
        self.number, self.done = number, Counter[str]()
        self.model = Model()
        self.error: BaseException | None = None
        self._chance = random.Random(number)
        self._open, self._stop, self._next = open_door, stop, 0

    def run(self) -> None:
        try:
            ask = self._open()
            while not self._stop.is_set():
                try:
                    self._change(ask)
                except LostError:
                    self.done["lost"] += 1
                    ask = self._open()
        except BaseException as error:
            self.error = error

    def _change(self, ask: Ask) -> None:
        kind = self._chance.choices(list(LIKELY), list(LIKELY.values()))[0]
        before, after = self.model, deepcopy(self.model)
        text, count = getattr(self, f"_{kind}")(after)
        try:
            changed, _ = ask(text)
        except ConflictError:
            self.done["conflict"] += 1
            return
        except LostError:
            self._resolve(before, after)
            raise
        assert count is None or changed == count, (text, changed, count)
        self.model = after
        self.done[kind] += 1

    def _resolve(self, before: Model, after: Model) -> None:
        """Find out what became of the statement: it is to have had all of its effect or none."""
        _, found = self._open()(f"SELECT id, n, note FROM shared WHERE client = {self.number}")
        rows = {int(str(i)): (int(str(n)), None if note is None else str(note)) for i, n, note in found}
        assert rows in (before.rows, after.rows), (rows, before, after)
        if before.rows != after.rows:
            self.model = after if rows == after.rows else before
        elif before.counted != after.counted:
            self.done["uncertain"] += 1

    # ---- statements, each of which changes the model

    def _insert(self, model: Model) -> tuple[str, int]:
        self._next += 1
        model.rows[self._next] = (0, "new")
        return f"INSERT INTO shared (client, id, n, note) VALUES ({self.number}, {self._next}, 0, 'new')", 1

    def _some(self, model: Model) -> tuple[str, int]:
        first, self._next = self._next + 1, self._next + 20
        model.rows.update({i: (i, None) for i in range(first, self._next + 1)})
        ids = f"range({first}, {self._next + 1})"
        return f"INSERT INTO shared (client, id, n) SELECT {self.number}, i, i FROM {ids} AS r(i)", 20

    def _update(self, model: Model) -> tuple[str, int]:
        bound = self._chance.randint(0, self._next)
        hit = [i for i in model.rows if i >= bound]
        for i in hit:
            model.rows[i] = (model.rows[i][0] + 1, f"updated {i}")
        where = f"client = {self.number} AND id >= {bound}"
        return f"UPDATE shared SET n = n + 1, note = 'updated ' || id WHERE {where}", len(hit)

    def _delete(self, model: Model) -> tuple[str, int]:
        gone = self._chance.randint(0, self._next)
        found = model.rows.pop(gone, None)
        return f"DELETE FROM shared WHERE client = {self.number} AND id = {gone}", int(found is not None)

    def _merge(self, model: Model) -> tuple[str, int]:
        old = self._chance.sample(sorted(model.rows), min(3, len(model.rows)))
        self._next += 1
        for i in old:
            model.rows[i] = (model.rows[i][0] + 10, model.rows[i][1])
        model.rows[self._next] = (100, "merged")
        given = ", ".join(f"({i})" for i in [*old, self._next])
        return (
            f"MERGE INTO shared AS t USING (VALUES {given}) AS s(id) ON t.client = {self.number} AND t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET n = t.n + 10 "
            f"WHEN NOT MATCHED THEN INSERT (client, id, n, note) VALUES ({self.number}, s.id, 100, 'merged')"
        ), len(old) + 1

    def _count(self, model: Model) -> tuple[str, int]:
        model.counted += 1
        return f"UPDATE shared SET n = n + 1 WHERE client = {NOBODY}", 1

    def _add(self, model: Model) -> tuple[str, int]:
        del model
        name = f"more_{self.number}_{self.done['add']}"
        return f"ALTER TABLE shared ADD COLUMN IF NOT EXISTS {name} INTEGER DEFAULT {self.number}", 0

    def _cast(self, model: Model) -> tuple[str, int]:
        del model
        return f"ALTER TABLE shared ALTER n TYPE {self._chance.choice(['BIGINT', 'INTEGER', 'DECIMAL(18, 0)'])}", 0

    def _index(self, model: Model) -> tuple[str, None]:
        del model
        column, kind = self._chance.choice([("id", "BTREE"), ("client", "BITMAP"), ("note", "BTREE"), ("n", "BTREE")])
        return f"CREATE INDEX IF NOT EXISTS of_{column} ON shared USING {kind} ({column})", None

    def _optimize(self, model: Model) -> tuple[str, None]:
        del model
        return "OPTIMIZE shared", None

    def _vacuum(self, model: Model) -> tuple[str, None]:
        del model
        return "VACUUM shared", None


class Server:
    """A server as a process that can be killed, and another one in its place."""

    def __init__(self, data: Path, log: Path, *options: str) -> None:
        command = [sys.executable, "-m", "flight_server.cli", "serve", "--data", str(data), "--port", "0"]
        self._command = [*command, "--threads", "1", *options]
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        self.uri = self._process.stdout.readline().rpartition(" ")[2].strip()
        assert self.uri.startswith("grpc"), "the server did not start"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def ask(self) -> Ask:
        """A connection to whoever is there now; waits while nobody is."""
        client = self._connected()

        def ask(text: str) -> tuple[int, list[tuple[object, ...]]]:
            try:
                if not text.startswith(QUERIES):
                    return update(client, text), []
                (endpoint,) = client.get_flight_info(descriptor(sql.CommandStatementQuery(query=text))).endpoints
                return 0, [tuple(row.values()) for row in client.do_get(endpoint.ticket).read_all().to_pylist()]
            except flight.FlightUnavailableError as error:
                client.close()
                raise LostError(str(error)) from None
            except (flight.FlightError, pa.ArrowException) as error:
                if "ConflictError" in str(error):
                    raise ConflictError(str(error)) from None
                raise

        return ask

    def _connected(self) -> flight.FlightClient:
        give_up = time.monotonic() + 60
        while True:
            client = flight.FlightClient(self.uri)
            try:
                list(client.list_actions())
            except flight.FlightUnavailableError:
                client.close()
                assert time.monotonic() < give_up, "no server came back"
                time.sleep(0.05)
            else:
                return client


def in_process(runtime: LocalRuntime) -> Ask:
    """Statements in this process."""

    def ask(text: str) -> tuple[int, list[tuple[object, ...]]]:
        table = runtime.sql(text).read_all()
        rows = [tuple(row.values()) for row in table.to_pylist()]
        return (0, rows) if text.startswith(QUERIES) else (int(str(rows[0][0])), [])

    return ask


@contextmanager
def changing(doors: list[Callable[[], Ask]]) -> Iterator[list[Client]]:
    """Some clients at each door, which change the table within."""
    stop = threading.Event()
    clients = [Client(number, door, stop) for number, door in enumerate(doors * PER_SERVER)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)


def check(ask: Ask, clients: list[Client]) -> Counter[str]:
    """The table has what the clients know that it has; returns what they did."""
    for client in clients:
        if client.error is not None:
            raise client.error
        _, found = ask(f"SELECT id, n, note FROM shared WHERE client = {client.number} ORDER BY id")
        assert [(int(str(i)), (int(str(n)), note)) for i, n, note in found] == sorted(client.model.rows.items())
    ((counted,),) = ask(f"SELECT n FROM shared WHERE client = {NOBODY}")[1]
    least = sum(client.model.counted for client in clients)
    assert least <= int(str(counted)) <= least + sum(client.done["uncertain"] for client in clients)
    return sum((client.done for client in clients), Counter[str]())


def prepared(ask: Ask) -> None:
    ask(TABLE)
    ask(f"INSERT INTO shared VALUES ({NOBODY}, 0, 0, NULL)")


def test_a_server_and_another_process_for_a_moment(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with ExitStack() as stack:
        runtime = stack.enter_context(LocalRuntime(DirectoryStorage(data), threads=1))
        here = in_process(runtime)
        prepared(here)
        server = Server(data, tmp_path / "log")
        stack.callback(server.kill)
        with changing([server.ask, lambda: here]) as clients:
            wait_for(clients, 15)
            server.kill()
            server.start()
            wait_for(clients, 40)
        done = check(here, clients)
        assert {"update", "insert", "merge", "delete"} <= done.keys()


def wait_for(clients: list[Client], statements: int) -> None:
    """Wait until the clients have done so many statements together, each of them some."""
    give_up = time.monotonic() + 120
    while sum(sum(client.done.values()) for client in clients) < statements:
        assert not any(client.error for client in clients), [client.error for client in clients]
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.soak
def test_two_servers_that_die_in_turns_for_a_minute(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    seconds, chance = float(os.environ.get("SOAK_SECONDS", "60")), random.Random(7)
    with ExitStack() as stack:
        servers = [Server(data, tmp_path / f"{number}.log") for number in range(2)]
        for server in servers:
            stack.callback(server.kill)
        prepared(servers[0].ask())
        end = time.monotonic() + seconds
        with changing([server.ask for server in servers]) as clients:
            while time.monotonic() < end and not any(client.error for client in clients):
                time.sleep(chance.uniform(0.5, 4))
                victim = chance.choice(servers)
                victim.kill()
                victim.start()
        done = check(servers[0].ask(), clients)
        print(done)
        assert done["lost"], done
    lance.dataset(str(data / "shared.lance")).validate()
