"""The server process, from its configuration to its end."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from engine.kernel import KernelState
from engine.memory_return import MemoryReturn, memory_returner
from engine.runtime import Runtime
from flight_server.auth import IDENTITY_KEY, Authenticator, HandshakeHandler, IdentityFactory
from flight_server.auth.certificates import Certificates
from flight_server.auth.login_counts import CountedLogins
from flight_server.cli import security
from flight_server.cli.failures import CommandError
from flight_server.cli.http import open_http
from flight_server.cli.runtimes import open_runtime, runtimes_beside
from flight_server.cli.traces import open_traces, trace_variables
from flight_server.config import ServerConfig
from flight_server.endpoint import Endpoint, ServerTls
from flight_server.monitoring.query_log import open_query_log
from flight_server.monitoring.tables import offer_settings
from flight_server.monitoring.watchdog import WORKERS_TOLD, Watchdog, answers
from flight_server.readiness import Readiness
from flight_server.service import FlightSqlService

if TYPE_CHECKING:
    from flight_server.health import HealthServer
    from flight_server.web.server import HttpServer

__all__ = ["serve"]

_log = logging.getLogger("grism")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_KERNEL_FAILED = 3  # the exit status
_LOST = "the kernel was lost"
_NO_WORKER = "no worker is left"
_TRACES_SECONDS = 2.0
"""For the last spans to leave, where their collector is slow."""
_CLOSING_ACTIONS = frozenset({"ClosePreparedStatement", "CloseSession", "CancelFlightInfo", "CancelQuery"})
"""By which clients end what they have begun: answered to the last."""
_READERS_TOLD = 1.0
"""Seconds within which workers tell whether clients fetch rows from them."""
_READERS_ASKED = 0.25
"""Seconds from one such question to the next."""
_READERS_REST = 4
"""After so many answers in a row that nobody does, another ends the wait."""
_SWITCH_INTERVAL = 0.0005
"""Seconds for which a thread that plans keeps the interpreter from others; a stream needs it for each batch."""

_COLLECTS_AT = (5_000, 5, 5)
"""When the collector looks for garbage in the youngest objects, the older and all. Many queries at once have thousands
of objects that live as long as they, which Python's own 700 would look through again and again."""


def serve(config: ServerConfig) -> NoReturn:
    """Serve until SIGTERM or SIGINT, drain, and end the process with status 0; a second signal ends it at once.

    It ends by itself, with status 3, where the kernel was lost and cannot be replaced.
    """
    signals = _StopSignals()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with ExitStack() as closing:
        operations = config.operations
        ports = {
            "--port": config.listen.port,
            "--health-port": operations.health_port,
            "--http-port": operations.http_port,
        }
        for flag, port in ports.items():
            if port is not None:
                _check_address(config.listen.host, port, flag)
        rights = security.rights(config.auth)
        trace_variables(config)
        authenticator, tls = security.authenticator(config.auth), security.tls(config.auth)
        logins = CountedLogins(authenticator)
        runtime = open_runtime(config)
        closing.callback(runtime.close)
        others = runtimes_beside(runtime, config)
        for other in others:
            closing.callback(other.close)
        health = _health(config)  # after the runtime: Ray forks, which gRPC's threads would not stand
        if health is not None:
            closing.callback(health.close)
        traces = open_traces(config)
        readiness = Readiness(health)
        service = FlightSqlService(runtime, config.service, version("grism"), rights=rights, others=others)
        closing.callback(service.close)
        offer_settings(service.system, config)
        query_log = open_query_log(config.log, service.database)
        if query_log is not None:
            closing.callback(query_log.close)
            service.registry.observe(query_log.ended)
        http = open_http(config, service, logins, readiness, (runtime, *others), rights, query_log, traces)
        if http is not None:
            closing.callback(http.close)
        certified = isinstance(authenticator, Certificates)
        endpoint = _endpoint(config, service, logins, tls, certified)
        for each in (runtime, *others):
            _watch_kernel(each, readiness, signals, closing)
        if runtime.counts() is not None:
            missed = partial(readiness.unwell, _NO_WORKER), partial(readiness.well, _NO_WORKER)
            closing.callback(Watchdog(runtime.wait_for_worker, *missed, told=WORKERS_TOLD).close)
        returns = MemoryReturn(memory_returner())
        closing.callback(returns.close)
        returns.start()
        _spare_collector()
        readiness.start()
        print(f"grism listening on {endpoint.location}", flush=True)
        _log.info("serving", extra={"fields": _describe(config, endpoint, health, http)})
        signals.wait()
        endpoint.drain()  # before anybody is told that it does
        readiness.drain()
        service.stop_upkeep()
        _drain(endpoint, (runtime, *others), config.operations.grace)
    if traces is not None:  # now all has ended that could be told
        traces.close(_TRACES_SECONDS)
    _end(signals.status)


def _end(status: int) -> NoReturn:
    """End the process, in which all is closed: the interpreter would wait for threads that are stuck with clients that
    do not read.
    """
    _log.info("stopped")
    logging.shutdown()
    os._exit(status)


def _spare_collector() -> None:
    """Leave what is there by now, and stays, out of each search for garbage: to look through it takes 0.1 s.

    So would a search before, which would find some hundred objects.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECTS_AT)


def _watch_kernel(runtime: Runtime, readiness: Readiness, signals: _StopSignals, closing: ExitStack) -> None:
    """Let the server be unwell while a runtime's kernel is lost or hangs."""
    runtime.kernel.watch(partial(_heed, readiness, signals))
    hangs = f"the {runtime.name} kernel hangs"
    watchdog = Watchdog(
        partial(answers, runtime.kernel), partial(readiness.unwell, hangs), partial(readiness.well, hangs)
    )
    closing.callback(watchdog.close)


def _heed(readiness: Readiness, signals: _StopSignals, state: KernelState) -> None:
    """A server without its kernel is not well until there is another, and ends where none can be had."""
    if state is KernelState.FAILED:
        signals.stop(_KERNEL_FAILED)
    elif state is KernelState.LOST:
        readiness.unwell(_LOST)
    else:
        readiness.well(_LOST)


def _describe(
    config: ServerConfig, endpoint: Endpoint, health: HealthServer | None, http: HttpServer | None
) -> dict[str, object]:
    """What the first line of the log says of the server."""
    told: dict[str, object] = {
        "data": str(config.data.data),
        "at": endpoint.location,
        "runtime": config.runtime.runtime,
    }
    ports = {"health": health, "http": http}
    return told | {name: port.address for name, port in ports.items() if port is not None}


def _drain(endpoint: Endpoint, runtimes: Sequence[Runtime], grace: float) -> None:
    """Begin nothing new, let what runs finish within `grace` seconds, cancel the rest."""
    ends = time.monotonic() + grace
    _log.info("draining", extra={"fields": {"calls": endpoint.running_calls, "grace": grace}})
    for runtime in runtimes:
        _await_readers(runtime, ends)
    endpoint.shutdown(max(0.0, ends - time.monotonic()))


def _await_readers(runtime: Runtime, ends: float) -> None:
    """Wait until clients have what they fetch from workers, or it is `ends`. After a part they may fetch another."""
    rests = _READERS_REST  # where nobody fetches at first, nobody is waited for
    while (left := ends - time.monotonic()) > 0:
        rests = 0 if runtime.is_read(min(_READERS_TOLD, left)) else rests + 1
        if rests > _READERS_REST:
            return
        time.sleep(min(_READERS_ASKED, left))


def _health(config: ServerConfig) -> HealthServer | None:
    port = config.operations.health_port
    if port is None:
        return None
    from flight_server.health import HealthServer  # with gRPC, which is 50 ms of a start

    return HealthServer(config.listen.host, port)


def _endpoint(
    config: ServerConfig, service: FlightSqlService, logins: Authenticator, tls: ServerTls | None, certified: bool
) -> Endpoint:
    # With an auth handler gRPC does not tell the certificate's name.
    handshake = None if certified else HandshakeHandler(logins)
    return Endpoint(
        service,
        config.listen.host,
        config.listen.port,
        tls=tls,
        auth_handler=handshake,
        middleware={IDENTITY_KEY: IdentityFactory(logins)},
        closing_actions=_CLOSING_ACTIONS,
        traced=True,
        stall_timeout=config.service.stall_timeout,
    )


def _check_address(host: str, port: int, flag: str) -> None:
    """Raise CommandError, with the system's reason, where nobody can listen there; gRPC does not tell why.

    `flag` names the port.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        advice = f"; take another port by {flag}" if error.errno in (errno.EADDRINUSE, errno.EACCES) else ""
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}{advice}.") from error


class _StopSignals:
    """SIGTERM and SIGINT. Any thread of a library may be the one that is interrupted, so an event that a handler sets
    would not wake the main thread; a byte in a socket does, whichever thread it was.
    """

    def __init__(self) -> None:
        self.status = 0
        self._lock = threading.Lock()
        self._waiting = True
        self._incoming, self._outgoing = socket.socketpair()
        self._outgoing.setblocking(False)
        signal.set_wakeup_fd(self._outgoing.fileno())
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Wait for the first signal, or for `stop`. From then on a signal ends the process at once."""
        self._incoming.recv(1)
        with self._lock:
            self._waiting = False
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._incoming.close()
        self._outgoing.close()

    def stop(self, status: int) -> None:
        """Stop as a signal does, from any thread; the process ends with `status`."""
        with self._lock:
            self.status = status
            if self._waiting:
                self._outgoing.send(b"\0")
