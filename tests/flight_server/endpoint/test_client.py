from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.endpoint import BaseHandler, Call, ConnectionPool, Endpoint, ResultStream

TABLE = pa.table({"a": [1, 2, 3]})


class Rows(BaseHandler):
    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        return ResultStream(TABLE.to_reader())


def test_a_client_is_shared_and_kept() -> None:
    with Endpoint(Rows()) as endpoint, ConnectionPool() as pool:
        with pool.client(endpoint.location) as first, pool.client(endpoint.location) as second:
            assert first is second
        with pool.client(endpoint.location) as third:
            assert third is first
            assert third.do_get(flight.Ticket(b"")).read_all() == TABLE


def test_many_threads_share_one_connection() -> None:
    failures: list[Exception] = []

    def read() -> None:
        try:
            for _ in range(20):
                with pool.client(endpoint.location) as client:
                    assert client.do_get(flight.Ticket(b"")).read_all() == TABLE
        except Exception as error:
            failures.append(error)

    with Endpoint(Rows()) as endpoint, ConnectionPool() as pool:
        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures
        assert len(pool) == 1


def test_idle_clients_are_bounded_and_the_longest_unused_goes() -> None:
    locations = [f"grpc://127.0.0.1:{port}" for port in (1, 2, 3)]
    with ConnectionPool(max_idle=2) as pool:
        for location in (*locations[:2], locations[0], locations[2]):
            with pool.client(location):
                pass
        assert list(pool._connections) == [locations[0], locations[2]]
        with pool.client(locations[0]), pool.client(locations[1]), pool.client(locations[2]):
            assert len(pool) == 3
        assert len(pool) == 2


def test_a_client_whose_server_is_gone_is_forgotten() -> None:
    with Endpoint(Rows()) as endpoint:
        location = endpoint.location
    with ConnectionPool() as pool:
        with pytest.raises(flight.FlightUnavailableError), pool.client(location) as client:
            client.do_get(flight.Ticket(b""))
        assert len(pool) == 0


def test_a_closed_pool_gives_no_client() -> None:
    pool = ConnectionPool()
    with pool.client("grpc://127.0.0.1:1"):
        pool.close()
    with pytest.raises(RuntimeError, match="closed"), pool.client("grpc://127.0.0.1:1"):
        pass
