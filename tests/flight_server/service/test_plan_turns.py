"""Turns to plan: as many at once as queries run, and never in the way of these."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.storage import InMemoryStorage
from engine.storage.protocol import Source, TableHandle
from flight_server.auth import IDENTITY_KEY, Anonymous, HandshakeHandler, IdentityFactory
from flight_server.config import ServerConfig
from flight_server.endpoint import Endpoint
from flight_server.proto import sql
from flight_server.service import FlightSqlService
from flight_server.service.wire import wrap
from local_runtime import LocalRuntime
from tests.flight_server.service.test_queries import Prepared

PATIENCE = 20.0
ENDLESS = "SELECT i FROM range(100000000000) t(i)"


class SlowStorage(InMemoryStorage):
    """Tells of its table only once it may."""

    def __init__(self) -> None:
        super().__init__({"slow": pa.table({"a": [1, 2]})})
        self.asked, self.may_tell = threading.Event(), threading.Event()

    def probe(self, table: TableHandle) -> Source:
        self.asked.set()
        assert self.may_tell.wait(PATIENCE)
        return super().probe(table)


@pytest.fixture
def storage() -> SlowStorage:
    return SlowStorage()


@pytest.fixture
def client(storage: SlowStorage) -> Iterator[flight.FlightClient]:
    """A client of a service with one turn."""
    options = replace(ServerConfig().service, max_queries=1, queue_timeout=0.3)
    with LocalRuntime(storage, threads=1) as runtime:
        endpoint = Endpoint(
            FlightSqlService(runtime, options, "test"),
            auth_handler=HandshakeHandler(Anonymous()),
            middleware={IDENTITY_KEY: IdentityFactory(Anonymous())},
        )
        with flight.connect(endpoint.location) as client:
            yield client
        storage.may_tell.set()
        assert endpoint.shutdown()


def info(client: flight.FlightClient, command: bytes) -> flight.FlightInfo:
    return client.get_flight_info(flight.FlightDescriptor.for_command(command))


def query(text: str) -> bytes:
    return wrap(sql.CommandStatementQuery(query=text))


def run_prepared(client: flight.FlightClient, text: str) -> None:
    handle = Prepared(client, text).handle
    info(client, wrap(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)))


def test_planning_waits_for_its_turn(client: flight.FlightClient, storage: SlowStorage) -> None:
    (tables,) = info(client, wrap(sql.CommandGetTables())).endpoints
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(info, client, query("SELECT * FROM slow"))
        assert storage.asked.wait(PATIENCE)
        refused = r"waited 0\.\d s for its turn; 1 statements are planned"
        with pytest.raises(flight.FlightUnavailableError, match=refused):
            info(client, query("SELECT 1"))
        with pytest.raises(flight.FlightUnavailableError, match=refused):
            Prepared(client, "SELECT 1")
        with pytest.raises(flight.FlightUnavailableError, match=refused):
            client.do_get(tables.ticket).read_all()
        storage.may_tell.set()
        assert slow.result(PATIENCE).schema.names == ["a"]
    assert client.do_get(tables.ticket).read_all().num_rows == 1


def test_what_gets_others_out_of_the_way_waits_for_no_turn(client: flight.FlightClient, storage: SlowStorage) -> None:
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(info, client, query("SELECT * FROM slow"))
        assert storage.asked.wait(PATIENCE)
        try:
            for text in ("SET timeout = '1m'", "RESET timeout"):
                run_prepared(client, text)
            with pytest.raises(pa.ArrowKeyError, match="No query 'none'"):
                run_prepared(client, "KILL QUERY 'none'")
        finally:
            storage.may_tell.set()
        slow.result(PATIENCE)


def test_planning_does_not_wait_for_queries(client: flight.FlightClient, storage: SlowStorage) -> None:
    storage.may_tell.set()
    reader = client.do_get(info(client, query(ENDLESS)).endpoints[0].ticket)
    reader.read_chunk()
    prepared = Prepared(client, "SELECT a FROM slow")  # which plans within its own turn
    planned = info(client, wrap(sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.handle)))
    with pytest.raises(flight.FlightUnavailableError, match="1 queries run"):
        client.do_get(planned.endpoints[0].ticket).read_all()
    reader.cancel()
