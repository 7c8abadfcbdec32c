"""Results in parts at the workers: by ADBC and bare Flight against a server on Ray; and the runtime of a session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap

PATIENCE = 20.0
OPTION = "adbc.flight.sql.session.option."
PARTS = [
    "SELECT * FROM lineitem",
    "SELECT l_orderkey AS k, count(*) AS n FROM lineitem GROUP BY 1",
    "SELECT o_orderdate, l_quantity FROM orders JOIN lineitem ON o_orderkey = l_orderkey WHERE l_tax > 0.02",
    "SELECT [l_tax] AS l, {'a': l_comment} AS t FROM lineitem",
]
WHOLE = [
    "SELECT l_comment FROM lineitem ORDER BY 1",
    "SELECT count(*) FROM lineitem",
    "SELECT l_tax, l_tax FROM lineitem",
    "SELECT * FROM lineitem LIMIT 10",
]


@pytest.fixture
def uri(server_uri: Callable[[str], str]) -> str:
    return server_uri("ray")


@pytest.fixture
def client(uri: str) -> Iterator[flight.FlightClient]:
    """A client whose session asks for endpoints at the workers."""
    with flight.connect(uri, generic_options=[("grism.test.parts", 1)]) as client:
        set_options(client, endpoints="workers")
        yield client
        list(client.do_action(flight.Action("CloseSession", b"")))


def set_options(client: flight.FlightClient, **options: str) -> messages.SetSessionOptionsResult:
    values = {name: messages.SessionOptionValue(string_value=value) for name, value in options.items()}
    request = messages.SetSessionOptionsRequest(session_options=values)
    (answer,) = client.do_action(flight.Action("SetSessionOptions", request.SerializeToString()))
    return messages.SetSessionOptionsResult.FromString(answer.body.to_pybytes())


def info(client: flight.FlightClient, query: str) -> flight.FlightInfo:
    return client.get_flight_info(flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=query))))


def fetch(endpoint: flight.FlightEndpoint) -> pa.Table:
    with flight.connect(endpoint.locations[0]) as worker:
        return worker.do_get(endpoint.ticket).read_all()


def cancel(client: flight.FlightClient, planned: flight.FlightInfo) -> None:
    request = messages.CancelFlightInfoRequest(info=messages.FlightInfo.FromString(planned.serialize()))
    (answer,) = client.do_action(flight.Action("CancelFlightInfo", request.SerializeToString()))
    status = messages.CancelFlightInfoResult.FromString(answer.body.to_pybytes()).status
    assert status == messages.CANCEL_STATUS_CANCELLED


def wait_until_gone(endpoint: flight.FlightEndpoint) -> None:
    """Wait until the worker knows the ticket no more."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            fetch(endpoint)
        except flight.FlightUnauthenticatedError:
            return
        time.sleep(0.05)
    raise AssertionError("the part is still there")


def in_order(table: pa.Table) -> list[str]:
    return sorted(map(str, table.to_pylist()))


@pytest.mark.parametrize("query", PARTS)
def test_each_part_comes_from_its_worker(uri: str, client: flight.FlightClient, query: str) -> None:
    planned = info(client, query)
    locations = {endpoint.locations[0].uri.decode() for endpoint in planned.endpoints}
    assert len(planned.endpoints) > 1 or "GROUP BY" in query or "JOIN" in query  # so few bytes that one task reads them
    assert {endpoint.locations[1].uri for endpoint in planned.endpoints} == {b"arrow-flight-reuse-connection://?"}
    assert uri not in {location.replace("grpc+tcp", "grpc") for location in locations}
    tables = [fetch(endpoint) for endpoint in planned.endpoints]
    assert all(table.schema.equals(planned.schema, check_metadata=True) for table in tables)
    assert all(b"ARROW:FLIGHT:SQL:TYPE_NAME" in field.metadata for field in planned.schema)
    named = {field.metadata.get(b"ARROW:FLIGHT:SQL:TABLE_NAME") for field in planned.schema}
    assert named - {b"lineitem", b"orders"} <= {None}
    assert (None in named) == ("{" in query or "count" in query)
    assert sum(table.num_rows for table in tables) == planned.total_records
    with flight.connect(uri) as other:
        (endpoint,) = info(other, query).endpoints
        whole = other.do_get(endpoint.ticket).read_all()
    assert whole.schema.equals(planned.schema, check_metadata=True)
    assert in_order(pa.concat_tables(tables)) == in_order(whole)


def test_who_does_not_come_to_the_workers_gets_the_parts_from_the_server(client: flight.FlightClient) -> None:
    planned = info(client, "SELECT l_orderkey, l_comment FROM lineitem")
    assert len(planned.endpoints) > 1
    for endpoint in planned.endpoints:
        rows = client.do_get(endpoint.ticket).read_all()
        assert rows.equals(fetch(endpoint))
        assert rows.schema.equals(planned.schema, check_metadata=True)
    (other,) = info(client, "SELECT count(*) FROM lineitem").endpoints
    assert client.do_get(other.ticket).read_all().num_rows == 1
    cancel(client, planned)
    with pytest.raises(flight.FlightCancelledError):
        client.do_get(planned.endpoints[0].ticket).read_all()


@pytest.mark.parametrize("query", WHOLE)
def test_what_has_an_order_or_one_part_comes_from_the_server(client: flight.FlightClient, query: str) -> None:
    (endpoint,) = info(client, query).endpoints
    assert not endpoint.locations
    assert client.do_get(endpoint.ticket).read_all().num_rows


def test_adbc_fetches_the_parts(uri: str) -> None:
    options = {OPTION + "endpoints": "workers"}
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        connection.adbc_connection.set_options(**options)
        partitions, _ = cursor.adbc_execute_partitions("SELECT * FROM lineitem")
        assert len(partitions) > 1
        cursor.execute("SELECT l_orderkey, l_linenumber FROM lineitem WHERE l_orderkey < ?", (1000,))
        got = cursor.fetch_arrow_table()
        cursor.execute("SELECT count(*) FROM lineitem WHERE l_orderkey < 1000")
        assert cursor.fetchall() == [(got.num_rows,)]


def test_a_table_by_its_path(client: flight.FlightClient) -> None:
    planned = client.get_flight_info(flight.FlightDescriptor.for_path("lineitem"))
    assert len(planned.endpoints) > 1
    assert sum(fetch(endpoint).num_rows for endpoint in planned.endpoints) == 60_175


def test_a_query_without_rows(client: flight.FlightClient) -> None:
    query = "SELECT * FROM lineitem WHERE l_quantity < 0"
    tables = [client.do_get(endpoint.ticket).read_all() for endpoint in info(client, query).endpoints]
    assert [table.num_rows for table in tables] == [0]


def test_what_was_cancelled_is_gone(client: flight.FlightClient) -> None:
    planned = info(client, "SELECT * FROM lineitem")
    cancel(client, planned)
    for endpoint in planned.endpoints:
        wait_until_gone(endpoint)
    renew = messages.RenewFlightEndpointRequest()
    renew.endpoint.ParseFromString(planned.endpoints[0].serialize())
    with pytest.raises(NotImplementedError, match="fixed time"):
        list(client.do_action(flight.Action("RenewFlightEndpoint", renew.SerializeToString())))


def test_a_forged_ticket_opens_no_part(client: flight.FlightClient) -> None:
    (endpoint, *_) = info(client, "SELECT * FROM lineitem").endpoints
    ticket = endpoint.ticket.ticket
    for place in range(0, len(ticket), 9):
        forged = ticket[:place] + bytes([ticket[place] ^ 1]) + ticket[place + 1 :]
        with pytest.raises(flight.FlightUnauthenticatedError):
            fetch(flight.FlightEndpoint(forged, endpoint.locations))
    assert fetch(endpoint).num_rows


def test_a_failing_query_has_no_parts(client: flight.FlightClient) -> None:
    with pytest.raises(pa.ArrowInvalid, match="Could not convert"):
        info(client, "SELECT CAST(l_comment AS INTEGER) FROM lineitem")


# ---- the session's runtime


def test_a_session_chooses_its_runtime_and_partitions(uri: str) -> None:
    query = "SELECT l_orderkey, count(*) FROM lineitem GROUP BY 1"
    with flight.connect(uri, generic_options=[("grism.test.parts", 2)]) as client:

        def explain() -> str:
            (endpoint,) = info(client, f"EXPLAIN {query}").endpoints
            return "\n".join(client.do_get(endpoint.ticket).read_all()["plan"].to_pylist())

        assert 'Hash(["l_orderkey"], 3)' in explain()
        set_options(client, partitions="5")
        assert 'Hash(["l_orderkey"], 5)' in explain()
        planned = info(client, query)
        assert not set_options(client, runtime="local").errors
        assert "Stage" not in explain()
        (endpoint,) = info(client, query).endpoints
        local = client.do_get(endpoint.ticket).read_all()
        on_ray = client.do_get(planned.endpoints[0].ticket).read_all()  # planned before
        assert in_order(local) == in_order(on_ray)
        assert (
            set_options(client, runtime="spark").errors["runtime"].value
            == messages.SetSessionOptionsResult.INVALID_VALUE
        )
        list(client.do_action(flight.Action("CloseSession", b"")))
