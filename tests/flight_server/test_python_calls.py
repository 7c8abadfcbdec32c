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
