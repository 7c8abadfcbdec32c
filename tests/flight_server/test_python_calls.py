"""How much Python a short query takes in the server: counts, which are the same however busy the machine is."""

from __future__ import annotations

import sys
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.harness.collector import Collector
from tests.harness.counted_server import serve_counted

ASKED = 30
MOST = {"SELECT 1": 580, "SELECT ?": 785}
"""Calls of Python functions for each query, a tenth more than `python -m benchmarks.python_calls` has counted. Where
there are good reasons for more, raise them; by accident, as by work that is done for each call again, they grow fast.
"""
MOST_TO_WATCH = {"SELECT 1": 12, "SELECT ?": 15}
"""Calls that spans, metrics and the table of queries add to it: 7 and 9, what is done for many at once, and 4 where the
machine is so busy that planning takes a millisecond, and is a span.
"""

INSERTS: dict[str, tuple[str, bool]] = {
    "text": ("INSERT INTO t VALUES ({0}, 'text {0}')", False),
    "bound": ("INSERT INTO t VALUES (?, ?)", True),
    "cast": ("INSERT INTO t VALUES ('{0}', 'text {0}')", False),
}
MOST_TO_INSERT = {"text": 1600, "bound": 1100, "cast": 1700}
OF_AN_INSERT = {
    ("engine.kernel_instance", "Instance.begin"): (0, 0, 1),  # statements that the kernel runs
    ("engine.kernel_instance", "Instance.binder"): (0, 0, 0),  # and that it parses
    ("engine.binder", "Binder._take"): (0, 0, 0),  # and binds
    ("lance", "dataset"): (0, 0, 0),  # tables that are opened: the newest version was made here
    ("lance.dataset", "LanceDataset.commit"): (1, 1, 1),
    ("engine.storage.lance_manifests", "newest_manifest"): (4, 3, 4),  # before the rows are made and written, and after
}
"""Calls of functions for each INSERT of `INSERTS`, once it has run before with other values."""


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counted with 3.11; other versions' libraries differ")
def test_a_short_query_calls_few_python_functions(tmp_path: Path) -> None:
    for text, counted in count(tmp_path).items():
        assert MOST[text] / 2 < counted < MOST[text], text


def test_to_be_watched_calls_few_more(tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in collector.variables().items():
        monkeypatch.setenv(name, value)
    alone = count(tmp_path / "alone", "--query-history", "0")
    watched = count(tmp_path / "watched", "--traces", "otlp", "--http-port", "0", "--query-log-table", "log.queries")
    for text in MOST:
        assert 0 < watched[text] - alone[text] < MOST_TO_WATCH[text], text


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counted with 3.11; other versions' libraries differ")
def test_a_change_of_one_row_does_nothing_twice(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (
        serve_counted(tmp_path / "data", tmp_path) as (uri, calls),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE t (k BIGINT, s VARCHAR)")
        for place, (way, (text, is_bound)) in enumerate(INSERTS.items()):
            for number in range(2 * ASKED):
                if number == ASKED:
                    calls()
                cursor.execute(text.format(number), (number, f"text {number}") if is_bound else None)
            counted = calls()
            assert MOST_TO_INSERT[way] / 2 < sum(counted.values()) / ASKED < MOST_TO_INSERT[way], way
            for function, expected in OF_AN_INSERT.items():
                assert round(counted.get(function, 0) / ASKED) == expected[place], (way, function)
        cursor.execute("SELECT count(DISTINCT k), count(DISTINCT s), count(*) FROM t")
        assert cursor.fetchall() == [(2 * ASKED, 2 * ASKED, 6 * ASKED)]
        for number in range(20):
            if number == 10:
                calls()
            cursor.execute("DELETE FROM t WHERE k = ?", (number,))
        counted = calls()
        assert counted["engine.storage.directory", "DirectoryStorage.change"] == 10
        assert counted.get(("lance", "dataset"), 0) == counted.get(("engine.binder", "Binder._take"), 0) == 0


def count(folder: Path, *options: str) -> dict[str, float]:
    """Calls of Python functions for each query, by its text."""
    (folder / "data").mkdir(parents=True)
    counted = {}
    with (
        serve_counted(folder / "data", folder, *options) as (uri, calls),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for text in MOST:
            for number in range(2 * ASKED):
                if number == ASKED:  # what is remembered of the text is known
                    calls()
                cursor.execute(text, (number,) if "?" in text else None)
                assert cursor.fetchall() == [(number if "?" in text else 1,)]
            counted[text] = sum(calls().values()) / ASKED
    return counted
