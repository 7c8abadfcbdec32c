"""Programs in Python that people bring, unmodified and each in an environment of its own: `make test-clients`.

What they run is in `clients/python`. They are installed once, by the pins in `requirements`, into the cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.conftest import RAY_OPTIONS
from tests.harness.server import serve
from tests.real_clients.environments import install
from tests.real_clients.programs import SOURCES

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

OPTIONS = ("--reported-version", "duckdb v2.0.1", "--transactions", "ignore")
_SOURCES = SOURCES / "python"


class Tool:
    """The programs of one of the requirements, and a folder of files in which they run against a server."""

    def __init__(self, name: str, folder: Path, uri: str) -> None:
        self.folder, self._uri = folder, uri
        self.port = uri.rpartition(":")[2]
        self._programs = install(name)

    def run(self, program: str, *arguments: str) -> str:
        """What the program prints; it has to end with status 0."""
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            env={**os.environ, "TOOLS_PORT": self.port, "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def rows(self, text: str) -> list[tuple[object, ...]]:
        """What the server has now."""
        with flight_sql.connect(self._uri, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return [tuple(row) for row in cursor.fetchall()]


@pytest.fixture(scope="session")
def tool_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Gives the URI of a server with the options that these programs need, for a runtime; started once."""
    started: dict[str, str] = {}
    with ExitStack() as stack:

        def start(runtime: str) -> str:
            if runtime not in started:
                folder = tmp_path_factory.mktemp(f"tools-{runtime}")
                (folder / "data").mkdir()
                options = RAY_OPTIONS if runtime == "ray" else ("--threads", "2")
                started[runtime] = stack.enter_context(serve(folder / "data", folder / "log", *OPTIONS, *options))[0]
            return started[runtime]

        yield start


@pytest.fixture
def tool(runtime_name: str, tool_server: Callable[[str], str], tmp_path: Path) -> Callable[..., Tool]:
    """Gives the programs of some requirements, in a folder with copies of files of `clients/python`."""

    def make(name: str, *files: str) -> Tool:
        for file in files:
            source = _SOURCES / file
            if source.is_dir():
                shutil.copytree(source, tmp_path, dirs_exist_ok=True)
            else:
                shutil.copy(source, tmp_path)
        return Tool(name, tmp_path, tool_server(runtime_name))

    return make


def test_dbt(tool: Callable[..., Tool]) -> None:
    """seed, run, test, snapshot, incremental models of each strategy, docs."""
    dbt = tool("dbt", "dbt")

    def run(*arguments: str) -> str:
        quiet = ("--no-use-colors", "--no-send-anonymous-usage-stats")
        return dbt.run("dbt", *quiet, *arguments, "--profiles-dir", ".")

    assert "PASS=1 WARN=0 ERROR=0" in run("seed")
    assert "PASS=5 WARN=0 ERROR=0" in run("run")
    assert "PASS=1 WARN=0 ERROR=0" in run("snapshot")
    assert "PASS=3 WARN=0 ERROR=0" in run("test")
    assert "ERROR=0" in run("build", "--vars", "{round: 2, suffix: X}")
    assert dbt.rows("SELECT id, name, round FROM shop.events ORDER BY id") == [
        (1, "ANN", 1),
        (2, "BOBX", 2),
        (3, "CY", 2),
    ]
    assert dbt.rows("SELECT round, count(*) FROM shop.appended GROUP BY round ORDER BY round") == [(1, 3), (2, 3)]
    assert dbt.rows("SELECT round, count(*) FROM shop.replaced GROUP BY round") == [(2, 3)]
    kept = dbt.rows("SELECT name, dbt_valid_to IS NULL FROM shop.kept WHERE id = 2 ORDER BY dbt_valid_from")
    assert kept == [("BOB", False), ("BOBX", True)]
    run("docs", "generate")
    catalog = json.loads((dbt.folder / "target" / "catalog.json").read_text())
    assert list(catalog["nodes"]["model.shop.events"]["columns"]) == ["id", "name", "round"]
    assert dbt.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '%__dbt_%'") == [(0,)]


def test_ibis(tool: Callable[..., Tool]) -> None:
    """Tables that are overwritten and temporary, views and queries."""
    ibis = tool("ibis", "ibis_tables.py")
    ibis.run("python", "ibis_tables.py", ibis.port)


def test_sqlmesh(tool: Callable[..., Tool]) -> None:
    """plan, run, audit, and an environment of its own."""
    mesh = tool("sqlmesh", "sqlmesh")
    mesh.run("sqlmesh", "plan", "--auto-apply", "--no-prompts")
    assert "No models are ready to run" in mesh.run("sqlmesh", "run")
    assert "Finished with 0 audit errors" in mesh.run("sqlmesh", "audit")
    mesh.run("sqlmesh", "plan", "dev", "--auto-apply", "--no-prompts", "--include-unmodified")
    assert mesh.rows("SELECT sum(n), count(*) FROM shop2__dev.shown") == [(10, 5)]
    assert mesh.rows("SELECT sum(twice) FROM shop2.keyed") == [(90,)]


def test_adbc_replicate(tool: Callable[..., Tool]) -> None:
    """A copy, one of what has changed, and one of everything."""
    replicate = tool("replicate", "replicate.yaml", "replicate_source.py")

    def copy(price: str, *arguments: str) -> str:
        replicate.run("python", "replicate_source.py", price)
        return replicate.run("adbc-replicate", "run", "-c", "replicate.yaml", *arguments)

    assert "Tables: 2 copied (1,001 rows), 0 unchanged, 0 failed" in copy("1.5")
    assert "Tables: 1 copied (1,000 rows), 1 unchanged, 0 failed" in copy("2.5")
    assert replicate.rows("SELECT sum(price), (SELECT count(*) FROM sales.early) FROM sales.orders")[0][1] == 10
    assert "Tables: 2 copied (1,001 rows)" in copy("3.5", "--full-refresh")
    assert replicate.rows("SELECT sum(price)::INTEGER FROM sales.orders") == [(3500,)]


def test_frames_and_pools(tool: Callable[..., Tool]) -> None:
    """pandas and polars write and read; adbc-poolhouse."""
    frames = tool("frames", "frames.py")
    frames.run("python", "frames.py", frames.port)
