import socket
from pathlib import Path

import pytest
import ray

from engine.errors import ExecutionError
from engine.storage import InMemoryStorage
from ray_runtime.cluster import RaySession, _divide_machine, _Machine, _machines
from ray_runtime.runtime import RayRuntime
from ray_runtime.worker import WorkerConfig
from tests.harness.waiting import until

CONFIG = WorkerConfig(InMemoryStorage(), "somewhere")


def node(alive, memory=0, object_store=0, **resources):
    return {"Alive": alive, "Resources": {"memory": memory, "object_store_memory": object_store, **resources}}


def test_only_nodes_that_are_alive_count():
    nodes = [node(True, 70, 30, CPU=4.0), {"Alive": False, "Resources": {}}, node(True, 140, 60)]
    assert _machines(nodes) == [_Machine(100, 4), _Machine(200, 1)]


@pytest.mark.parametrize(("workers", "memory", "threads"), [(1, 600, 8), (2, 600, 8), (3, 300, 4), (5, 200, 2)])
def test_workers_share_the_smallest_machine_with_those_beside_them(workers, memory, threads):
    shared = _divide_machine(CONFIG, workers, [_Machine(1000, 8), _Machine(4000, 16)])
    assert (shared.memory_limit, shared.threads) == (memory, threads)


def test_what_is_configured_or_not_known_stays():
    configured = WorkerConfig(InMemoryStorage(), "somewhere", memory_limit=7, threads=3)
    shared = _divide_machine(configured, 2, [_Machine(1000, 8)])
    assert (shared.memory_limit, shared.threads) == (7, 3)
    assert _divide_machine(CONFIG, 2, [_Machine(0, 1)]).memory_limit is None
    assert _divide_machine(CONFIG, 2, []) is CONFIG


@pytest.mark.parametrize("form", ["nowhere", "127.0.0.1:{}", "ray://localhost:{}"])
def test_a_cluster_that_cannot_be_used_is_named(form):
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = form.format(bound.getsockname()[1])
        with pytest.raises(ExecutionError, match=rf"^The Ray cluster at '{address}' cannot be used: .+"):
            RaySession._connect(address)


def test_nothing_looks_for_logs_that_nobody_reads(shared_runtime: RayRuntime):
    logs = Path(ray._private.worker.global_worker.node.get_logs_dir_path())
    monitor = logs / "log_monitor.log"
    until(lambda: monitor.is_file() and "Starting log monitor" in monitor.read_text())
    assert len(list(logs.glob("worker-*.out"))) >= 2
    assert "Beginning to track" not in monitor.read_text()
