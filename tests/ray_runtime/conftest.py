"""One local Ray for all tests of this folder, and runtimes on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.storage import InMemoryStorage
from engine.storage.protocol import Storage
from ray_runtime.cluster import ClusterOptions, RaySession
from ray_runtime.executor import ExecutorOptions
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.runtime import RayOptions, RayRuntime
from ray_runtime.scheduler import SchedulerOptions
from tests.harness.sharing import stays_with

ROWS = 40_000
TABLE = pa.table(
    {"k": [n % 11 for n in range(ROWS)], "v": list(range(ROWS)), "s": [f"row {n % 101}" for n in range(ROWS)]}
)


def start(
    directory: Path,
    *,
    memory: int = 64 << 20,
    retries: int = 3,
    grace: float = 30.0,
    ahead: int = 64 << 20,
    storage: Storage | None = None,
    written_bytes: int = 1 << 40,
    **cluster: Any,
) -> RayRuntime:
    """A runtime whose plans are cut small, over the table `t` in memory, or a `storage`."""
    options = RayOptions(
        ExecutorOptions(
            ClusterOptions(**{"heartbeat_interval": 0.2, **cluster}),
            SchedulerOptions(retries=retries, grace=grace, task_bytes=0),
            ahead,
        ),
        DistributedOptions(
            partitions=4,
            split_rows=ROWS // 16,
            broadcast_bytes=0,
            sort_gather_bytes=0,
            reduced_bytes=0,
            written_bytes=written_bytes,
        ),
        exchange_memory=memory,
    )
    storage = storage or InMemoryStorage({"t": TABLE})
    return RayRuntime(storage, options, threads=1, memory_limit=512 << 20, spill_directory=str(directory))


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Ray itself takes longest to start; it stays for the whole run."""
    stays_with("workers on ray")
    RaySession.begin(None)
    yield
    RaySession.end()


@pytest.fixture(scope="session")
def shared_runtime(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayRuntime]:
    """Two workers for tests that break nothing."""
    with start(tmp_path_factory.mktemp("ray")) as runtime:
        yield runtime


@pytest.fixture
def start_runtime(ray_session: None, tmp_path: Path) -> Iterator[Callable[..., RayRuntime]]:
    """Starts runtimes of the test's own, which end with it."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(start(tmp_path, **options))
