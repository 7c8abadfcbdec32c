"""`grism shell` with a script on standard input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.cli.main import main
from tests.flight_server.conftest import Served


def run(
    script: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(script.encode())))
    status = main(["shell", *arguments])
    out, err = capfd.readouterr()
    return status, out, err


def test_statements_and_commands_of_a_script(
    changing: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = """
    -- the table lasts as long as the shell's one session
    CREATE TEMP TABLE item AS SELECT 1 AS id; INSERT INTO item VALUES (2), (3);
    SELECT ';' AS mark,
      max(id) AS last
    FROM item;
    \\d item
    DROP TABLE item"""
    status, out, err = run(script, monkeypatch, capfd, "--uri", changing.uri)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "(1 row changed)",
        "(2 rows changed)",
        "mark  last",
        "----  ----",
        ";        3",
        "(1 row)",
        "column_name  column_type  null  default",
        "-----------  -----------  ----  -------",
        "id           INTEGER      YES   NULL",
        "(1 row)",
        "(done)",
    ]


@pytest.mark.parametrize(
    "wrong", ["SELECT broken\n  FROM nation;", "\\broken", "\\timing soon", "\\format xml", "SELECT '"]
)
def test_a_script_stops_at_the_first_error_and_names_its_line(
    changing: Served, wrong: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f"SELECT 1 AS a;\n\n{wrong}\nSELECT 2 AS never;\n"
    status, out, err = run(script, monkeypatch, capfd, "--uri", changing.uri)
    assert status == 1
    assert out.splitlines() == ["a", "-", "1", "(1 row)"]
    told, _, excerpt = err.partition("\n\n")
    assert told.startswith("grism: line 3: ")
    assert told.rstrip("\n").count("\n") == 0
    assert excerpt.startswith("LINE 1: SELECT broken\n") == ("broken\n" in wrong)


def test_a_script_that_leaves(
    changing: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("SELECT 1 AS a;\n\\q\nSELECT broken;", monkeypatch, capfd, "--uri", changing.uri)[0] == 0


def test_rows_for_programs_are_all_that_stands_on_stdout(
    changing: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = "\\timing\nCREATE TEMP TABLE t AS SELECT 1 AS a;\nFROM t;\nDROP TABLE t;"
    status, out, err = run(script, monkeypatch, capfd, "--uri", changing.uri, "--format", "json")
    assert status == 0
    assert json.loads(out) == [{"a": 1}]
    assert err.splitlines()[0] == "Timing is on."
    assert err.count("Time: ") == 3
    assert "(1 row changed)" in err


def test_rows_go_to_files(
    changing: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    nations = "SELECT n_name FROM nation WHERE n_nationkey < 2 ORDER BY ALL;"
    names = ("rows.csv", "rows.json", "rows.arrow", "rows.txt", "forced")
    script = "".join(f"\\o {tmp_path / name}\n{nations}\n" for name in names[:-1])
    script += f"\\format csv\n\\o '{tmp_path / 'forced'}'\n{nations}\n\\o\n{nations}"
    status, out, err = run(script, monkeypatch, capfd, "--uri", changing.uri)
    assert status == 0
    csv = '"n_name"\n"ALGERIA"\n"ARGENTINA"\n'
    assert (tmp_path / "rows.csv").read_text() == csv
    assert json.loads((tmp_path / "rows.json").read_text()) == [{"n_name": "ALGERIA"}, {"n_name": "ARGENTINA"}]
    assert pa.ipc.open_stream((tmp_path / "rows.arrow").read_bytes()).read_all().num_rows == 2
    assert (tmp_path / "rows.txt").read_text().endswith("ARGENTINA\n(2 rows)\n")
    assert (tmp_path / "forced").read_text() == csv
    assert f"(2 rows to {tmp_path / 'rows.csv'})" in out.splitlines()
    assert out.endswith(csv)
    assert "Rows go to the terminal." in err  # which stdout is not, with rows for a program


@pytest.mark.parametrize("path", ["/no/such/folder/x.csv", "/"])
def test_a_file_that_cannot_be_written(
    changing: Served, path: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(f"\\o {path}", monkeypatch, capfd, "--uri", changing.uri)
    assert status == 1
    assert err.startswith(f"grism: line 1: The file '{path}' cannot be written: ")


def test_a_script_over_a_folder(
    tpch_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run("\\d\nSELECT count(*) AS n FROM nation;", monkeypatch, capfd, "--data", str(tpch_dir))
    assert (status, err) == (0, "")
    assert "main    nation    TABLE" in out
    assert out.endswith("n\n--\n25\n(1 row)\n")


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("SELECT 1;", monkeypatch, capfd, "--uri", "grpc://127.0.0.1:1")
    assert (status, out) == (1, "")
    assert err.startswith("grism: No server answers at grpc://127.0.0.1:1; start one")


def test_bytes_that_are_no_text(changing: Served) -> None:
    command = [sys.executable, "-m", "flight_server.cli", "shell", "--uri", changing.uri]
    ended = subprocess.run(command, input=b"SELECT '\xff';", capture_output=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == b"grism: Standard input is no text in UTF-8.\n"
