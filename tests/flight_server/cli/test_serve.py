"""`grism serve` as a process: ready line, options from three places, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
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
    assert (
        run.stderr
        == f"grism: Cannot listen on 127.0.0.1:{port}: Address already in use; take another port by --port.\n"
    )


def test_each_line_of_a_log_in_json_is_an_object(tmp_path: Path) -> None:
    """Also what libraries tell, Lance's own lines among them, and why a server does not start."""
    arguments = ("--data", str(tmp_path), "--port", "0", "--http-port", "0", "--log-format", "json")
    with started(*arguments) as (run, line):
        with flight_sql.connect(line.split()[-1], autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE v AS SELECT [1.0, 1.0, 1.0, 1.0]::FLOAT[4] AS e FROM range(300)")
            cursor.execute("CREATE INDEX i ON v USING IVF_PQ (e) WITH (num_partitions = 16, num_sub_vectors = 2)")
            with pytest.raises(flight_sql.ProgrammingError):
                cursor.execute("SELEC")
        assert run.stderr is not None
        first = json.loads(run.stderr.readline())
        with socket.create_connection(("127.0.0.1", int(first["http"].rsplit(":", 1)[1]))) as junk:
            junk.sendall(b"JUNK\r\n\r\n")
            assert junk.recv(100).startswith(b"HTTP/1.1 400 ")
        run.terminate()
        lines = [first, *map(json.loads, run.stderr.read().splitlines())]
    assert all(list(entry)[:4] == ["time", "level", "logger", "message"] for entry in lines)
    assert {"grism", "grism.query", "grism.audit", "pylance"} <= {entry["logger"] for entry in lines}
    assert lines[-1]["message"] == "stopped"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("--data", str(tmp_path), "--port", port, "--log-format", "json") as (run, line):
            told = json.loads(run.communicate(timeout=30)[1])
    assert (line, run.returncode) == ("", 1)
    assert (told["level"], told["message"]) == (
        "critical",
        f"Cannot listen on 127.0.0.1:{port}: Address already in use; take another port by --port.",
    )
