"""An HTTP server in a thread of this process: uvicorn, which is small and well kept, with one event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["CERTIFICATE_NAME", "HttpServer", "HttpTls"]

CERTIFICATE_NAME = "certificate_name"
"""In a request's state: whom the certificate of its client names, where it has shown one."""

_MAX_CONNECTIONS = 100
_PATIENCE = 30
_CLOSE_SECONDS = 2
_TICK = 1.0  # seconds


@dataclass(frozen=True)
class HttpTls:
    """Files in PEM: the server's certificate, its key, and the authority whose certificates clients may show."""

    certificate: Path
    key: Path
    authority: Path | None = None


class HttpServer:
    """Serves `app` on `host`:`port` (0 takes a free one). Raises OSError where the port cannot be opened.

    A client that has sent no whole request for `patience` seconds, come to no end with TLS's handshake, or read nothing
    of an answer, loses its connection; where all there may be are taken, or nine tenths of them by one address, some of
    the address that has most go for the next: those that have kept the server waiting longest. Where none waits, who
    comes is told to come later. Close it, or use it in a ``with`` block.
    """

    def __init__(
        self, app: Starlette, host: str, port: int, tls: HttpTls | None = None, patience: int = _PATIENCE
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_MAX_CONNECTIONS)
        self.port: int = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{'http' if tls is None else 'https'}://{shown}:{self.port}"
        config = uvicorn.Config(
            app,
            http=_Protocol,
            log_config=None,
            log_level="error",  # its warnings are of what anybody sends, or advice on what to install
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=patience,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
            ssl_ca_certs=None if tls is None or tls.authority is None else str(tls.authority),
            ssl_cert_reqs=ssl.CERT_NONE if tls is None or tls.authority is None else ssl.CERT_OPTIONAL,
        )
        config.load()
        if config.ssl is not None:
            config.http_protocol_class = partial(_Handshake, config.ssl, patience)  # type: ignore[assignment]
            config.ssl = None
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="grism-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and what is connected to it. A second call changes nothing.

        An answer that is on its way has two seconds to come to its end.
        """
        self._server.end()
        self._thread.join(2 * _CLOSE_SECONDS)
        self._socket.close()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


class _Server(uvicorn.Server):
    """uvicorn's, which looks at the clock, for the time in its answers, once a second and not ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends = asyncio.Event()

    def end(self) -> None:
        """End it at once, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended, and its loop is closed
                self._loop.call_soon_threadsafe(self._ends.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ends.wait(), _TICK)


class _Handshake(asyncio.Protocol):
    """A connection until its client is through TLS's handshake, by which it becomes one of HTTP.

    asyncio's own listening neither counts these nor lets uvicorn say how long they may take.
    """

    def __init__(self, tls: ssl.SSLContext, patience: float, **given: Any) -> None:
        self._tls, self._patience = tls, patience
        self._http = _Protocol(**given)
        self._early = b""  # of a request that comes with the end of the handshake
        self.ends_at = self._http.loop.time() + patience

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.host = _host(transport)
        transport.pause_reading()  # until TLS reads
        self._http.connections.add(self)  # type: ignore[arg-type]
        _make_room(self)
        self._task = self._http.loop.create_task(self._shake_hands())

    def data_received(self, data: bytes) -> None:
        self._early += data

    def shutdown(self) -> None:
        """End it, as uvicorn asks all its connections."""
        self.abort()

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()

    async def _shake_hands(self) -> None:
        try:
            secured = await self._http.loop.start_tls(
                self.transport, self, self._tls, server_side=True, ssl_handshake_timeout=self._patience
            )
        except OSError:  # the client has left, is no TLS, or took too long: asyncio has closed the connection
            return
        finally:
            self._http.connections.discard(self)
        if secured is None:  # the client has left, too
            return
        secured.set_protocol(self._http)
        self._http.beneath = self.transport
        self._http.connection_made(secured)
        if self._early:
            self._http.data_received(self._early)


class _Protocol(H11Protocol):
    """HTTP that tells requests which certificate their client has shown, and waits for clients only so long.

    uvicorn limits the time between an answer and the next request, not that in which a request arrives or an answer is
    taken: connections that send none, or send it slowly, or read nothing, would take all there are. They make room for
    others, so that who asks for health is answered in spite of them.
    """

    beneath: asyncio.Transport | None = None
    """What TLS writes to, where there is TLS."""
    _limit: asyncio.TimerHandle | None = None
    _read_limit: asyncio.TimerHandle | None = None
    _ends = False
    """Whether it ends once nothing is on its way to its client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.host = _host(transport)
        transport.set_write_buffer_limits(high=1)  # whatever is not taken pauses writing; with 0, TLS never resumes
        shown = transport.get_extra_info("peercert")
        if shown:
            self.app_state = {**self.app_state, CERTIFICATE_NAME: _name(shown)}
        self._limit_wait()
        if not _make_room(self):
            self._ends, self.limit_concurrency = True, 0  # by which uvicorn answers that all are taken

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP. A request whose body turns out so has perhaps been answered, and is not twice."""
        answered = self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever makes the answer learns that there is nobody to take it
            self.cycle.message_event.set()
        if answered:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """End it, as uvicorn asks all its connections at the last: at once where no answer is on its way."""
        self._ends = True
        if self.cycle is None or self.cycle.response_complete:
            self._end()
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._ends:
            self._end()

    def abort(self) -> None:
        """End it at once."""
        (self.beneath or self.transport).abort()

    def _end(self) -> None:
        """Close it, without waiting for its client to close TLS, too, unless something is on its way there."""
        if not self.transport.is_closing():  # for what TLS is told twice it forgets
            self.transport.close()
        if not self._unread:
            self.abort()

    @property
    def _unread(self) -> int:
        """Bytes that the system has not taken, since the client does not read what came before."""
        beneath = 0 if self.beneath is None else self.beneath.get_write_buffer_size()
        return self.transport.get_write_buffer_size() + beneath

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for limit in (self._limit, self._read_limit):
            if limit is not None:
                limit.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._limit_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_limit is not None:
            self._read_limit.cancel()

    @property
    def ends_at(self) -> float | None:
        """When it ends unless its client does something, on the loop's clock; None while the client waits."""
        closes = self.transport.is_closing()
        if closes and not self._unread:
            return 0.0  # all that is missing is the client's word that it closes TLS, too
        timers = (self._limit, self._read_limit, self.timeout_keep_alive_task)
        known = [timer.when() for timer in timers if timer is not None and not timer.cancelled()]
        return min(known, default=self.loop.time() + self.timeout_keep_alive if closes else None)

    @property
    def _waits(self) -> bool:
        """Whether it is the client's turn: to begin a request, or to bring the rest of one."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _limit_wait(self) -> None:
        if self._waits and self._limit is None:
            self._limit = self.loop.call_later(self.timeout_keep_alive, self._give_up)
        elif not self._waits and self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        self._limit = None
        if self._waits:
            self._end()

    def _limit_read(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._read_limit = self.loop.call_later(self.timeout_keep_alive, self._look_after_reader, left)

    def _look_after_reader(self, left: int) -> None:
        if self.transport.get_write_buffer_size() < left:
            self._limit_read()
        else:
            self.abort()  # to close it would wait for the reader


def _make_room(connection: _Protocol | _Handshake) -> bool:
    """Whether there is room for one more, where need be by the end of a tenth of those that there may be.

    They are such as wait for their clients, of addresses that have as many at least, and of those with most the ones
    that have waited longest: nobody takes what others have, or all there are.
    """
    connections: set[Any] = (connection._http if isinstance(connection, _Handshake) else connection).connections
    most_of_one = _MAX_CONNECTIONS - _MAX_CONNECTIONS // 10
    if len(connections) <= most_of_one:
        return True
    held = Counter(other.host for other in connections)
    own = held[connection.host]
    if own <= most_of_one and len(connections) <= _MAX_CONNECTIONS:
        return True
    waiting = {
        other: (-held[other.host], ends)
        for other in connections - {connection}
        if held[other.host] >= own and (ends := other.ends_at) is not None
    }
    if not waiting:
        return False
    # Several at once, so that not each of those who come one upon the other has to look at all that wait.
    for longest in nsmallest(max(1, _MAX_CONNECTIONS // 10), waiting, key=waiting.__getitem__):
        connections.discard(longest)  # which its end does, too, but later than the next may come
        longest.abort()
    return True


def _host(transport: asyncio.Transport) -> str:
    """The address of a client, without its port; empty where it has left meanwhile."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _name(certificate: Mapping[str, Any]) -> str:
    """Whom a certificate names, as gRPC has it: its first alternative name, and its common name where it has none."""
    for _, name in certificate.get("subjectAltName", ()):
        return str(name)
    named = dict(pair for pairs in certificate.get("subject", ()) for pair in pairs)
    return str(named.get("commonName", ""))
