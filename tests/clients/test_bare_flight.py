"""A bare pyarrow client: tables as flights, Flight SQL's commands, and everything that is listed."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap

PATH = flight.FlightDescriptor.for_path


def fetch(client: flight.FlightClient, descriptor: flight.FlightDescriptor) -> pa.Table:
    info = client.get_flight_info(descriptor)
    return pa.concat_tables([client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints])


def test_every_flight_that_is_listed_can_be_read(bare: flight.FlightClient) -> None:
    listed = {tuple(part.decode() for part in info.descriptor.path): info for info in bare.list_flights()}
    assert {("main", "nation"), ("main", "region"), ("main", "orders")} <= listed.keys()
    for info in listed.values():
        table = bare.do_get(info.endpoints[0].ticket).read_all()
        assert table.schema.equals(info.schema)
        assert bare.get_schema(info.descriptor).schema.equals(info.schema)


def test_a_table_by_its_path(bare: flight.FlightClient) -> None:
    for path in (["nation"], ["main", "nation"], ["MAIN", "Nation"]):
        assert fetch(bare, PATH(*path)).num_rows == 25


@pytest.mark.parametrize("path", [["nosuch"], ["main", "nosuch"], ["other", "nation"]])
def test_a_path_that_leads_nowhere(bare: flight.FlightClient, path: list[str]) -> None:
    with pytest.raises(pa.ArrowKeyError, match=r"There is no"):
        bare.get_flight_info(PATH(*path))


def test_a_query_as_a_command(bare: flight.FlightClient) -> None:
    command = sql.CommandStatementQuery(query="SELECT count(*) AS n FROM orders")
    assert fetch(bare, flight.FlightDescriptor.for_command(wrap(command)))["n"].to_pylist() == [15000]


def test_an_upload_makes_a_table_and_adds_to_it(bare: flight.FlightClient) -> None:
    data = pa.table({"x": range(1000)})
    for count in (1000, 2000):
        writer, reader = bare.do_put(PATH("bare_upload"), data.schema)
        with writer:
            writer.write_table(data, max_chunksize=100)
            writer.done_writing()
            answer = sql.DoPutUpdateResult.FromString(reader.read().to_pybytes())
        assert answer.record_count == 1000
        assert fetch(bare, PATH("bare_upload")).num_rows == count
    command = wrap(sql.CommandStatementUpdate(query="DROP TABLE bare_upload"))
    writer, reader = bare.do_put(flight.FlightDescriptor.for_command(command), pa.schema([]))
    with writer:
        writer.done_writing()
        assert sql.DoPutUpdateResult.FromString(reader.read().to_pybytes()).record_count == 0


def test_every_action_that_is_listed_is_known(bare: flight.FlightClient) -> None:
    """Without a body, an action whose body is a command in an Any says that it is missing."""
    listed = {action.type: action.description for action in bare.list_actions()}
    assert {"CreatePreparedStatement", "ClosePreparedStatement", "SetSessionOptions", "CloseSession"} <= listed.keys()
    assert all(listed.values())
    for name in ("CreatePreparedStatement", "ClosePreparedStatement"):
        with pytest.raises(pa.ArrowInvalid, match=r"a google\.protobuf\.Any is expected"):
            list(bare.do_action(flight.Action(name, b"")))
    with pytest.raises(NotImplementedError, match="There is no action 'NoSuchAction'"):
        list(bare.do_action(flight.Action("NoSuchAction", b"")))


def test_session_options_over_one_connection(bare: flight.FlightClient) -> None:
    request = messages.SetSessionOptionsRequest()
    request.session_options["timeout"].string_value = "30s"
    request.session_options["nosuch"].bool_value = True
    (answer,) = bare.do_action(flight.Action("SetSessionOptions", request.SerializeToString()))
    errors = messages.SetSessionOptionsResult.FromString(answer.body.to_pybytes()).errors
    assert {name: error.value for name, error in errors.items()} == {
        "nosuch": messages.SetSessionOptionsResult.INVALID_NAME
    }
    (answer,) = bare.do_action(flight.Action("GetSessionOptions", b""))
    options = messages.GetSessionOptionsResult.FromString(answer.body.to_pybytes()).session_options
    assert options["timeout"].double_value == 30
    (answer,) = bare.do_action(flight.Action("CloseSession", b""))
    assert messages.CloseSessionResult.FromString(answer.body.to_pybytes()).status == messages.CloseSessionResult.CLOSED


def test_do_exchange_is_not_offered(bare: flight.FlightClient) -> None:
    with pytest.raises(NotImplementedError, match="does not offer"):  # noqa: PT012
        writer, reader = bare.do_exchange(PATH("nation"))
        with writer:
            reader.read_chunk()
