"""A server process without logins, for every client."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest
from pyarrow import flight

from tests.clients.raw import RawClient
from tests.harness.server import serve


@pytest.fixture(scope="session")
def uri(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server over nation, region and orders listens."""
    data = tmp_path_factory.mktemp("clients")
    for name in ("nation", "region", "orders"):
        shutil.copy(tpch_dir / f"{name}.parquet", data)
    with serve(data, tmp_path_factory.mktemp("clients-log") / "server.log", "--threads", "2") as (uri, _):
        yield uri


@pytest.fixture
def runtime_uri(runtime_name: str, uri: str, server_uri: Callable[[str], str]) -> str:
    """Where a server on each runtime listens."""
    return server_uri("ray") if runtime_name == "ray" else uri


@pytest.fixture
def connection(uri: str) -> Iterator[flight_sql.Connection]:
    """An ADBC connection as `connect` gives it, with autocommit."""
    with flight_sql.connect(uri, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cursor(connection: flight_sql.Connection) -> Iterator[flight_sql.Cursor]:
    """A cursor of an ADBC connection."""
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def raw(uri: str) -> Iterator[RawClient]:
    """A client over grpcio."""
    with RawClient(uri) as client:
        yield client


@pytest.fixture
def bare(uri: str) -> Iterator[flight.FlightClient]:
    """A bare pyarrow client."""
    with flight.connect(uri) as client:
        yield client
