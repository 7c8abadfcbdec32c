from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pyarrow import flight

from flight_server.endpoint import Endpoint, Handler


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Endpoint, flight.FlightClient]]]:
    """Starts an endpoint for a handler; gives it with a connected client. Both end with the test."""
    opened: list[tuple[Endpoint, flight.FlightClient]] = []

    def start(handler: Handler, **options: object) -> tuple[Endpoint, flight.FlightClient]:
        endpoint = Endpoint(handler, **options)  # type: ignore[arg-type]
        opened.append((endpoint, flight.FlightClient(endpoint.location)))
        return opened[-1]

    yield start
    for endpoint, client in opened:
        client.close()
        if not endpoint.wait(0):
            assert endpoint.shutdown(), "the endpoint did not stop"
