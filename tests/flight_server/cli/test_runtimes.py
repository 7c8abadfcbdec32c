"""The runtime that the options name: what reaches its workers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from flight_server.cli.runtimes import open_runtime
from flight_server.config import load
from ray_runtime.executor import ExecutorOptions
from ray_runtime.worker import WorkerConfig


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
