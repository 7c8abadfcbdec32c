"""Ctrl-C under a command: it ends with status 130, and with it what it has asked for, whatever the server does."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.flight_server.conftest import Served
from tests.harness.server import serve
from tests.harness.terminal import CTRL_C, Terminal
from tests.harness.waiting import until

LONG = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE i % 7 = j % 5"
"""Takes days."""
MANY = "SELECT i, md5(i::VARCHAR) AS t FROM range(10000000000) r(i)"
INTERRUPTED = "grism: interrupted\n"

Started = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def one_turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one turn for queries."""
    data = tmp_path_factory.mktemp("data")
    log = tmp_path_factory.mktemp("log") / "server.log"
    with serve(data, log, "--threads", "1", "--max-queries", "1") as (uri, pid):
        yield Served(uri, pid, data)


@pytest.fixture
def start() -> Iterator[Started]:
    """Starts `grism` with some arguments, as a program of a script does, and kills it at the end."""
    with ExitStack() as started:

        def begin(*arguments: str, stdin: TextIO | None = None) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "flight_server.cli", *arguments]
            run = started.enter_context(
                subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            started.callback(run.kill)
            return run

        yield begin


@contextmanager
def looking(server: Served) -> Iterator[Callable[[str], list[str]]]:
    """Tells in which states the queries of a text are at the server."""
    with RawClient(server.uri) as raw:

        def states(text: str) -> list[str]:
            query = f"SELECT state FROM system.queries WHERE text = $${text}$$ ORDER BY begun"
            return [row["state"] for row in raw.ask(sql.CommandStatementQuery(query=query)).to_pylist()]

        yield states


def is_full(run: subprocess.Popen[str]) -> bool:
    """Whether no more goes into the pipe that a command writes to."""
    end = os.open(f"/proc/{run.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [end], [], 0)[1]
    finally:
        os.close(end)


@pytest.mark.parametrize("at", ["terminal", "pipe"])
@pytest.mark.parametrize("state", ["running", "queued", "sending", "writing"])
def test_a_statement_is_cancelled_at_the_server(one_turn: Served, start: Started, state: str, at: str) -> None:
    queries = {"queued": LONG, "running": LONG, "sending": MANY, "writing": f"CREATE TABLE written AS {MANY}"}
    text = f"{queries[state]} /* {state} at {at} */"
    arguments = ("query", text, "--format", "csv", "--uri", one_turn.uri)
    with looking(one_turn) as states, ExitStack() as stack:
        if state == "queued":
            start("query", f"{LONG} /* before {at} */", "--uri", one_turn.uri)
            until(lambda: states(f"{LONG} /* before {at} */") == ["running"])
        waited = ["running"] if state == "writing" else [state]
        if at == "terminal":
            terminal = Terminal(arguments, {})
            stack.callback(terminal.close)
            if state == "sending":
                terminal.read_until("md5|[0-9a-f]{32}")
            until(lambda: states(text) == waited)
            terminal.send(CTRL_C)
            terminal.read_until(INTERRUPTED)
            assert terminal.end() == 130
        else:
            run = start(*arguments)
            until(lambda: states(text) == waited)
            run.send_signal(signal.SIGINT)
            errors = run.communicate(timeout=60)[1]
            assert (run.returncode, errors) == (130, INTERRUPTED)
        until(lambda: states(text) == ["cancelled"])


@pytest.mark.parametrize("command", [("query", "SELECT 1"), ("tables",), ("explain", "SELECT 1"), ("shell",)])
def test_a_server_that_never_answers_is_not_waited_for(command: tuple[str, ...], start: Started) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        run = start(*command, "--uri", f"grpc://127.0.0.1:{mute.getsockname()[1]}")
        caller, _ = mute.accept()
        with caller:
            run.send_signal(signal.SIGINT)
            errors = run.communicate(timeout=15)[1]  # less than the driver's own patience
    assert (run.returncode, errors) == (130, INTERRUPTED)


def test_a_server_that_answers_no_longer_is_not_waited_for(start: Started, tmp_path: Path) -> None:
    """Neither for a query, nor for rows, nor for a change; all at once, for each takes as long as its patience."""
    (tmp_path / "data").mkdir()
    with (
        serve(tmp_path / "data", tmp_path / "server.log", "--threads", "1") as (uri, pid),
        looking(Served(uri, pid, tmp_path / "data")) as states,
    ):
        texts = (LONG, MANY, f"CREATE TABLE t AS {MANY}")
        runs = [start("query", text, "--format", "csv", "--uri", uri) for text in texts]
        for text in texts:
            until(lambda text=text: states(text) in (["running"], ["sending"]))
        os.kill(pid, signal.SIGSTOP)
        try:
            for run in runs:
                run.send_signal(signal.SIGINT)
            errors = [run.communicate(timeout=30)[1] for run in runs]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [(run.returncode, error) for run, error in zip(runs, errors, strict=True)] == [(130, INTERRUPTED)] * 3
        for text in texts:
            until(lambda text=text: states(text) == ["cancelled"])


@pytest.mark.parametrize(
    ("runtime", "format"),
    [("server", "csv"), ("server", "json"), ("server", "arrow"), ("local", "csv"), ("ray", "json")],
)
def test_who_reads_no_rows_is_not_waited_for(
    start: Started, one_turn: Served, tmp_path: Path, runtime: str, format: str
) -> None:
    """As a pager, which stands still, and takes no notice of Ctrl-C."""
    source = ("--uri", one_turn.uri) if runtime == "server" else ("--data", str(tmp_path), "--runtime", runtime)
    run = start("query", "SELECT i, md5(i::VARCHAR) AS t FROM range(200_000) r(i)", "--format", format, *source)
    until(lambda: is_full(run))
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130
    assert run.stderr is not None
    assert run.stderr.read() == INTERRUPTED


def test_who_reads_nothing_of_a_script_is_not_waited_for(start: Started, tmp_path: Path) -> None:
    """Neither where rows are written, nor where something is told."""
    for text in ("SELECT repeat('x', 200) FROM range(1000);", "\\timing on\n" * 20_000):
        script = tmp_path / "script.sql"
        script.write_text(text)
        with script.open() as statements:
            run = start("shell", "--data", str(tmp_path), "--format", "table", stdin=statements)
        until(lambda run=run: is_full(run))
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
        assert run.stderr is not None
        assert run.stderr.read() == INTERRUPTED
