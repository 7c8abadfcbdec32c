"""Random CREATE TABLE AS, INSERT, UPDATE, DELETE and MERGE at a server leave the rows that they leave in the kernel."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import lance
import pyarrow as pa
import pytest

from tests.harness.compare import difference
from tests.harness.random_sql.changes import ChangedWorld
from tests.harness.server import drop_afterwards, serve

WORLDS = {"local": 6, "ray": 3}
STATEMENTS = 12
FRAGMENTED = [100, 101, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(102, 160))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the local server's tables are, and where pylance writes beside it."""
    return tmp_path_factory.mktemp("changed")


@pytest.fixture(scope="module")
def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[flight_sql.Cursor]:
    """A cursor at a server of its own over the folder."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with serve(folder, log, "--threads", "2") as (uri, _), connected(uri) as cursor:
        yield cursor


@contextmanager
def connected(uri: str) -> Iterator[flight_sql.Cursor]:
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="module")
def cursor(
    runtime_name: str, server_uri: Callable[[str], str], request: pytest.FixtureRequest
) -> Iterator[flight_sql.Cursor]:
    """A cursor at a server on the runtime: the whole run's on Ray."""
    if runtime_name == "local":
        yield request.getfixturevalue("local")
        return
    with drop_afterwards(server_uri("ray")) as uri, connected(uri) as cursor:
        yield cursor


@pytest.mark.parametrize("seed", range(max(WORLDS.values())))
def test_random_changes(runtime_name: str, cursor: flight_sql.Cursor, seed: int) -> None:
    if seed >= WORLDS[runtime_name]:
        pytest.skip("fewer of them run on Ray")
    world = ChangedWorld(seed)
    try:
        ingest(cursor, world)
        change(cursor, world)
    finally:
        world.close()


@pytest.mark.parametrize("seed", FRAGMENTED)
def test_random_changes_of_fragments_with_indexes(local: flight_sql.Cursor, folder: Path, seed: int) -> None:
    """Tables of several fragments with deleted rows, with indexes, and some with stable ids of rows."""
    world, chance = ChangedWorld(seed), random.Random(f"fragments {seed}")
    try:
        ingest(local, world)
        for name in world.tables:
            scatter(folder / f"{name}.lance", chance)
        change(local, world)
        for name in world.tables:
            lance.dataset(str(folder / f"{name}.lance")).validate()
    finally:
        world.close()


def scatter(path: Path, chance: random.Random) -> None:
    """Write the rows of a table anew: in small fragments, among rows that are deleted then, and with indexes."""
    stored = lance.dataset(str(path)).to_table()
    rows = list(range(len(stored)))
    twice = sorted([*rows, *chance.choices(rows, k=len(rows) // 3)]) if rows else []
    gone = {i for i, row in enumerate(twice) if i and twice[i - 1] == row}
    shutil.rmtree(path)
    dataset = lance.write_dataset(
        stored.take(pa.array(twice, pa.int64())),
        str(path),
        max_rows_per_file=chance.randint(1, 9),
        enable_stable_row_ids=chance.random() < 0.3,
    )
    addresses = dataset.scanner(columns=["_rowaddr"]).to_table()["_rowaddr"].to_pylist()
    if gone:
        dataset.delete(f"_rowaddr IN ({', '.join(str(addresses[i]) for i in gone)})")
    for number, field in enumerate(stored.schema):
        kind = chance.choice(["BTREE", "BITMAP", None])
        if kind is not None:
            with suppress(TypeError, ValueError, OSError, RuntimeError):  # not of this type
                dataset.create_scalar_index(field.name, kind, name=f"i{number}")


def ingest(cursor: flight_sql.Cursor, world: ChangedWorld) -> None:
    for name, table in world.tables.items():  # a table of no batch would have no stream
        batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
        cursor.adbc_ingest(name, pa.RecordBatchReader.from_batches(table.schema, batches), mode="replace")


def change(cursor: flight_sql.Cursor, world: ChangedWorld) -> None:
    before: list[str] = []
    for change in world.changes(STATEMENTS):
        before.append(change.sql)
        cursor.execute(change.sql)
        cursor.execute(change.shown)
        drift = difference(cursor.fetch_arrow_table(), change.rows, ordered=False, tolerance=0.0)
        assert drift is None, f"{drift}\n{world.tables}\n" + ";\n".join(before)
