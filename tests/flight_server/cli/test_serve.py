"""`grism serve` as a process: ready line, options from three places, signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyarrow import flight

QUERY = [sys.executable, "-m", "flight_server.cli", "query"]
COMMAND = [sys.executable, "-m", "flight_server.cli", "serve"]


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its first line."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as run:
        try:
            assert run.stdout is not None
            yield run, run.stdout.readline()
        finally:
            run.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_and_clean_stop(tpch_dir: Path, number: signal.Signals) -> None:
    with started("--data", str(tpch_dir), "--port", "0") as (run, line):
        found = re.fullmatch(r"grism listening on (grpc://127\.0\.0\.1:(\d+))\n", line)
        assert found
        assert int(found[2]) > 0
        with flight.connect(found[1]) as client:
            assert client.get_schema(flight.FlightDescriptor.for_path("nation")).schema.names
        run.send_signal(number)
        out, err = run.communicate(timeout=30)
        assert (run.returncode, out) == (0, "")
        assert "INFO grism: draining calls=0 grace=20.0" in err
        assert "INFO grism: stopped" in err


def test_options_from_variables_and_a_file(tpch_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "grism.toml"
    file.write_text(f'[data]\ndata = "{tpch_dir}"\n[listen]\nport = 1\n[log]\nlog_level = "error"\n')
    with started(GRISM_CONFIG=str(file), GRISM_PORT="0") as (run, line):
        assert line.startswith("grism listening on grpc://127.0.0.1:")
        run.terminate()
        assert run.communicate(timeout=30)[1] == ""
        assert run.returncode == 0


def test_a_port_that_is_taken(tpch_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = subprocess.run(
            [*COMMAND, "--data", str(tpch_dir), "--port", port], capture_output=True, text=True, timeout=60
        )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == f"grism: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"
