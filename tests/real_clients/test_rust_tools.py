"""Rust's other ways in: the command line that comes with arrow-flight, and DataFusion over tables of a server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.real_clients.rust_tools import command_line, datafusion

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1900)]

_QUERY = "SELECT id, name, price FROM shop.items ORDER BY id"
_ROWS = [["id", "name", "price"], ["1", "a", "1.50"], ["2", "", "20.00"], ["3", "c", "300.25"]]


@pytest.fixture(scope="module")
def client() -> str:
    return command_line()


@pytest.fixture(scope="module")
def program() -> str:
    return datafusion()


def _ran(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def _rows(printed: str) -> list[list[str]]:
    """The cells of a table as Arrow prints it, its head first."""
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("statement-query", _QUERY), _ROWS),
        (("prepared-statement-query", _QUERY), _ROWS),
        (
            ("prepared-statement-query", "SELECT name, $1 + 1 AS n FROM shop.items WHERE id = $1", "-p", "1=3"),
            [["name", "n"], ["c", "4"]],
        ),
        (("catalogs",), [["catalog_name"], ["grism"]]),
        (
            ("db-schemas", "grism", "--db-schema-filter", "sh%"),
            [["catalog_name", "db_schema_name"], ["grism", "shop"]],
        ),
        (
            ("tables", "grism", "--db-schema-filter", "shop", "--table-filter", "%", "--table-types", "VIEW"),
            [["catalog_name", "db_schema_name", "table_name", "table_type"], ["grism", "shop", "cheap", "VIEW"]],
        ),
        (("table-types",), [["table_type"], ["LOCAL TEMPORARY"], ["TABLE"], ["VIEW"]]),
    ],
)
def test_the_command_line_of_arrow_flight(
    runtime_name: str,
    endpoints: Callable[[str], dict[str, Any]],
    client: str,
    arguments: tuple[str, ...],
    wanted: list[list[str]],
) -> None:
    host, _, port = endpoints(runtime_name)["plain"].partition(":")
    assert _rows(_ran(client, "--host", host, "--port", port, *arguments)) == wanted


def test_its_login_and_its_errors(runtime_name: str, endpoints: Callable[[str], dict[str, Any]], client: str) -> None:
    host, _, port = endpoints(runtime_name)["plain"].partition(":")
    server = (client, "--host", host, "--port", port)
    said = _ran(*server, "--username", "ana", "--password", "any", "statement-query", "SELECT 1 AS one")
    assert _rows(said) == [["one"], ["1"]]
    said = _ran(*server, "-H", "schema=shop", "statement-query", "SELECT current_schema() AS s")
    assert _rows(said) == [["s"], ["shop"]]
    assert "main.milion" in _ran(*server, "statement-query", "SELECT * FROM milion")


_JOINED = """SELECT i.name, count(*) AS n, sum(m.id) AS s FROM items AS i JOIN million AS m ON m.id % 3 + 1 = i.id
    WHERE m.id < 30000 GROUP BY i.name ORDER BY i.name"""
_ITEMS, _MILLION = "items=SELECT id, name FROM shop.items", "million=SELECT id FROM million"
_TYPES = """typed=SELECT 1::UTINYINT AS a, 'x' AS b, DATE '2024-02-29' AS c, 1.5::DECIMAL(9, 2) AS d, [1, NULL] AS e,
    {'q': 1} AS f, TIMESTAMPTZ '2024-07-01 10:00:00+00' AS g, NULL AS h, INTERVAL 3 DAY AS i"""


@pytest.mark.parametrize(
    ("options", "text", "tables", "wanted"),
    [
        (
            "",
            _JOINED,
            (_ITEMS, _MILLION),
            [
                ["name", "n", "s"],
                ["a", "10000", "149985000"],
                ["c", "10000", "150005000"],
                ["", "10000", "149995000"],
            ],
        ),
        (
            "flight.sql.header.endpoints=workers",
            "SELECT count(*) AS n, sum(id) AS s FROM million",
            (_MILLION,),
            [["n", "s"], ["1000000", "499999500000"]],
        ),
        ("flight.sql.header.schema=shop", "SELECT count(id) AS n FROM t", ("t=SELECT * FROM cheap",), [["n"], ["2"]]),
        (
            "",
            "SELECT * FROM typed",
            (_TYPES,),
            [
                ["a", "b", "c", "d", "e", "f", "g", "h", "i"],
                ["1", "x", "2024-02-29", "1.50", "[1, ]", "{q: 1}", "2024-07-01T10:00:00Z", "", "3 days"],
            ],
        ),
    ],
)
def test_datafusion_reads_tables_of_a_server(
    runtime_name: str,
    endpoints: Callable[[str], dict[str, Any]],
    program: str,
    options: str,
    text: str,
    tables: tuple[str, ...],
    wanted: list[list[str]],
) -> None:
    assert _rows(_ran(program, endpoints(runtime_name)["plain"], options, text, *tables)) == wanted


def test_datafusion_tells_the_errors_of_a_server(
    runtime_name: str, endpoints: Callable[[str], dict[str, Any]], program: str
) -> None:
    """Of its query as the table is made, and of its rows as they are read."""
    address = endpoints(runtime_name)["plain"]
    assert "code: NotFound" in _ran(program, address, "", "SELECT * FROM t", "t=SELECT nosuch FROM shop.items")
    said = _ran(program, address, "", "SELECT * FROM t", "t=SELECT 1 // (id - 1) AS q FROM shop.items")
    assert "code: InvalidArgument" in said
    assert "Division by zero" in said
