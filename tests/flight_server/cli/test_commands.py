"""`grism query`, `grism tables` and `grism explain`."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from flight_server.cli.main import main
from flight_server.cli.output import FORMATS
from flight_server.health import HealthServer
from tests.flight_server.conftest import Served

NATIONS = "SELECT n_nationkey, n_name FROM nation WHERE n_nationkey < 2 ORDER BY n_nationkey"


@pytest.fixture(params=["server", "in process"])
def where(request: pytest.FixtureRequest, served: Served, tpch_dir: Path) -> list[str]:
    """Options that say where to read."""
    return ["--uri", served.uri] if request.param == "server" else ["--data", str(tpch_dir)]


def test_query_prints_a_table(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", NATIONS, *where]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "n_nationkey  n_name",
        "-----------  ---------",
        "          0  ALGERIA",
        "          1  ARGENTINA",
        "(2 rows)",
    ]


def test_query_prints_csv(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", NATIONS, "--format", "csv", *where]) == 0
    rows = list(csv.reader(io.StringIO(capfd.readouterr().out)))
    assert rows == [["n_nationkey", "n_name"], ["0", "ALGERIA"], ["1", "ARGENTINA"]]


def test_query_prints_json(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", NATIONS, "--format", "json", *where]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert rows == [{"n_nationkey": 0, "n_name": "ALGERIA"}, {"n_nationkey": 1, "n_name": "ARGENTINA"}]


def test_query_prints_an_arrow_stream(where: list[str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["query", "SELECT * FROM lineitem", "--format", "arrow", *where]) == 0
    with pa.ipc.open_stream(capfdbinary.readouterr().out) as reader:
        assert reader.read_all().num_rows == 60175


def test_tables(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--format", "json", *where]) == 0
    assert {"schema": "main", "table": "nation", "type": "TABLE"} in json.loads(capfd.readouterr().out)


def test_explain(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", NATIONS, *where]) == 0
    assert "TableScanExec" in capfd.readouterr().out


def test_a_wrong_query_is_told_with_its_place(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT * FROM natoin", *where]) == 1
    output = capfd.readouterr()
    told = 'grism: There is no table "main.natoin"; did you mean "nation"? (line 1, column 15)\n'
    assert output.err == told + "\nLINE 1: SELECT * FROM natoin\n                      ^^^^^^\n"
    assert output.out == ""


@pytest.mark.parametrize("text", ["", "-- nothing"])
def test_a_text_without_a_statement(where: list[str], text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", text, *where]) == 1
    assert capfd.readouterr().err.startswith("grism: Syntax error at line 1, column 1: the statement is empty\n")


def test_a_query_that_fails_late_is_one_line(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    rows = "SELECT CASE WHEN i = 3000000 THEN error('a late failure') ELSE 'row' END FROM range(4000000) t(i)"
    assert main(["query", rows, "--format", "csv", *where]) == 1
    output = capfd.readouterr()
    assert output.err == "grism: a late failure\n"
    assert "row" in output.out


@pytest.mark.parametrize("error", [OverflowError, ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError])
def test_rows_that_cannot_be_printed_are_one_line(
    where: list[str], error: type[Exception], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
        raise error("no such\nvalue")

    monkeypatch.setitem(FORMATS, "csv", fail)
    assert main(["query", NATIONS, "--format", "csv", *where]) == 1
    output = capfd.readouterr()
    assert output.err.startswith("grism: ")
    assert "no such value" in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query"], "grism: The following arguments are required: SQL"),
        ([], "grism: The following arguments are required: COMMAND"),
        (["qeury", "x"], "invalid choice: 'qeury'"),
        (
            ["query", "x", "--formt", "csv"],
            "grism query has no '--formt'. Did you mean --format? Allowed: --client-cert,",
        ),
        (["query", "x", "--format", "xml"], "invalid choice: 'xml' (choose from"),
        (["serve", "--prot", "1"], "grism serve has no '--prot'. Did you mean --port? Allowed:"),
        (["serve", "--port", "http"], "--port: 'http' is not allowed; it takes a whole number from 0 to 65535"),
        (["serve"], "--data is missing"),
        (["serve", "--data", "/no/such/folder"], "'/no/such/folder' is not a folder"),
        (["serve", "--data", ".", "--host", "0.0.0.0"], "say --insecure"),
        (["serve", "--data", ".", "--workers", "2"], "--workers needs --runtime ray"),
        (["query", "x", "--data", "/no/such/folder"], "is not a folder"),
        (["query", "x", "--data", ""], "'' is not a folder"),
        (["query", "x", "--uri", "nonsense"], "'nonsense' is no server; it takes grpc://HOST:PORT"),
        (["query", "x", "--uri", "grpc://127.0.0.1"], "'grpc://127.0.0.1' is no server; it takes grpc://HOST:PORT"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(
    arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capfd.readouterr()
    assert output.out == ""
    assert message in output.err
    assert output.err.count("\n") == 1


def test_a_command_imports_what_it_needs() -> None:
    """What a shell or a probe starts often does not wait for the kernel and the drivers."""
    program = "import sys; from flight_server.cli.main import main; "
    program += "main(['health', '127.0.0.1:1', '--timeout', '0.1']); "
    program += (
        "print(*{'adbc_driver_manager.dbapi', 'duckdb', 'lance', 'pandas', 'ray', 'sqlglot'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split("\n")[-2:] == ["", ""], ran.stdout


def test_no_server_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1", "--uri", "grpc://127.0.0.1:1"]) == 1
    assert capfd.readouterr().err.startswith("grism: No server answers at grpc://127.0.0.1:1; start one")


def test_a_reader_that_has_seen_enough(served: Served) -> None:
    command = [sys.executable, "-m", "flight_server.cli", "query", "SELECT * FROM lineitem", "--format", "csv"]
    with subprocess.Popen(
        [*command, "--uri", served.uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait(30) == 1


def test_health_is_a_word_and_a_status(capfd: pytest.CaptureFixture[str]) -> None:
    with HealthServer("127.0.0.1", 0) as server:
        assert main(["health", server.address]) == 1
        server.well()
        assert main(["health", server.address]) == 0
    assert main(["health", server.address]) == 1
    assert main(["health", "31338"]) == 2
    output = capfd.readouterr()
    assert output.out == "NOT_SERVING\nSERVING\nUNREACHABLE\n"
    assert output.err.endswith("grism: '31338' is no HOST:PORT.\n")


def test_the_formats_are_those_that_can_be_written(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1", "--format", "xml"]) == 2
    assert re.findall(r"\w+", capfd.readouterr().err.partition("choose from")[2]) == list(FORMATS)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["user", "--help"]])
def test_what_needs_no_rows_does_without_arrow(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "flight_server.cli", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "grism" in ran.stdout
    assert "flight_server.cli.main" in ran.stderr
    assert not re.search(r"\b(pyarrow|numpy|duckdb)\b", ran.stderr)
