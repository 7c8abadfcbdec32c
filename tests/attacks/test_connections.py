"""Many clients, slow clients, and what is no client at all."""

from __future__ import annotations

import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pyarrow as pa
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.attacks.conftest import Attacked

CONNECTIONS = 200
SLOW = 40
LARGE = "SELECT a.* FROM orders a, nation b"


def begin(client: flight.FlightClient, query: str) -> flight.FlightStreamReader:
    command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=query)))
    return client.do_get(client.get_flight_info(command).endpoints[0].ticket)


def test_two_hundred_connections(survivor: Attacked) -> None:
    """All of them are open at once, and each gets the rows that it asked for."""
    with ExitStack() as open_ones, ThreadPoolExecutor(CONNECTIONS) as threads:
        # Channels to one address share a connection, unless their options differ.
        options = [[("grism.test.number", number)] for number in range(CONNECTIONS)]
        clients = [open_ones.enter_context(flight.connect(survivor.uri, generic_options=option)) for option in options]

        def ask(number: int) -> pa.Table:
            return begin(clients[number], f"SELECT {number} AS n, count(*) AS rows FROM orders").read_all()

        for _ in range(2):
            answers = list(threads.map(ask, range(CONNECTIONS)))
            assert [answer.to_pylist() for answer in answers] == [
                [{"n": number, "rows": 15_000}] for number in range(CONNECTIONS)
            ]


def test_clients_that_do_not_read(survivor: Attacked) -> None:
    """They hold what they have been sent; whoever reads gets rows beside them, and when they leave all is freed."""
    with ExitStack() as open_ones:
        readers = []
        for number in range(SLOW):
            client = open_ones.enter_context(
                flight.connect(survivor.uri, generic_options=[("grism.test.number", number)])
            )
            readers.append(begin(client, LARGE))
            assert readers[-1].read_chunk().data.num_rows
        for _ in range(10):
            survivor.answers()
        for reader in readers[::2]:
            reader.cancel()


def test_what_is_no_client(survivor: Attacked) -> None:
    """Sockets that send nothing, or what is no HTTP/2."""
    chance = random.Random(5)
    _, _, port = survivor.uri.rpartition(":")
    sent = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ]
    sent += [chance.randbytes(chance.randint(1, 5000)) for _ in range(60)]
    sent += [sent[2] + chance.randbytes(chance.randint(1, 500)) for _ in range(60)]
    with ExitStack() as open_ones:
        for data in sent:
            peer = open_ones.enter_context(socket.create_connection(("127.0.0.1", int(port)), timeout=10))
            with suppress(ConnectionError):  # the server may have closed it already
                peer.sendall(data)
        for _ in range(5):
            survivor.answers()
