"""How much Python a short query takes in the server: counts, which are the same however busy the machine is."""

from __future__ import annotations

import sys
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.harness.counted_server import serve_counted

ASKED = 30
MOST = {"SELECT 1": 580, "SELECT ?": 785}
"""Calls of Python functions for each query, a tenth more than `python -m benchmarks.python_calls` has counted. Where
there are good reasons for more, raise them; by accident, as by work that is done for each call again, they grow fast.
"""


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counted with 3.11; other versions' libraries differ")
def test_a_short_query_calls_few_python_functions(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (
        serve_counted(tmp_path / "data", tmp_path) as (uri, calls),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for text, most in MOST.items():
            for number in range(2 * ASKED):
                if number == ASKED:  # what is remembered of the text is known
                    calls()
                cursor.execute(text, (number,) if "?" in text else None)
                assert cursor.fetchall() == [(number if "?" in text else 1,)]
            counted = sum(calls().values()) / ASKED
            assert most / 2 < counted < most, text
