"""Where no more can be written, statements end with an error that says so, tables stay whole, and nothing is left over.

A limit of the size of files stands for the disk: what does not fit is refused by the operating system all the same.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode

from tests.conftest import RAY_OPTIONS
from tests.flight_server.service.test_stored_types import run
from tests.harness.processes import ray_workers
from tests.harness.server import serve
from tests.harness.sharing import stays_with

ROOM = 150_000
LARGE = (
    "SELECT i, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS s, [i, i + 1, 2, 3]::FLOAT[4] AS v FROM range(60000) r(i)"
)
SPILLS = """SELECT s, count(*) FROM (SELECT md5(i::VARCHAR) || md5((i + 7)::VARCHAR) AS s FROM range(6000000) r(i))
    GROUP BY s ORDER BY s LIMIT 1"""
WRITES = (
    f"INSERT INTO t {LARGE}",
    f"CREATE TABLE u AS {LARGE}",
    f"CREATE OR REPLACE TABLE t AS {LARGE}",
    f"CREATE TEMP TABLE u AS {LARGE}",
    "UPDATE t SET s = md5(s) || md5(s || 'a')",
    f"MERGE INTO t USING ({LARGE}) n ON t.i = n.i WHEN MATCHED THEN UPDATE SET s = n.s WHEN NOT MATCHED THEN INSERT *",
    "CREATE INDEX by_s ON t (s)",
    "CREATE INDEX by_words ON t USING FTS (s)",
    "CREATE INDEX by_v ON t USING IVF_FLAT (v)",
    "ALTER TABLE t ALTER s TYPE BLOB",
    "OPTIMIZE t",
)


@contextmanager
def little_room(pid: int) -> Iterator[None]:
    """Meanwhile no file of a server, or of its workers, grows beyond ROOM."""
    pids = [pid, *ray_workers(pid)]
    before = [resource.prlimit(p, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY)) for p in pids]
    try:
        yield
    finally:
        for p, limits in zip(pids, before, strict=True):
            resource.prlimit(p, resource.RLIMIT_FSIZE, limits)


def files(data: Path) -> set[Path]:
    """What lies in a folder, but for the marks of writers, which the next sweep removes."""
    return {path for path in data.rglob("*") if path.is_file() and path.name != ".writers"}


def test_writes_for_which_there_is_no_room(runtime_name: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    options = ("--memory-limit", "300MB", "--spill-dir", str(tmp_path))
    if runtime_name == "ray":
        stays_with("ray")
        options += RAY_OPTIONS
    with (
        serve(data, tmp_path / "log", *options) as (uri, pid),
        flight_sql.connect(uri, autocommit=True) as client,
    ):
        for low in range(0, 80_000, 20_000):
            rows = f"SELECT i, md5(i::VARCHAR) AS s, [i, 1, 2, 3]::FLOAT[4] AS v FROM range({low}, {low + 20000}) r(i)"
            run(client, f"{'INSERT INTO' if low else 'CREATE TABLE'} t {'' if low else 'AS '}{rows}")
        before, rows = files(data), run(client, "SELECT count(*), sum(i), bit_xor(hash(t)) FROM t")
        with little_room(pid):
            for write in WRITES:
                with pytest.raises(
                    adbc_driver_manager.OperationalError, match=r"could not .*would be larger"
                ) as caught:
                    run(client, write)
                assert caught.value.status_code == AdbcStatusCode.IO  # which is UNAVAILABLE
            with client.cursor() as cursor, pytest.raises(adbc_driver_manager.OperationalError, match="be larger"):
                cursor.adbc_ingest("u", pa.table({"s": [f"{i * 7919:x}" for i in range(90_000)]}), mode="create")
            with pytest.raises(adbc_driver_manager.OperationalError, match=r"spill files could not .* be larger"):
                run(client, SPILLS)
            assert files(data) == before
        assert run(client, "SELECT count(*), sum(i), bit_xor(hash(t)) FROM t") == rows
        assert run(client, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'") == [("t",)]
        run(client, f"INSERT INTO t {LARGE}")
        assert run(client, "SELECT count(*) FROM t") == [(140_000,)]
