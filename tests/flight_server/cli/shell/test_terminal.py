"""The shell at a terminal, as somebody types."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flight_server.conftest import Served
from tests.harness.processes import cpu_seconds
from tests.harness.server import serve
from tests.harness.terminal import CTRL_C, CTRL_D, ENTER, TAB, Terminal
from tests.harness.waiting import until

PROMPT = "grism>"
LONG = "SELECT count(*) FROM range(100000000000) t(i) WHERE i % 7 = hash(i) % 11"


def test_a_statement_of_several_lines(shell: Terminal) -> None:
    shell.send(f"SELECT n_name{ENTER}")
    shell.read_until("->")
    shell.send(f"FROM nation WHERE n_name = 'CHINA;'{ENTER}OR n_nationkey = 24;{ENTER}")
    assert "n_name\n-------------\nUNITED STATES\n(1 row)\n" in shell.read_until(PROMPT + "$")


def test_several_statements_in_one_line_over_one_session(shell: Terminal) -> None:
    shell.send(f"CREATE TEMP TABLE mine AS SELECT 41 AS a; UPDATE mine SET a = a + 1; FROM mine;{ENTER}")
    shown = shell.read_until(r"42\n\(1 row\)\n")
    assert shown.count("(1 row changed)\n") == 2
    shell.read_until(PROMPT)


def test_errors_are_told_and_keep_the_shell(shell: Terminal) -> None:
    shell.send(f"SELECT * FROM natoin; SELECT 'never' AS reached;{ENTER}")
    shown = shell.read_until(PROMPT + "$")
    assert 'error: There is no table "main.natoin"; did you mean "nation"? (line 1, column 15)\n' in shown
    assert "\n\nLINE 1: SELECT * FROM natoin\n                      ^^^^^^\n" in shown
    assert "reached\n-" not in shown
    shell.send(f"\\nothing{ENTER}")
    assert "error: There is no \\nothing; \\? lists the commands.\n" in shell.read_until(PROMPT + "$")


def test_tab_completes_names_and_knows_new_ones(shell: Terminal) -> None:
    shell.send(f"FROM reg{TAB}")
    shell.read_until("ion")  # only what is new is drawn
    shell.send(f" SELECT 6 + min(r_re{TAB}")
    shell.read_until("gionkey")
    shell.send(f") AS six;{ENTER}")
    shell.read_until(r"six\n---\n  6\n\(1 row\)\n")
    shell.read_until(PROMPT)
    shell.send(f"CREATE TEMP TABLE zebra AS SELECT 1 AS stripes;{ENTER}")
    shell.read_until(r"\(1 row changed\)")
    shell.read_until(PROMPT)
    shell.send(f"FROM temp.ze{TAB}")
    shell.read_until("bra")
    shell.send(f" SELECT 8 + max(stri{TAB}")
    shell.read_until("pes")
    shell.send(f") AS nine;{ENTER}")
    shell.read_until(r"nine\n----\n   9\n\(1 row\)\n")
    shell.read_until(PROMPT)


def test_ctrl_r_finds_what_was_typed(shell: Terminal) -> None:
    shell.send(f"SELECT 'once;' AS typed;{ENTER}")
    shell.read_until(r"once;\n\(1 row\)\n")
    shell.read_until(PROMPT)
    shell.send("\x12once;")
    shell.read_until("SELECT 'once;' AS typed;")
    shell.send(f"{ENTER}{ENTER}")  # take it, run it
    shell.read_until(r"once;\n\(1 row\)\n")
    shell.read_until(PROMPT)


def test_tables_and_columns(shell: Terminal) -> None:
    shell.send(f"\\d{ENTER}")
    assert "main    nation  TABLE\n" in shell.read_until(PROMPT + "$")
    shell.send(f"\\d region{ENTER}")
    assert "r_regionkey  INTEGER      YES   NULL\n" in shell.read_until(PROMPT + "$")


def test_timing(shell: Terminal) -> None:
    shell.send(f"\\timing{ENTER}")
    shell.read_until(r"Timing is on\.")
    shell.send(f"SELECT 1;{ENTER}")
    shell.read_until(r"\(1 row\)\nTime: [0-9.]+ ms\n")
    shell.send(f"\\timing off{ENTER}")
    shell.read_until(r"Timing is off\.")
    shell.read_until(PROMPT)


def test_bytes_do_not_go_to_a_terminal(shell: Terminal) -> None:
    shell.send(f"\\format arrow{ENTER}")
    shell.read_until("error: Rows as arrow are not for a terminal")
    shell.read_until(PROMPT)


@pytest.mark.parametrize("statement", [LONG, f"CREATE TABLE never AS {LONG}"], ids=["query", "change"])
def test_ctrl_c_cancels_what_runs_at_the_server_and_keeps_the_shell(
    changing: Served, shell: Terminal, statement: str
) -> None:
    log = changing.data.parent / "server.log"
    before, cancelled = cpu_seconds([changing.pid]), log.read_text().count("status=cancelled")
    shell.send(f"{statement};{ENTER}")
    until(lambda: cpu_seconds([changing.pid]) > before + 0.3, timeout=60)
    shell.send(CTRL_C)
    shell.read_until("error: cancelled\n")
    until(lambda: log.read_text().count("status=cancelled") > cancelled)
    shell.send(f"SELECT 'still' AS here;{ENTER}")
    shell.read_until(r"still\n\(1 row\)\n")
    shell.read_until(PROMPT)


def test_ctrl_c_at_the_prompt_clears_what_was_typed(shell: Terminal) -> None:
    shell.send(f"SELECT 'an open quote{ENTER}")
    shell.read_until("->")
    shell.send(CTRL_C)
    shell.read_until(PROMPT)
    shell.send(f"SELECT 'clear' AS line;{ENTER}")
    shell.read_until(r"clear\n\(1 row\)\n")
    shell.read_until(PROMPT)


def test_a_shell_on_a_folder_without_a_server(
    open_shell: Callable[..., Terminal], tpch_dir: Path, tmp_path: Path
) -> None:
    """With the history, which the next shell has again, and nobody else may read."""
    shell = open_shell("shell", "--data", str(tpch_dir))
    shell.send(f"SELECT count(*) AS n FROM region;{ENTER}")
    shell.read_until(r"n\n-\n5\n\(1 row\)\n")
    shell.read_until(PROMPT)
    shell.send(f"{LONG};{ENTER}")
    shell.read_until(r"\n")
    before = cpu_seconds([shell.process.pid])
    until(lambda: cpu_seconds([shell.process.pid]) > before + 0.3, timeout=60)
    shell.send(CTRL_C)
    shell.read_until("error: cancelled\n")
    shell.read_until(PROMPT)
    shell.send(f"exit{ENTER}")
    assert shell.end() == 0

    history = tmp_path / "state" / "grism" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+SELECT count(*) AS n FROM region;\n" in history.read_text()
    again = open_shell("shell", "--data", str(tpch_dir))
    again.send("\x1b[A\x1b[A\x1b[A")
    again.read_until(r"SELECT count\(\*\) AS n FROM region;")
    again.send(ENTER)
    again.read_until(r"n\n-\n5\n\(1 row\)\n")
    again.read_until(PROMPT)
    again.send(CTRL_D)
    assert again.end() == 0


def test_grism_alone_is_the_shell_and_outlives_its_server(
    open_shell: Callable[..., Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command itself, which the other tests launch."""
    (tmp_path / "data").mkdir()
    with serve(tmp_path / "data", tmp_path / "log", "--threads", "1") as (uri, _):
        monkeypatch.setenv("GRISM_URI", uri)
        shell = open_shell(is_launched=False)
        shell.send(f"CREATE TEMP TABLE mine AS SELECT 1 AS a;{ENTER}")
        shell.read_until(r"\(1 row changed\)")
        shell.read_until(PROMPT)
    shell.send(f"SELECT 1;{ENTER}")
    shell.read_until("error: No server answers at .* The next statement connects again, in a new session.\n")
    shell.read_until(PROMPT)
    with serve(tmp_path / "data", tmp_path / "log", "--threads", "1", "--port", uri.rpartition(":")[2]):
        shell.send(f"SELECT 2 AS again;{ENTER}")
        shell.read_until(r"2\n\(1 row\)\n")
        shell.read_until(PROMPT)
        shell.send(f"\\q{ENTER}")
        assert shell.end() == 0
