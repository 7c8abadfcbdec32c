"""A grism server as a process of its own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql

from tests.harness.incidents import INCIDENTS
from tests.harness.launcher import LAUNCHER, Launched

__all__ = ["ServerError", "drop_afterwards", "serve"]

START_SECONDS = 120
STOP_SECONDS = 20
_GRACE = "2s"  # for queries that tests leave behind
_READY = "grism listening on "
_BEFORE_IMPORTS = {"--log-format", "ray"}  # what a server is told before it imports Lance, and where it starts others

Process = subprocess.Popen[str] | Launched


class ServerError(Exception):
    """The server did not start or did not stop; the message has what it logged."""


@contextmanager
def serve(
    data: Path,
    log: Path,
    *options: str,
    module: str = "flight_server.cli",
    variables: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, int]]:
    """Run ``grism serve --data DATA`` on a free port of the loopback device; gives its URI and process id.

    The process's stderr goes to the file `log`, in which no internal error may stand. At the end it is told to stop
    and has to end with status 0. Another `module` is run without the word ``serve``. `variables` are added to those of
    its environment. A server that needs nothing but options is launched, which is cheaper than to start it.
    """
    command = ["serve", "--grace", _GRACE] if module == "flight_server.cli" else []
    arguments = [*command, "--data", str(data), "--port", "0", *options]
    environment = {**os.environ, **(variables or {})}
    with log.open("wb") as errors, INCIDENTS.watch(log), ExitStack() as stack:
        run: Process
        if command and not variables and _BEFORE_IMPORTS.isdisjoint(options):
            run = stack.enter_context(LAUNCHER.launch(arguments, errors.fileno()))
        else:
            started = [sys.executable, "-m", module, *arguments]
            run = stack.enter_context(
                subprocess.Popen(started, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
            )
        try:
            yield _uri(run, log), run.pid
        finally:
            _stop(run, log)


@contextmanager
def drop_afterwards(uri: str) -> Iterator[str]:
    """Give the URI of a server that others use, too; at the end the tables and views that were made meanwhile go."""
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:

        def relations() -> set[tuple[str, str]]:
            cursor.execute("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main'")
            return {(str(name), "VIEW" if kind == "VIEW" else "TABLE") for name, kind in cursor.fetchall()}

        before = relations()
        yield uri
        for name, kind in relations() - before:
            cursor.execute(f'DROP {kind} "{name}"')


def _uri(run: Process, log: Path) -> str:
    """The URI on the line that says that the server is ready."""
    lines: queue.Queue[str] = queue.Queue()
    stdout = run.stdout
    assert stdout is not None
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=START_SECONDS)
    except queue.Empty:
        line = ""
    if not line.startswith(_READY):
        raise ServerError(f"no server after {START_SECONDS} s, it said {line!r}:\n{log.read_text(errors='replace')}")
    return line.removeprefix(_READY).strip()


def _stop(run: Process, log: Path) -> None:
    run.send_signal(signal.SIGTERM)
    try:
        status = run.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        run.kill()
        raise ServerError(f"not stopped {STOP_SECONDS} s after SIGTERM:\n{log.read_text(errors='replace')}") from None
    if status != 0:
        raise ServerError(f"ended with status {status}:\n{log.read_text(errors='replace')}")
