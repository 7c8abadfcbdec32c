"""Memory tables over Flight: the slices that a ticket names, and nothing without one."""

import secrets

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.cancellation import Cancellation
from engine.errors import WorkerLostError
from engine.storage import InMemoryStorage
from engine.storage.protocol import ScanRequest, TableName
from flight_server.endpoint import ConnectionPool, Endpoint
from ray_runtime.exchange import OutputKey
from ray_runtime.tables import TableHandler, TaskStorage
from ray_runtime.task import TaskSpec

KEY = secrets.token_bytes(32)
TABLE = pa.table({"a": list(range(10)), "b": list("abcdefghij")})
NAME = TableName("main", "t")


@pytest.fixture
def storage():
    return InMemoryStorage({"t": TABLE})


@pytest.fixture
def handler(storage):
    handler = TableHandler()
    handler.add("q", KEY, storage)
    return handler


@pytest.fixture
def endpoint(handler):
    with Endpoint(handler) as endpoint:
        yield endpoint


@pytest.fixture
def remote(endpoint):
    """The storage of a task on a worker that knows no tables of its own."""

    def remote(key=KEY, location=endpoint.location):
        spec = TaskSpec(OutputKey("q", 0, 0, 0), b"", None, (), 1, key, location)
        return TaskStorage.of(InMemoryStorage(), spec, pool, Cancellation())

    with ConnectionPool() as pool:
        yield remote


def test_slices_columns_and_limits_are_those_of_the_storage_itself(storage, remote):
    handle = storage.snapshot().table(NAME)
    for data in (handle, *storage.splits(handle, 3)):
        for request in (ScanRequest(("a", "b")), ScanRequest(("b",)), ScanRequest((), limit=2)):
            assert remote().open(data, request).data.equals(storage.open(data, request).data)


def test_a_worker_whose_query_reads_no_memory_uses_its_own_storage(remote):
    spec = TaskSpec(OutputKey("q", 0, 0, 0), b"", None, (), 1, KEY)
    own = InMemoryStorage()
    assert TaskStorage.of(own, spec, ConnectionPool(), Cancellation()) is own


@pytest.mark.parametrize("ticket", [b"", b"\x00", b"\x00\x01q", b"\xff\xff" + b"q" * 99, b"\x00\x01r" + b"x" * 80])
def test_what_is_no_ticket_opens_nothing(endpoint, ticket):
    with flight.FlightClient(endpoint.location) as client, pytest.raises(flight.FlightUnauthenticatedError):
        client.do_get(flight.Ticket(ticket)).read_all()


def test_a_ticket_opens_nothing_under_another_key_or_when_its_query_is_over(storage, remote, handler):
    handle = storage.snapshot().table(NAME)
    with pytest.raises(flight.FlightUnauthenticatedError):
        remote(key=secrets.token_bytes(32)).open(handle, ScanRequest(("a",)))
    handler.remove("q")
    with pytest.raises(flight.FlightUnauthenticatedError):
        remote().open(handle, ScanRequest(("a",)))


def test_a_coordinator_that_is_gone_is_a_typed_error(storage, remote, endpoint):
    handle = storage.snapshot().table(NAME)
    endpoint.shutdown()
    with pytest.raises(WorkerLostError, match="coordinator"):
        remote().open(handle, ScanRequest(("a",)))
