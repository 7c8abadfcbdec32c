"""Where no more can be written, statements end with an error that says so, tables stay whole, and nothing is left over.

A limit of the size of files stands for the disk: what does not fit is refused by the operating system all the same.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
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


SORTS = """
import resource, sys
import grism
from engine.errors import StorageFullError

with grism.connect(sys.argv[1]) as connection:
    connection.sql("CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s FROM range(60000) r(i)").to_arrow()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    try:
        connection.sql("CREATE INDEX by_s ON t (s)").to_arrow()
    except StorageFullError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    connection.sql("CREATE INDEX by_s ON t (s)").to_arrow()
    print(connection.sql("SELECT i FROM t WHERE s = md5('59999')").to_pylist())
"""


def test_what_an_index_sorts_on_disk_finds_no_room(tmp_path: Path) -> None:
    """Lance tells that in other words than of a table's files."""
    little = {**os.environ, "LANCE_MEM_POOL_SIZE": "3000000", "TMPDIR": str(tmp_path)}
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-c", SORTS, str(tmp_path / "data")]
    ran = subprocess.run(command, env=little, capture_output=True, text=True, timeout=120, check=True)
    refused, found = ran.stdout.splitlines()
    assert "would be larger" in refused
    assert "temporary files lie ($TMPDIR)" in refused
    assert found == "[{'i': 59999}]"
