"""A server process like `grism serve` that counts the Python functions which its calls run, module by module.

Counts do not depend on what else the machine does, as times do. What is counted is what the threads of gRPC run, which
is all that lies between a request and its answer; threads of Python's own, as those that watch, are left out. To go on
with a generator is to call it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from multiprocessing.connection import Client, Listener
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import engine.streams
from flight_server.auth import HandshakeHandler
from flight_server.cli.main import main
from flight_server.endpoint import server
from tests.harness.server import serve

__all__ = ["Calls", "serve_counted"]

_SOCKET = "COUNTED_CALLS"

Calls = Mapping[tuple[str, str], int]
"""How often functions were called, by module and qualified name."""


@contextmanager
def serve_counted(data: Path, folder: Path, *options: str) -> Iterator[tuple[str, Callable[[], Calls]]]:
    """Serve `data` as `serve` does; gives the URI, and what tells which calls there were since it was last asked.

    `folder` is for the log, and for a socket, whose path has to be short.
    """
    socket = str(folder / "calls")

    def calls() -> Calls:
        with Client(socket) as connection:
            counted: Calls = connection.recv()
            return counted

    with serve(data, folder / "server.log", *options, module=__name__, variables={_SOCKET: socket}) as (uri, _):
        yield uri, calls


_counted: Counter[tuple[CodeType, str]] = Counter()


def _count(frame: FrameType, event: str, _: object) -> None:
    if event == "call":
        _counted[frame.f_code, frame.f_globals.get("__name__", "")] += 1


def _counted_from_here(entry: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(entry)
    def counted(*arguments: Any) -> Any:
        sys.setprofile(_count)  # until the end of the call, with which the thread's state of Python goes
        return entry(*arguments)

    return counted


class _Callbacks(dict[int, Callable[[], None]]):
    """Those at the ends of streams, which C calls."""

    pop = _counted_from_here(dict.pop)


def _count_calls() -> None:
    """Count from wherever gRPC's threads enter Python."""
    entries = {
        HandshakeHandler: ("is_valid",),
        server._CallFactory: ("start_call",),
        server._CallMiddleware: ("call_completed",),
        server._Server: ("get_flight_info", "get_schema", "do_get", "do_put", "do_action"),
    }
    for kind, names in entries.items():
        for name in names:
            setattr(kind, name, _counted_from_here(getattr(kind, name)))
    engine.streams._close_callbacks = _Callbacks()


def _tell(asked: Listener) -> None:
    told: Counter[tuple[CodeType, str]] = Counter()
    while True:
        with asked.accept() as connection:
            now = _counted.copy()
            since = now - told
            connection.send({(module, code.co_qualname): count for (code, module), count in since.items()})
            told = now


if __name__ == "__main__":
    _count_calls()
    threading.Thread(target=_tell, args=(Listener(os.environ[_SOCKET]),), daemon=True).start()
    sys.exit(main(["serve", "--grace", "2s", *sys.argv[1:]]))
