"""What a signal does to a server that works: it drains, and leaves nothing behind; a second one ends it at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.conftest import RAY_OPTIONS
from tests.harness.incidents import INCIDENTS
from tests.harness.waiting import until

ENDLESS = "SELECT a.* FROM lineitem a, lineitem b"
LONG = "SELECT l.* FROM lineitem l, region"
LONG_ROWS = 60_175 * 5
LARGE = "SELECT l.* FROM lineitem l, range(10) r(i)"  # more than what stands in buffers while nobody reads
GRACE = 3.0
RUNTIMES = {"local": ("--threads", "1"), "ray": RAY_OPTIONS}


@dataclass
class Running:
    """A server process and its URI, a client of it and of its health service, and the folder of its temporary files."""

    process: subprocess.Popen[str]
    uri: str
    client: flight.FlightClient
    health: health_pb2_grpc.HealthStub
    temporary: Path

    def info(self, text: str) -> flight.FlightInfo:
        """What the server answers to a query."""
        command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=text)))
        return self.client.get_flight_info(command)

    def read(self, text: str) -> flight.FlightStreamReader:
        """The first rows of a query have come, and nobody has asked for more."""
        reader = self.client.do_get(self.info(text).endpoints[0].ticket)
        reader.read_chunk()
        return reader

    def read_at_worker(self, text: str) -> tuple[flight.FlightStreamReader, int]:
        """The first rows of a query's first part have come from its worker; with how many are left."""
        command = flight.FlightDescriptor.for_command(text.encode())
        options = flight.FlightCallOptions(headers=[(b"endpoints", b"workers")])
        parts = self.client.get_flight_info(command, options).endpoints
        part = parts[0]
        rows = self.client.do_get(part.ticket).read_all().num_rows
        reader = flight.connect(part.locations[0]).do_get(part.ticket)
        return reader, rows - len(reader.read_chunk().data)

    def check(self, service: str = "") -> str:
        """What the health service says."""
        answer = self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def stop(self) -> None:
        """Send SIGTERM and wait until the server drains."""
        self.process.send_signal(signal.SIGTERM)
        watched = self.health.Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert any(answer.status == health_pb2.HealthCheckResponse.NOT_SERVING for answer in watched)
        watched.cancel()

    def ended(self) -> int:
        """The exit status; nothing of the server is left."""
        status = self.process.wait(30)
        until(lambda: not self._processes(), otherwise="processes of the server are left")
        return status

    def _processes(self) -> list[str]:
        mark = f"TMPDIR={self.temporary}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text())
            except OSError:  # it has ended, or is somebody else's
                continue
        return [command for command in found if command]  # an empty one is a zombie's


@contextmanager
def running(data: Path, folder: Path, *options: str) -> Iterator[Running]:
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "flight_server.cli", "serve", "--data", str(data), "--port", "0"]
    command += ["--health-port", "0", "--log-format", "json", *options]
    environment = {**os.environ, "TMPDIR": str(temporary), "RAY_TMPDIR": tempfile.gettempdir()}
    with (
        (folder / "log").open("wb") as log,
        INCIDENTS.watch(folder / "log"),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            uri = process.stdout.readline().split()[-1]
            until(lambda: '"health"' in (folder / "log").read_text(), otherwise="the log does not name the health port")
            address = next(record["health"] for record in records(folder) if "health" in record)
            with flight.connect(uri) as client, grpc.insecure_channel(address) as channel:
                yield Running(process, uri, client, health_pb2_grpc.HealthStub(channel), temporary)
        finally:
            process.kill()


def records(folder: Path) -> list[dict[str, object]]:
    """The log, each line of which is a JSON object."""
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_runs_goes_on_to_its_end_and_nothing_new_begins(runtime: str, tpch_dir: Path, tmp_path: Path) -> None:
    options = ("--runtime", runtime) if runtime == "local" else ()
    with running(tpch_dir, tmp_path, *options, *RUNTIMES[runtime]) as server:
        assert server.check() == server.check("arrow.flight.protocol.FlightService") == "SERVING"
        with pytest.raises(grpc.RpcError) as unknown:
            server.check("another")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        elsewhere, rest = server.read_at_worker(LARGE) if runtime == "ray" else (None, 0)
        reader = server.read(LONG)
        before = len(reader.schema)
        server.stop()
        assert server.check() == "NOT_SERVING"
        with pytest.raises(flight.FlightUnavailableError, match="draining"):
            server.read("SELECT 1")
        with pytest.raises(flight.FlightUnavailableError, match="draining"):
            list(server.client.list_flights())
        rows = reader.read_all()
        assert (rows.num_columns, rows.num_rows > LONG_ROWS * 0.8) == (before, True)
        if elsewhere is not None:  # whose rows do not pass through the server
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(2)
            assert elsewhere.read_all().num_rows == rest
        assert server.ended() == 0
        assert list(server.temporary.glob("grism-*")) == []
    messages = [record["message"] for record in records(tmp_path)]
    assert messages[messages.index("draining") :] == ["draining", "query", "stopped"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_outlives_the_grace_ends_in_an_error(runtime: str, tpch_dir: Path, tmp_path: Path) -> None:
    with running(tpch_dir, tmp_path, "--grace", f"{GRACE}s", *RUNTIMES[runtime]) as server:
        reader = server.read(LARGE)
        with flight_sql.connect(server.uri, autocommit=True) as connection:
            # Without a cursor, which would go to the server once more to be closed.
            stream = connection.adbc_connection.read_partition(server.info(LARGE).serialize())
            rows = pa.RecordBatchReader._import_from_c(stream.address)
            rows.read_next_batch()
            server.stop()
            time.sleep(GRACE)
            with pytest.raises(flight.FlightUnavailableError, match="shutting down"):
                sum(chunk.data.num_rows for chunk in reader)
            with pytest.raises(OSError, match=r"Unavailable.*shutting down"):
                sum(batch.num_rows for batch in rows)
        assert server.ended() == 0
        assert list(server.temporary.glob("grism-*")) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(number: signal.Signals, tpch_dir: Path, tmp_path: Path) -> None:
    with running(tpch_dir, tmp_path, "--grace", "1h", "--threads", "1") as server:
        reader = server.read(ENDLESS)
        server.stop()
        server.process.send_signal(number)
        assert server.ended() == -number
        del reader
