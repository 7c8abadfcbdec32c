"""Storage and runtime from the configuration."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from engine.logical.nodes import LogicalPlan
from engine.physical import PhysicalPlan
from engine.runtime import Runtime
from engine.storage import DirectoryStorage
from engine.storage.protocol import FragmentSink, Storage, TableName
from flight_server.cli.security import peer_tls
from flight_server.cli.traces import trace_variables
from flight_server.config import ServerConfig
from flight_server.options import ConfigError, DataOptions
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlan, DistributedPlanner

__all__ = ["explain_stages", "kept_signals", "open_runtime", "runtimes_beside"]

_MOST_OBSERVED = 64  # queries that run at once; to get ready for one takes half a millisecond at the start


def open_runtime(config: ServerConfig) -> Runtime:
    """The runtime that `config` names over the folder that it names; close it after use. Raises ConfigError."""
    if config.runtime.runtime == "ray" and find_spec("ray") is None:
        raise ConfigError("--runtime ray needs Ray, which is not installed: pip install 'grism[ray]'.")
    if config.data.data is None:
        raise ConfigError("No folder is named.")
    storage = DirectoryStorage(config.data.data)
    return _open_ray(config, storage) if config.runtime.runtime == "ray" else _open_local(config, storage)


def runtimes_beside(runtime: Runtime, config: ServerConfig) -> list[Runtime]:
    """The runtimes that sessions may choose besides: where there is a cluster, this process. Close them after use."""
    return [] if runtime.name == "local" else [_open_local(config, runtime.storage)]


def _open_local(config: ServerConfig, storage: Storage) -> LocalRuntime:
    resources = config.resources
    return LocalRuntime(
        storage,
        memory_limit=resources.memory_limit,
        process_memory=resources.process_memory,
        threads=resources.threads,
        spill_directory=str(resources.spill_dir) if resources.spill_dir else None,
        observed=min(config.service.max_queries, _MOST_OBSERVED),
    )


def _open_ray(config: ServerConfig, storage: DirectoryStorage) -> Runtime:
    from ray_runtime.cluster import ClusterOptions
    from ray_runtime.executor import ExecutorOptions
    from ray_runtime.runtime import RayOptions, RayRuntime
    from ray_runtime.scheduler import SchedulerOptions

    chosen, resources = config.runtime, config.resources
    cluster = ClusterOptions(address=chosen.ray_address)
    if chosen.workers is not None:
        cluster = replace(cluster, workers=chosen.workers)
    options = RayOptions(
        executor=ExecutorOptions(cluster, SchedulerOptions(retries=chosen.retries)),
        planning=_planning_options(config),
        exchange_memory=chosen.exchange_memory,
        exchange_disk=chosen.exchange_disk,
        exchange_compression="lz4" if chosen.exchange_compression == "lz4" else None,
        tls=peer_tls(chosen),
        traces=trace_variables(config),
    )
    with kept_signals():
        return RayRuntime(
            storage,
            options,
            memory_limit=resources.memory_limit,
            process_memory=resources.process_memory,
            threads=resources.threads,
            spill_directory=str(resources.spill_dir) if resources.spill_dir else None,
        )


@contextmanager
def kept_signals() -> Iterator[None]:
    """Ray takes over the signals of the process in which it starts; how that stops is the command's affair."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _planning_options(config: ServerConfig) -> DistributedOptions:
    chosen = config.runtime
    return DistributedOptions(
        partitions=chosen.partitions,
        broadcast_bytes=chosen.broadcast_threshold,
        split_bytes=chosen.split_size,
        written_bytes=chosen.write_threshold,
    )


def explain_stages(folder: Path, sql: str) -> str:
    """The stages that `sql` would have on a cluster of the default size; starts none. Raises ConfigError."""
    config = ServerConfig(data=DataOptions(folder))
    config.check()
    with _StagePlanner(DirectoryStorage(folder), _planning_options(config)) as runtime:
        return "\n".join(runtime.sql(f"EXPLAIN {sql}").read_all()["plan"].to_pylist())


class _StagePlanner(LocalRuntime):
    """Plans for a cluster, and runs what it has planned without one."""

    name = "ray"

    def __init__(self, storage: Storage, options: DistributedOptions) -> None:
        super().__init__(storage, threads=1)
        self._stages = DistributedPlanner(self.kernel, storage, options)

    def plan(self, query: LogicalPlan, partitions: int | None = None) -> PhysicalPlan:
        """The plan in stages."""
        return self._stages.plan(query, partitions)

    def writes(self, plan: PhysicalPlan) -> bool:
        """Whether tasks would store the rows."""
        return self._stages.writes(plan)

    def write_plan(self, plan: PhysicalPlan, table: TableName, sink: FragmentSink | None = None) -> PhysicalPlan:
        """The plan in stages, of which the last writes."""
        return self._stages.write_plan(plan, table, sink)

    def explain(self, plan: PhysicalPlan) -> str:
        """The stages as text."""
        assert isinstance(plan, DistributedPlan)
        return self._stages.explain(plan)
