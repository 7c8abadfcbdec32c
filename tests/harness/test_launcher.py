"""What is launched is what the command would be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.launcher import LAUNCHER, Launcher

VARIABLES = {"GRISM_URI": "grpc://127.0.0.1:x"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["query"],
        ["query", "SELECT 40 + 2 AS n", "--data", "."],
        ["query", "SELECT 1"],
        ["serve", "--no"],
    ],
)
def test_output_and_status_are_those_of_the_command(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    command = [sys.executable, "-m", "flight_server.cli", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **VARIABLES})
    with (tmp_path / "errors").open("wb") as errors:
        launched = LAUNCHER.launch(arguments, errors.fileno(), variables=VARIABLES)
    with launched:
        assert launched.stdout is not None
        assert (launched.stdout.read(), launched.wait(60)) == (run.stdout, run.returncode)
    assert (tmp_path / "errors").read_text() == run.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR2])
def test_a_signal_that_ends_it_is_told(number: signal.Signals, tmp_path: Path) -> None:
    with (tmp_path / "errors").open("wb") as errors:
        launched = LAUNCHER.launch(["serve", "--data", str(tmp_path), "--port", "0"], errors.fileno())
    with launched:
        assert launched.stdout is not None
        assert launched.stdout.readline().startswith("grism listening on ")
        assert launched.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            launched.wait(0.01)
        launched.send_signal(number)
        assert launched.wait(60) == -number == launched.poll()


def test_whoever_is_gone_before_the_end_is_told_stops_nobody_else(tmp_path: Path) -> None:
    launcher = Launcher()
    with (tmp_path / "errors").open("wb") as errors:
        left = launcher.launch(["--version"], errors.fileno())
        assert left.stdout is not None
        left._status.close()
        with left.stdout, launcher.launch(["--version"], errors.fileno()) as other:
            assert other.stdout is not None
            assert other.stdout.read() == left.stdout.read() != ""
            assert other.wait(60) == 0
    launcher.close()
