"""A server whose kernel is lost: seen by clients, by who asks for its health, and by its supervisor."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.harness.waiting import until

STATES = health_pb2.HealthCheckResponse


@contextmanager
def server(data: Path, spill: Path) -> Iterator[tuple[subprocess.Popen[str], flight.FlightClient, str]]:
    command = [sys.executable, "-m", "tests.flight_server.cli.losing", "serve", "--data", str(data), "--port", "0"]
    command += ["--health-port", "0", "--threads", "1", "--spill-dir", str(spill)]
    log = spill.parent / "log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            uri = process.stdout.readline().split()[-1]
            found = until(
                lambda: re.search(r"health=(\S+)", log.read_text()), otherwise="the log does not name the health port"
            )
            assert found is not None
            with flight.connect(uri) as client:
                yield process, client, found[1]
        finally:
            process.kill()


def lose(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def rows(client: flight.FlightClient, text: str) -> int:
    command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=text)))
    (endpoint,) = client.get_flight_info(command).endpoints
    return int(client.do_get(endpoint.ticket).read_all().num_rows)


def meet_the_loss(client: flight.FlightClient) -> str:
    """The error of the statement that finds the kernel gone; statements run until then."""
    for i in range(1_000):
        try:
            rows(client, f"SELECT {i}")
        except flight.FlightUnavailableError as error:
            return str(error)
    raise AssertionError("no statement met the loss")


def test_another_kernel_takes_the_place_and_health_tells(tpch_dir: Path, tmp_path: Path) -> None:
    with server(tpch_dir, tmp_path / "spill") as (process, client, address), grpc.insecure_channel(address) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watched).status == STATES.SERVING
        assert rows(client, "SELECT * FROM region") == 5
        lose(process)
        assert "The kernel was lost to another statement" in meet_the_loss(client)
        assert [next(watched).status for _ in range(2)] == [STATES.NOT_SERVING, STATES.SERVING]
        assert rows(client, "SELECT * FROM region") == 5
        process.terminate()
        assert next(watched).status == STATES.NOT_SERVING
        watched.cancel()
        assert process.wait(30) == 0
    assert list((tmp_path / "spill").iterdir()) == []


def test_without_another_the_process_ends_with_its_status(tpch_dir: Path, tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    with server(tpch_dir, spill) as (process, client, address), grpc.insecure_channel(address) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watched).status == STATES.SERVING
        shutil.rmtree(spill)
        spill.write_text("no folder any more")
        lose(process)
        meet_the_loss(client)
        assert next(watched).status == STATES.NOT_SERVING
        with suppress(grpc.RpcError):  # which ends the watch where the server's end does not
            assert {answer.status for answer in watched} <= {STATES.NOT_SERVING}
        assert process.wait(30) == 3
