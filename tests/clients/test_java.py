"""The JDBC driver itself, through `clients/java`, on both runtimes in one run of Java.

The driver comes from Maven Central into a cache of the user's, once. Where there is no Java or Maven the tests are
skipped; with CI=true in the environment they fail instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

SOURCES = Path(__file__).parents[2] / "clients" / "java"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grism" / "clients"
ZONE = "America/New_York"  # not that of the server: what a driver makes of zones shows

Lines = list[list[str | None]]


def absent(what: str) -> NoReturn:
    """Skip, or fail where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def driver() -> Path:
    """The driver's jar."""
    found = re.search(r"<artifactId>(flight-sql-jdbc-driver)</artifactId>\s*<version>(.+?)</version>", pom())
    assert found is not None
    jar = CACHE / f"{found[1]}-{found[2]}.jar"
    if jar.exists():
        return jar
    maven = shutil.which("mvn")
    if maven is None:
        absent("there is no Maven to fetch the JDBC driver with")
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = CACHE / f"fetched-{os.getpid()}"
    command = [maven, "-q", "-B", "-f", str(SOURCES / "pom.xml"), "dependency:copy-dependencies"]
    try:
        done = subprocess.run([*command, f"-DoutputDirectory={fresh}"], capture_output=True, text=True, timeout=240)
        if done.returncode != 0:
            absent(f"Maven does not fetch the JDBC driver: {done.stdout[-500:]}")
        (fresh / jar.name).replace(jar)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return jar


def pom() -> str:
    return (SOURCES / "pom.xml").read_text()


@pytest.fixture(scope="module")
def seen(driver: Path, uri: str, server_uri: Callable[[str], str]) -> dict[str, Lines]:
    """What the program saw on each runtime."""
    java = shutil.which("java")
    if java is None:
        absent("there is no Java")
    uris = {"local": uri, "ray": server_uri("ray")}
    command = [java, f"-Duser.timezone={ZONE}", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", str(driver)]
    urls = [f"jdbc:arrow-flight-sql://{each.removeprefix('grpc://')}/?useEncryption=false" for each in uris.values()]
    run = subprocess.run(
        [*command, str(SOURCES / "JdbcClient.java"), *urls], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr[-3000:]
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {name: [line[1:] for line in lines if line[0] == place] for place, name in enumerate(uris)}


@pytest.fixture
def lines(seen: dict[str, Lines], runtime_name: str) -> Callable[[str], Lines]:
    """The lines of a step on the runtime."""
    return lambda step: [line[1:] for line in seen[runtime_name] if line[0] == step]


def test_times_are_told_as_milliseconds_and_the_rest_exactly(lines: Callable[[str], Lines]) -> None:
    (told,) = lines("parameter types")
    assert told == [
        "Timestamp(MILLISECOND, null)",
        "Timestamp(MILLISECOND, UTC)",
        "Timestamp(MILLISECOND, null)",
        "Time(MILLISECOND, 32)",
        "Date(DAY)",
        "Int(32, true)",
        "Decimal(9, 2, 128)",
        "Utf8",
    ]


# What setTimestamp, setTime and setDate were given; they send the wall clock of the machine's zone, or of a calendar's.
GIVEN = [
    ("2024-01-01 00:00:00", "00:00:00", "2024-01-01"),
    ("2024-06-01 12:34:56.789", "12:34:56", "2024-06-01"),
    ("1969-12-31 23:59:59.123", "23:59:59", "1969-12-31"),
    ("1900-02-28 12:00:00", "12:00:00", "1900-02-28"),
]
IN_UTC = [
    ("2024-01-01 05:00:00", "05:00:00", "2024-01-01"),
    ("2024-06-01 16:34:56.789", "17:34:56", "2024-06-01"),
    ("1970-01-01 04:59:59.123", "04:59:59", "1970-01-01"),
    ("1900-02-28 17:00:00", "17:00:00", "1900-03-01"),
]


def test_times_that_are_bound_are_stored_as_they_were(lines: Callable[[str], Lines]) -> None:
    nothing = [None] * 5
    want = [[stamp, f"{stamp}+00", stamp, time, day] for stamp, time, day in GIVEN] + [nothing]
    want += [[stamp, f"{stamp}+00", stamp, time, day] for stamp, time, day in IN_UTC] + [nothing] * 2
    assert lines("times") == [[str(place), *values] for place, values in enumerate(want)]


def test_times_that_are_compared_count_what_literals_do(lines: Callable[[str], Lines]) -> None:
    assert lines("count") == [["269"], ["269"], ["269"], ["269"], ["13"]]


def test_an_enum_is_its_text(lines: Callable[[str], Lines]) -> None:
    assert lines("enum") == [["b", '["a"]', None]]


def test_columns_of_results_and_tables_are_told(lines: Callable[[str], Lines]) -> None:
    told = [
        ["d", "9", "2", "false true true"],
        ["v", "0", "0", "true true true"],
        ["b", "19", "0", "false true true"],
        ["day", "10", "0", "false true true"],
    ]
    assert lines("result metadata") == told * 2
    assert lines("columns") == [["grism", "temp", "id", "19", "NO"], ["grism", "temp", "price", "9", "YES"]]
    assert lines("isolation") == [["0"]]


def test_each_parameter_has_its_own_type(lines: Callable[[str], Lines]) -> None:
    assert lines("mixed parameters") == [["7", "x", "42"]]


def test_settings_come_by_the_url_and_by_statements(lines: Callable[[str], Lines]) -> None:
    assert lines("schema") == [["jdbc_settings"], ["main"], ["jdbc_settings"], ["main"]]
    assert lines("refused") == [["by name"]]


def test_a_wrong_value_far_behind_is_an_error(lines: Callable[[str], Lines]) -> None:
    assert lines("wrong value") == [["said", "before it"]]
