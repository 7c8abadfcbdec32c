"""A service on each runtime, over Lance tables that tests write."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from flight_server.auth import IDENTITY_KEY, Anonymous, HandshakeHandler, IdentityFactory
from flight_server.config import ServerConfig
from flight_server.endpoint import Endpoint
from flight_server.service import FlightSqlService
from tests.harness.runtimes import SqlRuntime, Tables


@pytest.fixture
def t() -> str:
    """The name of a table that is not there."""
    return f"t_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def writable_uri(runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> Iterator[str]:
    """The URI of a service on a runtime, over a folder of Lance tables, for the whole run."""
    endpoint = Endpoint(
        FlightSqlService(make_runtime(runtime_name, "lance")[0], ServerConfig().service, "test"),
        auth_handler=HandshakeHandler(Anonymous()),
        middleware={IDENTITY_KEY: IdentityFactory(Anonymous())},
    )
    yield endpoint.location
    assert endpoint.shutdown()


@pytest.fixture
def writer(writable_uri: str) -> Iterator[flight_sql.Connection]:
    """An ADBC connection to the service of `writable_uri`."""
    with flight_sql.connect(writable_uri, autocommit=True) as connection:
        yield connection
