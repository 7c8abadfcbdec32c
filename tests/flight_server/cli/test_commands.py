"""`grism query`, `grism tables` and `grism explain`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.cli import main
from flight_server.cli.output import write
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


def test_a_wrong_query_is_one_line(where: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT * FROM natoin", *where]) == 1
    output = capfd.readouterr()
    assert output.err == 'grism: There is no table "main.natoin"; did you mean "nation"?\n'
    assert output.out == ""


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


def printed(table: pa.Table, format: str) -> str:
    out = io.BytesIO()
    write(table.to_reader(), format, out)
    return out.getvalue().decode()


VALUES = pa.table(
    {
        "d": pa.array([None, "12345678901234567890.10"]).cast(pa.decimal128(38, 2)),
        "t": pa.array([0, 1], pa.timestamp("us")),
        "n": pa.array([0, 1], pa.timestamp("ns")),
        "f": pa.array([float("nan"), 0.5]),
        "b": pa.array([b"\x00\xff", None]),
        "l": pa.array([[1, None], None]),
        "s": pa.array(['line\nbreak, "quoted"', "ü"]),
    }
)


def test_values_in_json_keep_every_digit() -> None:
    first, second = json.loads(printed(VALUES, "json"))
    assert first == {
        "d": None,
        "t": "1970-01-01T00:00:00",
        "n": "1970-01-01 00:00:00.000000000",
        "f": "nan",
        "b": "00ff",
        "l": [1, None],
        "s": 'line\nbreak, "quoted"',
    }
    assert second["d"] == "12345678901234567890.10"
    assert second["s"] == "ü"


def test_values_in_csv() -> None:
    names, first, second = csv.reader(io.StringIO(printed(VALUES, "csv")))
    assert names == VALUES.column_names
    assert (first[0], first[4], first[5], first[6]) == ("", "00ff", "[1, null]", 'line\nbreak, "quoted"')
    assert (second[0], second[6]) == ("12345678901234567890.10", "ü")


def test_a_table_of_no_rows_and_of_many() -> None:
    assert printed(pa.table({"x": pa.array([], pa.int64())}), "table").splitlines() == ["x", "-", "(0 rows)"]
    lines = printed(pa.table({"x": range(1500)}), "table").splitlines()
    assert len(lines) == 2 + 1000 + 2
    assert lines[-2:] == ["... 500 more rows; --format csv, json or arrow prints all of them", "(1500 rows)"]


def test_empty_results_are_valid_in_every_format() -> None:
    empty = pa.table({"x": pa.array([], pa.int64())})
    assert json.loads(printed(empty, "json")) == []
    assert printed(empty, "csv") == '"x"\n'


def test_columns_of_one_name_are_all_printed() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
    assert json.loads(printed(table, "json")) == [{"x": 1, "x_1": 2}]
    assert printed(table, "table").splitlines()[0] == "x  x"


def test_health_is_a_word_and_a_status(capfd: pytest.CaptureFixture[str]) -> None:
    with HealthServer("127.0.0.1", 0) as server:
        assert main(["health", server.address]) == 1
        server.serving()
        assert main(["health", server.address]) == 0
    assert main(["health", server.address]) == 1
    assert main(["health", "31338"]) == 2
    output = capfd.readouterr()
    assert output.out == "NOT_SERVING\nSERVING\nUNREACHABLE\n"
    assert output.err.endswith("grism: '31338' is no HOST:PORT.\n")
