"""How workers begin: with the packages of the server, or with a reason why not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from engine.errors import WorkerLostError
from engine.storage import InMemoryStorage
from flight_server.proto import sql
from flight_server.service.wire import wrap
from ray_runtime.cluster import ClusterOptions
from ray_runtime.executor import ExecutorOptions, RayExecutor
from ray_runtime.runtime import RayOptions, RayRuntime
from ray_runtime.worker import WorkerConfig

FOREIGN = 'raise ImportError("this is a package of another checkout")\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with packages and modules called like ours, and like some that we use."""
    for package in ("engine", "flight_server", "ray_runtime", "local_runtime"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(FOREIGN)
    for module in ("sqlglot", "duckdb", "lance"):
        (tmp_path / f"{module}.py").write_text(FOREIGN)
    return tmp_path


def test_workers_import_what_the_server_imports(checkout: Path) -> None:
    """The option -P is to the interpreter what an installed command does: it does not look in the current folder."""
    (checkout / "data").mkdir()
    pq.write_table(pa.table({"n": range(1000)}), checkout / "data" / "t.parquet")
    options = ["--data", "data", "--port", "0", "--runtime", "ray", "--workers", "1", "--grace", "1s"]
    command = [sys.executable, "-P", "-m", "flight_server.cli", "serve", *options]
    with (
        (checkout / "log").open("wb") as log,
        subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            uri = server.stdout.readline().removeprefix("grism listening on ").strip()
            assert uri, (checkout / "log").read_text()
            with flight.connect(uri) as client:
                command_ = wrap(sql.CommandStatementQuery(query="SELECT sum(n) AS s FROM t"))
                planned = client.get_flight_info(flight.FlightDescriptor.for_command(command_))
                assert client.do_get(planned.endpoints[0].ticket).read_all()["s"].to_pylist() == [499500]
        finally:
            server.terminate()
    assert server.returncode == 0


def test_a_worker_that_cannot_begin_ends_the_start_with_its_reason(ray_session: None, tmp_path: Path) -> None:
    elsewhere = WorkerConfig(InMemoryStorage(), str(tmp_path), host="192.0.2.1")  # an address that no machine has
    options = ExecutorOptions(ClusterOptions(workers=1, start_timeout=3600.0))
    with pytest.raises(WorkerLostError, match=r"did not start: it could not begin: .*Server did not start"):
        RayExecutor(elsewhere, options)


class Ending(InMemoryStorage):
    """Ends the process of a worker as it begins."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (1,)


def test_a_worker_whose_process_ends_as_it_begins_ends_the_start_and_leaves_nothing(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    options = RayOptions(executor=ExecutorOptions(ClusterOptions(workers=1, start_timeout=3600.0)))
    with pytest.raises(WorkerLostError, match="did not start: its process ended as it began"):
        RayRuntime(Ending(), options)
    assert list(tmp_path.iterdir()) == []
