"""What serving a call leaves in memory: nothing that waits for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa

from engine.statements.session import Session
from flight_server.endpoint.calls import Call
from flight_server.monitoring.query import Query
from tests.harness.waiting import until

KINDS = (Call, Query, Session)


def living() -> dict[int, object]:
    return {id(each): each for each in gc.get_objects() if isinstance(each, KINDS)}


@contextmanager
def without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_calls_and_their_queries_and_sessions_are_freed_at_once(writer: flight_sql.Connection) -> None:
    asked = 20
    with writer.cursor() as cursor, without_collector():
        before = living()  # others may come and go in this process
        for _ in range(asked):
            cursor.execute("SELECT count(*) FROM range(10)")
            assert cursor.fetchall() == [(10,)]

        def kept() -> int:
            return len([key for key in living() if key not in before])

        # What is remembered of a text knows the session, and the call, that it came from.
        until(lambda: kept() < asked)


def test_uploads_are_freed_at_once(writer: flight_sql.Connection) -> None:
    asked = 20
    rows = pa.table({"a": [1, 2]})
    with writer.cursor() as cursor, without_collector():
        before = living()
        for _ in range(asked):
            assert cursor.adbc_ingest("uploaded", rows, mode="create_append") == rows.num_rows
        until(lambda: len([key for key in living() if key not in before]) < asked)
