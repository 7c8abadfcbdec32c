"""A server process that the tests of the service share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest
from pyarrow import flight

from tests.harness.server import serve


@dataclass(frozen=True)
class Served:
    """A running server: where it listens, its process, and the folder that it serves."""

    uri: str
    pid: int
    data: Path


@pytest.fixture(scope="session")
def served(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over nation, region, orders and lineitem as Parquet, and a file that is no Parquet."""
    data = tmp_path_factory.mktemp("served")
    for name in ("nation", "region", "orders", "lineitem"):
        shutil.copy(tpch_dir / f"{name}.parquet", data)
    (data / "broken.parquet").write_bytes(b"PAR1 this is not a Parquet file PAR1")
    with serve(data, tmp_path_factory.mktemp("served-log") / "server.log", "--threads", "2") as (uri, pid):
        yield Served(uri, pid, data)


@pytest.fixture
def connection(served: Served) -> Iterator[flight_sql.Connection]:
    """An ADBC connection. The server has no transactions, so the DBAPI is told not to begin one."""
    with flight_sql.connect(served.uri, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cursor(connection: flight_sql.Connection) -> Iterator[flight_sql.Cursor]:
    """A cursor of an ADBC connection."""
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def client(served: Served) -> Iterator[flight.FlightClient]:
    """A bare Flight client."""
    with flight.connect(served.uri) as client:
        yield client
