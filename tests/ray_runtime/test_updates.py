"""Statements with effects whose rows are computed on Ray: they mean and do the same as on the local runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import duckdb
import pytest

from tests.flight_server.service import test_updates as local
from tests.harness.server import drop_afterwards


@pytest.fixture(scope="module")
def uri(server_uri: Callable[[str], str]) -> Iterator[str]:
    """The server on Ray."""
    with drop_afterwards(server_uri("ray")) as uri:
        yield uri


@pytest.fixture
def cursor(uri: str) -> Iterator[flight_sql.Cursor]:
    """A cursor of an ADBC connection."""
    with local.connected(uri) as cursor:
        yield cursor


def test_statements_mean_what_the_kernel_means(cursor: flight_sql.Cursor) -> None:
    with duckdb.connect() as oracle:
        local.compare(cursor, oracle, "compared")


def test_parameters(cursor: flight_sql.Cursor) -> None:
    local.test_parameters(cursor, "parameters")


def test_failures(cursor: flight_sql.Cursor) -> None:
    local.test_a_statement_that_fails_in_the_middle_leaves_nothing(cursor, "failed")
    local.test_merge_changes_a_row_once(cursor, "merged")
    local.test_names_of_both_sides_are_ambiguous(cursor, "ambiguous")


def test_nothing_is_lost_to_writers_at_once(uri: str) -> None:
    local.write_at_once(uri, "at_once", threads=3, times=2)
