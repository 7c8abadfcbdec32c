"""An HTTP server in a thread of this process: uvicorn, which is small and well kept, with one event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

__all__ = ["HttpServer", "HttpTls"]

_MAX_CONNECTIONS = 100
_IDLE_SECONDS = 30
_CLOSE_SECONDS = 2


@dataclass(frozen=True)
class HttpTls:
    """Files in PEM: the server's certificate and its key."""

    certificate: Path
    key: Path


class HttpServer:
    """Serves `app` on `host`:`port` (0 takes a free one). Raises OSError where the port cannot be opened.

    Close it, or use it in a ``with`` block.
    """

    def __init__(self, app: Starlette, host: str, port: int, tls: HttpTls | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_MAX_CONNECTIONS)
        self.port: int = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{'http' if tls is None else 'https'}://{shown}:{self.port}"
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="grism-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and what is connected to it. A second call changes nothing."""
        self._server.should_exit = True
        self._thread.join(2 * _CLOSE_SECONDS)
        self._socket.close()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))
