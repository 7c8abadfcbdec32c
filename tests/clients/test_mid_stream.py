"""Errors after the first rows have gone out, as drivers tell them: with their code, and never as the end of the rows.

On Ray a result lies at the workers before its first row goes out, so what is wrong with a value is known before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import grpc
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap

# More than what stands in the buffers of a server and a client while nobody reads.
LARGE = "SELECT l.* FROM lineitem l, range(10) r(i)"
LARGE_ROWS = 601_750
ZERO = "SELECT 1 // (x - 1000000) AS q, x FROM range(1500000) t(x)"
TIMEOUT = 3.0  # seconds, or several times what the first rows take


@pytest.fixture
def large_uri(runtime_name: str, server_uri: Callable[[str], str]) -> str:
    """Where a server over TPC-H listens."""
    return server_uri("ray" if runtime_name == "ray" else "parquet")


@pytest.fixture
def bare_client(large_uri: str) -> Iterator[flight.FlightClient]:
    """A pyarrow client, whose session ends with the test."""
    with flight.connect(large_uri) as client:
        yield client
        list(client.do_action(flight.Action("CloseSession", b"")))


@pytest.fixture
def adbc(large_uri: str) -> Iterator[flight_sql.Cursor]:
    """A cursor of ADBC's Flight SQL driver, in a session of its own."""
    options = {"adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with flight_sql.connect(large_uri, options, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


def info(client: flight.FlightClient, text: str) -> flight.FlightInfo:
    command = wrap(sql.CommandStatementQuery(query=text))
    return client.get_flight_info(flight.FlightDescriptor.for_command(command))


def cancel(client: flight.FlightClient, planned: messages.FlightInfo) -> None:
    request = messages.CancelFlightInfoRequest(info=planned).SerializeToString()
    list(client.do_action(flight.Action("CancelFlightInfo", request)))


def read_on(reader: pa.RecordBatchReader | flight.FlightStreamReader) -> int:
    """The rows that still come."""
    return sum((chunk.data if hasattr(chunk, "data") else chunk).num_rows for chunk in reader)


def test_a_query_is_cancelled(bare_client: flight.FlightClient) -> None:
    planned = info(bare_client, LARGE)
    reader = bare_client.do_get(planned.endpoints[0].ticket)
    assert reader.read_chunk().data.num_rows
    cancel(bare_client, messages.FlightInfo.FromString(planned.serialize()))
    with pytest.raises(flight.FlightCancelledError, match="cancelled"):
        read_on(reader)


def test_a_query_of_adbc_is_cancelled(bare_client: flight.FlightClient, adbc: flight_sql.Cursor) -> None:
    (partition,), _ = adbc.adbc_execute_partitions(LARGE)
    adbc.adbc_read_partition(partition)
    reader = adbc.fetch_record_batch()
    assert reader.read_next_batch().num_rows
    cancel(bare_client, messages.FlightInfo.FromString(partition))
    with pytest.raises(OSError, match=r"Canceled.*The query was cancelled"):
        read_on(reader)


def test_queries_run_out_of_time(bare_client: flight.FlightClient, adbc: flight_sql.Cursor) -> None:
    """Those of both clients beside each other."""
    began = time.monotonic()
    first = bare_client.do_get(info(bare_client, LARGE).endpoints[0].ticket)
    assert first.read_chunk().data.num_rows
    first.cancel()
    timeout = max(TIMEOUT, 4 * (time.monotonic() - began))
    option = {"timeout": messages.SessionOptionValue(double_value=timeout)}
    request = messages.SetSessionOptionsRequest(session_options=option).SerializeToString()
    list(bare_client.do_action(flight.Action("SetSessionOptions", request)))
    adbc.connection.adbc_connection.set_options(**{"adbc.flight.sql.session.option.timeout": str(timeout)})
    bare = bare_client.do_get(info(bare_client, LARGE).endpoints[0].ticket)
    assert bare.read_chunk().data.num_rows
    adbc.execute(LARGE)
    driven = adbc.fetch_record_batch()
    assert driven.read_next_batch().num_rows
    time.sleep(timeout)  # it is their own time that passes
    with pytest.raises(flight.FlightTimedOutError, match="out of time"):
        read_on(bare)
    with pytest.raises(OSError, match=r"out of time.*\(DeadlineExceeded;"):
        read_on(driven)


def test_a_value_is_wrong_far_behind(bare_client: flight.FlightClient, large_uri: str) -> None:
    ticket = messages.Ticket(ticket=info(bare_client, ZERO).endpoints[0].ticket.ticket).SerializeToString()
    with grpc.insecure_channel(large_uri.removeprefix("grpc://")) as channel, pytest.raises(grpc.RpcError) as caught:
        list(channel.unary_stream("/arrow.flight.protocol.FlightService/DoGet")(ticket))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("Division by zero in expression (1 // (x - 1000000))")
    assert ("grism-error", "InvalidValueError") in caught.value.trailing_metadata()
    with pytest.raises(pa.ArrowInvalid, match="Division by zero"):
        read_on(bare_client.do_get(info(bare_client, ZERO).endpoints[0].ticket))


def test_a_value_is_wrong_far_behind_in_adbc(adbc: flight_sql.Cursor) -> None:
    def fetch() -> None:
        adbc.execute(ZERO)
        adbc.fetch_arrow_table()

    with pytest.raises(adbc_driver_manager.ProgrammingError, match="Division by zero") as caught:
        fetch()
    assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT
    adbc.execute(f"SELECT count(*) FROM ({LARGE})")
    assert adbc.fetchall() == [(LARGE_ROWS,)]
