"""The workers as Ray actors: started, watched, replaced and stopped. All of Ray that is used is used here.

A cluster belongs to one thread, the coordinator's. What happens elsewhere (an answer of an actor, its death) comes back
to that thread through `post`.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from engine.errors import ExecutionError, GrismError, UnsupportedError
from engine.owned_directory import disown
from ray_runtime.actor import actor_arguments, actor_class
from ray_runtime.exchange import OWNED, OutputKey, WorkerId
from ray_runtime.scheduler import Heartbeats
from ray_runtime.task import TaskDone, TaskSpec
from ray_runtime.worker import WorkerConfig, WorkerDescription, WorkerStatus

# Ray writes deaths of workers to the driver's standard output, which is not ours to write to; they are logged here.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed|based on the killing policy")
try:
    import ray
except ImportError:  # an extra of the package
    ray = None

__all__ = ["Cluster", "ClusterOptions", "ClusterUser", "RaySession"]

log = logging.getLogger(__name__)

_CONTROL = "control"  # the actors' threads that no task can occupy
_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 5.0  # for workers to remove their files
_LOCAL_OBJECT_STORE = 80 << 20  # bytes; rows never travel through Ray
# Ray's processes, where we start them, report nothing home, and look for new log files once an hour, not ten times a
# second, which took 4 % of a core: their lines go to no driver here.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",
    "LOG_NAME_UPDATE_INTERVAL_S": "3600",
}
_MAX_BACKOFF = 30.0
_REMEMBERED_LOSSES = 100
_LOCAL_WORKERS = 2
_MEMORY_SHARE = 0.6  # of a machine, for the kernels of its workers; exchange outputs and inputs need the rest


@dataclass(frozen=True)
class _Machine:
    """What there is for all workers of one machine: bytes, and processors."""

    memory: int
    processors: int


@dataclass(frozen=True)
class ClusterOptions:
    """How many workers there are, where, and when one counts as lost.

    `address` is that of a Ray cluster, over whose nodes the workers spread; None starts a local one. `workers` is by
    default one for each node that is alive, and two on a local cluster. Those on one machine share its memory and its
    processors. `slots` is how many tasks a worker runs at once. `worker_cpus` is what Ray sets aside for each worker.
    Times are seconds: `heartbeat_timeout` without an answer makes a worker count as lost; within `start_timeout` all
    have to be ready.
    """

    workers: int | None = None
    slots: int = 2
    address: str | None = None
    worker_cpus: float = 0.0
    heartbeat_interval: float = 1.0
    heartbeat_timeout: float = 15.0
    start_timeout: float = 60.0

    def __post_init__(self) -> None:
        if (self.workers is not None and self.workers < 1) or self.slots < 1:
            raise ValueError(f"A cluster needs a worker and a slot; {self.workers} and {self.slots} were given.")


class ClusterUser:
    """Who is told what happens to the workers. Called in the coordinator's thread."""

    def worker_joined(self, worker: WorkerId, slots: int) -> None:
        """A worker is ready."""
        raise NotImplementedError

    def worker_lost(self, worker: WorkerId, reason: str) -> None:
        """A worker is gone; it will not be heard of again."""
        raise NotImplementedError

    def worker_failed(self, worker: WorkerId, reason: str) -> None:
        """A worker could not begin; another is started in its place."""
        raise NotImplementedError

    def task_ended(self, task: OutputKey, worker: WorkerId, outcome: TaskDone | GrismError) -> None:
        """An attempt came to its end on a worker that lives."""
        raise NotImplementedError


@dataclass
class _Member:
    actor: Any
    description: WorkerDescription | None = None  # None while it starts
    pinged: float = 0.0
    awaits_ping: bool = False


class Cluster:
    """Workers that stay as many as they were: whoever is lost is replaced under the next incarnation."""

    def __init__(
        self,
        options: ClusterOptions,
        config: WorkerConfig,
        user: ClusterUser,
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._options = options
        self._user = user
        self._post = post
        self._members: dict[WorkerId, _Member] = {}
        self._starts: list[tuple[float, WorkerId]] = []  # when to start whom
        self._lost: deque[WorkerId] = deque(maxlen=_REMEMBERED_LOSSES)  # whose files may still be somewhere
        self._failures: dict[str, int] = {}  # starts that failed in a row, by name
        self._heartbeats = Heartbeats(options.heartbeat_timeout)
        self._closed = False
        local = RaySession.begin(options.address)
        machines = [_this_machine()] if local else _machines(ray.nodes())
        self.size = options.workers or (_LOCAL_WORKERS if local else max(1, len(machines)))
        self._config = _divide_machine(config, self.size, machines)
        if local:
            self._config = replace(self._config, host=config.host or "127.0.0.1")
        self._config = replace(self._config, cluster=secrets.token_hex(4))
        self._actor_class = ray.remote(concurrency_groups={_CONTROL: 4})(actor_class())
        self._actor_arguments = actor_arguments(self._config)

    @property
    def host(self) -> str:
        """The address at which workers reach this process."""
        return self._config.host or str(ray.util.get_node_ip_address())

    def workers(self) -> dict[WorkerId, WorkerDescription]:
        """The workers that are ready, and where they are."""
        return {worker: m.description for worker, m in self._members.items() if m.description is not None}

    def start(self) -> None:
        """Start all workers; each reports when it is ready."""
        for number in range(self.size):
            self._start(WorkerId(f"w{number}"))

    def describe(self, worker: WorkerId) -> WorkerDescription | None:
        """Where a worker is; None where it is not ready or is lost."""
        member = self._members.get(worker)
        return member.description if member else None

    def ask_status(self) -> dict[WorkerId, Future[WorkerStatus]]:
        """Ask every worker what it holds."""
        return {
            worker: member.actor.call.options(concurrency_group=_CONTROL).remote("status").future()
            for worker, member in self._members.items()
            if member.description is not None
        }

    def launch(self, worker: WorkerId, spec: TaskSpec) -> None:
        """Run a task. Its end is told, or the loss of its worker."""
        arguments = ("run_task", spec)
        self._call(worker, self._members[worker].actor.call, arguments, partial(self._task_ended, worker, spec.task))

    def cancel(self, worker: WorkerId, task: OutputKey) -> None:
        """Stop an attempt, which ends then."""
        self._control(worker, "cancel_task", task)

    def drop(self, worker: WorkerId, query: str) -> None:
        """Stop all tasks of a query on a worker and remove its outputs there."""
        self._control(worker, "drop_query", query)

    def tick(self) -> None:
        """Look after the workers; to be called a few times in a second."""
        now = time.monotonic()
        due = [worker for when, worker in self._starts if when <= now]
        self._starts = [(when, worker) for when, worker in self._starts if when > now]
        for worker in due:
            self._start(worker)
        for worker, member in self._members.items():
            if (
                member.description
                and not member.awaits_ping
                and now - member.pinged >= self._options.heartbeat_interval
            ):
                member.pinged, member.awaits_ping = now, True
                self._control(worker, "ping", then=partial(self._pong, worker))
        for worker in self._heartbeats.silent(now):
            self._lose(worker, f"it did not answer for {self._options.heartbeat_timeout:g} seconds")

    def close(self) -> None:
        """Stop the workers: each removes its files if it can within a few seconds, then its process ends."""
        self._closed = True
        members, self._members = list(self._members.values()), {}
        begun = [member.actor for member in members if member.description is not None]
        closing = [actor.call.options(concurrency_group=_CONTROL).remote("close") for actor in begun]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_SECONDS)
        for member in members:
            ray.kill(member.actor)
        RaySession.end()
        # What those left that did not, where they were here.
        disown(Path(self._config.directory), f"{OWNED}{self._config.cluster}-")

    # --- starts and losses -------------------------------------------------------------------------------------------

    def _start(self, worker: WorkerId) -> None:
        options = self._options
        actor = self._actor_class.options(
            num_cpus=options.worker_cpus, max_concurrency=options.slots, max_restarts=0, scheduling_strategy="SPREAD"
        ).remote(worker.name, worker.incarnation, *self._actor_arguments)
        self._members[worker] = _Member(actor)
        describe = actor.describe.options(concurrency_group=_CONTROL)
        self._call(worker, describe, (), partial(self._worker_described, worker))

    def _worker_described(self, worker: WorkerId, answer: WorkerDescription | str) -> None:
        member = self._members.get(worker)
        if member is None:
            return
        if isinstance(answer, str):
            self._lose(worker, f"it could not begin: {answer}")
            return
        member.description = answer
        self._failures.pop(worker.name, None)
        self._heartbeats.watch(worker, time.monotonic())
        self._control(worker, "disown", tuple(self._lost))
        self._user.worker_joined(worker, self._options.slots)

    def _lose(self, worker: WorkerId, reason: str) -> None:
        """A worker died, or is given up: it is killed, so that it cannot come back, and replaced."""
        member = self._members.pop(worker, None)
        if member is None or self._closed:
            return
        log.warning("the %s was lost: %s", worker, reason)
        self._heartbeats.forget(worker)
        ray.kill(member.actor)
        self._lost.append(worker)
        for other in self.workers():  # one of them may be on its machine
            self._control(other, "disown", (worker,))
        failures = self._failures[worker.name] = self._failures.get(worker.name, 0) + 1
        wait = 0.0 if member.description else min(_MAX_BACKOFF, 0.5 * 2.0**failures)
        self._starts.append((time.monotonic() + wait, WorkerId(worker.name, worker.incarnation + 1)))
        if member.description is not None:
            self._user.worker_lost(worker, reason)
        else:
            self._user.worker_failed(worker, reason)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _control(
        self, worker: WorkerId, method: str, *arguments: Any, then: Callable[[Any], None] | None = None
    ) -> None:
        """Call a method that answers at once, whatever the worker's tasks do."""
        member = self._members.get(worker)
        if member is not None:
            call = member.actor.call.options(concurrency_group=_CONTROL)
            self._call(worker, call, (method, *arguments), then or (lambda _: None))

    def _call(self, worker: WorkerId, method: Any, arguments: tuple[Any, ...], then: Callable[[Any], None]) -> None:
        """Call an actor; its answer goes to `then` in the coordinator's thread. An actor that does not answer is lost.

        The reference of the answer lives only as long as the answer is waited for.
        """

        def post_answer(future: Future[Any]) -> None:
            self._post(partial(self._call_answered, worker, then, future))

        method.remote(*arguments).future().add_done_callback(post_answer)

    def _call_answered(self, worker: WorkerId, then: Callable[[Any], None], future: Future[Any]) -> None:
        if self._closed or worker not in self._members:
            return
        error = future.exception()
        if error is None:
            then(future.result())
        elif self._members[worker].description is None:
            log.error("the %s did not start", worker, exc_info=error)
            self._lose(worker, "its process ended as it began; look at the Ray cluster's logs")
        elif isinstance(error, ray.exceptions.RayActorError):
            self._lose(worker, "its process ended")
        else:
            log.error("a call to the %s failed", worker, exc_info=error)
            then(ExecutionError("A task could not be handed to its worker; the coordinator's log has the cause."))

    def _task_ended(self, worker: WorkerId, task: OutputKey, outcome: TaskDone | GrismError) -> None:
        self._heartbeats.beat(worker, time.monotonic())
        self._user.task_ended(task, worker, outcome)

    def _pong(self, worker: WorkerId, is_well: bool) -> None:
        self._members[worker].awaits_ping = False
        self._heartbeats.beat(worker, time.monotonic())
        if not is_well:
            self._lose(worker, "its kernel failed")


def _this_machine() -> _Machine:
    return _Machine(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), os.cpu_count() or 1)


def _machines(nodes: Iterable[Mapping[str, Any]]) -> list[_Machine]:
    """The nodes of a cluster, as Ray lists them, that are alive; Ray splits their memory in two."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    return [
        _Machine(int(has.get("memory", 0) + has.get("object_store_memory", 0)), int(has.get("CPU", 1))) for has in alive
    ]


def _divide_machine(config: WorkerConfig, workers: int, machines: Sequence[_Machine]) -> WorkerConfig:
    """The configuration for workers that are spread over machines: what it leaves open is divided among those of one.

    All workers have the same configuration, so the smallest machine decides.
    """
    if not machines:
        return config
    together = math.ceil(workers / len(machines))
    memory = int(min(machine.memory for machine in machines) * _MEMORY_SHARE) // together
    processors = min(machine.processors for machine in machines) // together
    return replace(
        config, memory_limit=config.memory_limit or memory or None, threads=config.threads or max(1, processors)
    )


class RaySession:
    """This process's connection to Ray, shared by its clusters; the last one closes it where we opened it."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _users: ClassVar[int] = 0
    _ours: ClassVar[bool] = False
    _local: ClassVar[bool] = False

    @classmethod
    def begin(cls, address: str | None) -> bool:
        """Connect; returns whether the cluster is a local one that we started."""
        if ray is None:
            raise UnsupportedError("The ray runtime needs Ray, which is not installed: `pip install 'grism[ray]'`.")
        with cls._lock:
            if not ray.is_initialized():
                cls._connect(address)
            cls._users += 1
            return cls._local

    @classmethod
    def end(cls) -> None:
        """Disconnect; a local cluster that we started ends with its last user."""
        with cls._lock:
            cls._users -= 1
            if cls._users == 0 and cls._ours:
                cls._ours = cls._local = False
                ray.shutdown()

    @classmethod
    def _connect(cls, address: str | None) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            cls._init(address)
        except Exception as error:  # of many classes, the base of all among them
            what = "could not be started here" if address is None else f"at {address!r} cannot be used"
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ExecutionError(f"The Ray cluster {what}: {why}") from error
        cls._ours, cls._local = True, address is None

    @staticmethod
    def _init(address: str | None) -> None:
        if address is not None:
            _require_listener(address)
            ray.init(address=address, log_to_driver=False)
        else:
            with warnings.catch_warnings():
                # Ray's processes are forked and replaced at once; no code of lance runs in between.
                warnings.filterwarnings("ignore", message="lance is not fork-safe")
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=_LOCAL_OBJECT_STORE,
                )


def _require_listener(address: str) -> None:
    """Raise OSError where nobody listens at an address with a port: Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
