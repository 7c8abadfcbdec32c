"""Random CREATE TABLE AS, INSERT, UPDATE and DELETE at a server leave the rows that they leave in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest

from tests.harness.compare import difference
from tests.harness.random_sql.changes import ChangedWorld
from tests.harness.server import dropping, serve

WORLDS = {"local": 6, "ray": 3}
STATEMENTS = 12


@pytest.fixture(scope="module")
def uri(runtime_name: str, server_uri: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server on the runtime listens: the whole run's on Ray, else one of its own."""
    if runtime_name == "ray":
        with dropping(server_uri("ray")) as uri:
            yield uri
        return
    data, log = tmp_path_factory.mktemp("changed"), tmp_path_factory.mktemp("log") / "server.log"
    with serve(data, log, "--threads", "2") as (uri, _):
        yield uri


@pytest.fixture(scope="module")
def cursor(uri: str) -> Iterator[flight_sql.Cursor]:
    """A cursor at the server."""
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize("seed", range(max(WORLDS.values())))
def test_random_changes(runtime_name: str, cursor: flight_sql.Cursor, seed: int) -> None:
    if seed >= WORLDS[runtime_name]:
        pytest.skip("fewer of them run on Ray")
    world = ChangedWorld(seed)
    try:
        for name, table in world.tables.items():  # a table of no batch would have no stream
            batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
            cursor.adbc_ingest(name, pa.RecordBatchReader.from_batches(table.schema, batches), mode="replace")
        before: list[str] = []
        for change in world.changes(STATEMENTS):
            before.append(change.sql)
            cursor.execute(change.sql)
            cursor.execute(change.shown)
            drift = difference(cursor.fetch_arrow_table(), change.rows, ordered=False, tolerance=0.0)
            assert drift is None, f"{drift}\n{world.tables}\n" + ";\n".join(before)
    finally:
        world.close()
