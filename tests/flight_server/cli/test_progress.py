"""What a long statement is at is seen at a terminal, on a folder and over a server; and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.harness.server import serve
from tests.harness.terminal import CTRL_C, CTRL_D, ENTER, Terminal

LONG = "SELECT count(*) FROM t, range(1000000) r(j) WHERE (i * j) % 7 = 3"
"""Takes minutes."""
SHORT = LONG.replace("1000000", "1500")
"""Takes seconds, in some of which its client is told how much is done."""
INDEX = "CREATE INDEX i ON words USING FTS (s) WITH (num_workers = 1)"
BUILDS = r"building i: [a-z]+ [a-z]+(, [0-9,]+)?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("progress")
    pq.write_table(pa.table({"i": range(400_000)}), made / "t.parquet", row_group_size=4_000)
    words = pa.array([f"{i} words of {i % 977} and {i * 7919 % 100003}" for i in range(500_000)])
    for name in ("words", "others"):
        lance.write_dataset(pa.table({"s": words}), made / f"{name}.lance")
    return made


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with one turn for queries."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with serve(folder, log, "--threads", "1", "--max-queries", "1") as (uri, _):
        yield uri


def test_a_terminal_shows_how_much_is_done_until_the_rows_come(folder: Path) -> None:
    with closing(Terminal(["query", SHORT, "--data", str(folder)], {})) as terminal:
        assert "Traceback" not in terminal.read_until(r"running [^%\n]*[1-9]\d?%")
        rows = terminal.read_until(r"\(1 row\)")
        assert terminal.end() == 0
        assert "%" not in rows.split("count_star()")[-1] + terminal.unread


def test_a_table_that_a_server_makes_tells_how_much_is_done(server: str) -> None:
    made = f"CREATE TABLE made AS {SHORT.replace('count(*)', 'count(*) AS n')}"
    with closing(Terminal(["query", made, "--uri", server], {})) as terminal:
        assert "Traceback" not in terminal.read_until(r"running [^%\n]*[1-9]\d?%")
        assert "%" not in terminal.read_until(r"\(1 row changed\)").split("\n")[-1]
        assert terminal.end() == 0


def test_a_terminal_shows_what_a_build_on_a_server_is_at(server: str, folder: Path) -> None:
    with closing(Terminal(["query", INDEX, "--uri", server], {})) as terminal:
        assert "Traceback" not in terminal.read_until(BUILDS)
        assert terminal.end() == 0
    assert [index.name for index in lance.dataset(folder / "words.lance").describe_indices()] == ["i"]


@pytest.mark.soak
def test_the_shell_shows_what_a_build_on_a_folder_is_at(folder: Path) -> None:
    with closing(Terminal(["shell", "--data", str(folder)], {"HOME": str(folder)})) as terminal:
        terminal.read_until("grism>")
        terminal.send(f"{INDEX.replace('words', 'others')};{ENTER}")
        assert "Traceback" not in terminal.read_until(BUILDS)
        terminal.read_until("grism>")
        terminal.send(CTRL_D)
        assert terminal.end() == 0


def typed(terminal: Terminal, statement: str) -> None:
    """Enter it at the shell's prompt; what is shown from there on is the answer."""
    terminal.send(f"{statement};{ENTER}")
    terminal.read_until(r";\n")


def test_the_shell_shows_what_takes_long_and_nothing_of_what_does_not(server: str, folder: Path) -> None:
    with closing(Terminal(["shell", "--uri", server], {"XDG_STATE_HOME": str(folder)})) as terminal:
        terminal.read_until("grism>")
        typed(terminal, "SELECT 'quick' AS what")
        assert terminal.read_until("grism>") == "what\n-----\nquick\n(1 row)\ngrism>"
        typed(terminal, SHORT)
        assert "Traceback" not in terminal.read_until(r"running [^%\n]*[1-9]\d?%")
        rows = terminal.read_until("grism>")
        assert "%" not in rows.split("count_star()")[-1]
        typed(terminal, "CREATE INDEX j ON others USING FTS (s) WITH (num_workers = 1)")
        assert "Traceback" not in terminal.read_until(BUILDS.replace("building i", "building j"))
        assert terminal.read_until("grism>").endswith("(done)\ngrism>")
        typed(terminal, "DROP INDEX j ON others")
        terminal.read_until("grism>")
        terminal.send(CTRL_D)
        assert terminal.end() == 0


def test_what_shows_in_the_shell_is_cancelled_at_the_server(server: str, folder: Path) -> None:
    ended = "SELECT state FROM system.queries WHERE text LIKE '%1000000%' AND text NOT LIKE '%system.%' ORDER BY begun"
    with closing(Terminal(["shell", "--uri", server], {"XDG_STATE_HOME": str(folder)})) as terminal:
        terminal.read_until("grism>")
        typed(terminal, LONG)
        terminal.read_until("running ")
        terminal.send(CTRL_C)
        terminal.read_until(r"error: cancelled\n")
        terminal.read_until("grism>")
        # The next has the only turn once the other has left it, a moment before that is over.
        for _ in range(100):
            typed(terminal, f"{ended} DESC LIMIT 1")
            told = terminal.read_until("grism>")
            if "running\n(1 row)" not in told:
                break
        assert "cancelled\n(1 row)" in told
        terminal.send(CTRL_D)
        assert terminal.end() == 0


def test_the_shell_shows_nothing_where_stderr_is_no_terminal(server: str, folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "stderr"
    with closing(Terminal(["shell", "--uri", server], {"XDG_STATE_HOME": str(folder)}, errors=told)) as terminal:
        terminal.read_until("grism>")
        typed(terminal, SHORT)
        assert "running" not in terminal.read_until("grism>")
        terminal.send(CTRL_D)
        assert terminal.end() == 0
    assert told.read_text() == ""


def test_a_statement_that_waits_for_its_turn_is_told(server: str) -> None:
    with closing(Terminal(["query", LONG, "--uri", server], {})) as first:
        first.read_until("running ")
        with closing(Terminal(["query", "SELECT count(*) AS found FROM t", "--uri", server], {})) as second:
            second.read_until("queued ")
            first.send(CTRL_C)
            assert "400000" in second.read_until(r"\(1 row\)")
            assert second.end() == 0
        assert first.end() == 130


def test_what_is_no_terminal_gets_nothing_of_it(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flight_server.cli", "query", SHORT, "--format", "csv", "--data", str(folder)],
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert len(done.stdout.splitlines()) == 2
