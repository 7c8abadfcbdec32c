"""The runtime that the options name: what reaches its workers, and what is said where Ray is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from flight_server.cli.runtimes import open_runtime
from flight_server.config import load
from ray_runtime.executor import ExecutorOptions
from ray_runtime.worker import WorkerConfig

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None  # as if it were not installed
from flight_server.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class RecordingExecutor:
    """Stands for RayExecutor and starts nothing."""

    slots = 4
    configs: ClassVar[list[WorkerConfig]] = []

    def __init__(self, config: WorkerConfig, options: ExecutorOptions) -> None:
        del options
        self.configs.append(config)

    def close(self) -> None:
        """There is nothing to stop."""


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_the_options_of_the_exchange_reach_the_workers(
    tpch_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    monkeypatch.setattr("ray_runtime.runtime.RayExecutor", RecordingExecutor)
    file = tmp_path / "grism.toml"
    file.write_text(f'[runtime]\nexchange_compression = "{compression or "none"}"\n')
    flags = {"data": str(tpch_dir), "runtime": "ray", "exchange_memory": "1MiB"}
    open_runtime(load(flags, {"GRISM_EXCHANGE_DISK": "2GiB"}, file)).close()
    config = RecordingExecutor.configs.pop()
    assert (config.exchange_memory, config.exchange_disk, config.compression) == (1 << 20, 2 << 30, compression)


def test_without_ray_the_command_says_what_to_install(tpch_dir: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, "serve", "--data", str(tpch_dir), "--port", "0", "--runtime", "ray"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "grism: --runtime ray needs Ray, which is not installed: pip install 'grism[ray]'.\n"


def test_without_ray_the_local_runtime_serves_queries_and_explains_stages(tpch_dir: Path) -> None:
    for command in (["query", "SELECT 42 AS answer"], ["explain", "SELECT count(*) FROM nation", "--runtime", "ray"]):
        run = subprocess.run(
            [sys.executable, "-c", WITHOUT_RAY, *command, "--data", str(tpch_dir)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (run.returncode, run.stderr) == (0, "")
        assert "42" in run.stdout or "Stage 0" in run.stdout
