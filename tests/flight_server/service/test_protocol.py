"""What is not the protocol: each gets the right status and a clear text, and the server lives."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pyarrow as pa
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from pyarrow import flight

from flight_server.endpoint import TicketSigner
from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.clients.raw import RawClient
from tests.flight_server.conftest import Served

SERVICE = "/arrow.flight.protocol.FlightService/"


@pytest.fixture
def channel(served: Served) -> Iterator[grpc.Channel]:
    """A channel without any Flight library."""
    with grpc.insecure_channel(served.uri.removeprefix("grpc://")) as channel:
        yield channel


def command(data: bytes) -> bytes:
    kind = messages.FlightDescriptor.CMD
    return messages.FlightDescriptor(type=kind, cmd=data).SerializeToString()


def status(channel: grpc.Channel, method: str, request: bytes) -> tuple[grpc.StatusCode, str]:
    """How the server answers raw bytes."""
    single = method in ("GetFlightInfo", "GetSchema")
    call = (channel.unary_unary if single else channel.unary_stream)(SERVICE + method)
    try:
        answer = call(request, timeout=20)
        _ = answer if single else list(answer)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "a google.protobuf.Any is expected"),
        (b"SELECT \x01", "not a valid Any message"),
        (b"SELEC 1", "Syntax error"),
        (b"\xff\xff\xff", "not a valid Any message"),
        (Any(type_url="x/arrow.flight.protocol.sql.CommandNoSuch").SerializeToString(), "no Flight SQL message"),
        (Any(type_url="type.googleapis.com/google.protobuf.Duration").SerializeToString(), "no Flight SQL message"),
        (
            Any(type_url="x/arrow.flight.protocol.sql.CommandGetTables", value=b"\xff").SerializeToString(),
            "not a valid CommandGetTables message",
        ),
    ],
)
def test_commands_that_cannot_be_read(channel: grpc.Channel, data: bytes, text: str) -> None:
    for method in ("GetFlightInfo", "GetSchema"):
        code, details = status(channel, method, command(data))
        assert code is grpc.StatusCode.INVALID_ARGUMENT, details
        assert text in details


def test_the_type_is_what_follows_the_last_slash(channel: grpc.Channel) -> None:
    for url in ("arrow.flight.protocol.sql.CommandGetCatalogs", "a/b/arrow.flight.protocol.sql.CommandGetCatalogs"):
        assert status(channel, "GetFlightInfo", command(Any(type_url=url).SerializeToString()))[0] is grpc.StatusCode.OK


@pytest.mark.parametrize(
    "message",
    [
        sql.TicketStatementQuery(statement_handle=b"x"),
        sql.ActionBeginTransactionRequest(),
    ],
)
def test_messages_that_are_not_offered(channel: grpc.Channel, message: Message) -> None:
    code, details = status(channel, "GetFlightInfo", command(wrap(message)))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert message.DESCRIPTOR.name in details


@pytest.mark.parametrize(
    "ticket",
    [
        b"",
        b"\x00",
        b"nation",
        bytes(range(256)),
        wrap(sql.CommandGetCatalogs()),
        wrap(sql.TicketStatementQuery(statement_handle=b"\x00" * 16)),
    ],
)
def test_tickets_that_nobody_made(channel: grpc.Channel, ticket: bytes) -> None:
    code, details = status(channel, "DoGet", messages.Ticket(ticket=ticket).SerializeToString())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "ticket is not valid" in details


def test_an_altered_ticket_opens_nothing(client: flight.FlightClient, channel: grpc.Channel) -> None:
    descriptor = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query="SELECT 1")))
    ticket = bytearray(client.get_flight_info(descriptor).endpoints[0].ticket.ticket)
    assert status(channel, "DoGet", messages.Ticket(ticket=bytes(ticket)).SerializeToString())[0] is grpc.StatusCode.OK
    for at in range(0, len(ticket), 7):
        altered = ticket[:at] + bytes([ticket[at] ^ 1]) + ticket[at + 1 :]
        code, _ = status(channel, "DoGet", messages.Ticket(ticket=bytes(altered)).SerializeToString())
        assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_foreign_server_s_ticket_opens_nothing(channel: grpc.Channel) -> None:
    ticket = TicketSigner.generate().seal(wrap(sql.CommandGetCatalogs()), "anonymous", 2e12)
    code, _ = status(channel, "DoGet", messages.Ticket(ticket=ticket).SerializeToString())
    assert code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("NoSuchAction", b"", grpc.StatusCode.UNIMPLEMENTED),
        ("CreatePreparedStatement", b"", grpc.StatusCode.INVALID_ARGUMENT),
        ("CreatePreparedStatement", b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        ("CreatePreparedStatement", wrap(sql.CommandGetCatalogs()), grpc.StatusCode.INVALID_ARGUMENT),
        ("ClosePreparedStatement", b"", grpc.StatusCode.INVALID_ARGUMENT),
        ("ClosePreparedStatement", wrap(sql.CommandGetCatalogs()), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_actions_that_cannot_be_done(channel: grpc.Channel, name: str, body: bytes, code: grpc.StatusCode) -> None:
    # Action: 1 string type, 2 bytes body
    request = b"\x0a" + varint(len(name)) + name.encode() + b"\x12" + varint(len(body)) + body
    assert status(channel, "DoAction", request)[0] is code


def varint(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes(data) + bytes([number])


@pytest.mark.parametrize(("transaction", "taken"), [(None, True), (b"", True), (b"unknown", False)])
def test_there_are_no_transactions_and_an_empty_id_is_none(
    served: Served, transaction: bytes | None, taken: bool
) -> None:
    name = f"in_transaction_{transaction is None}_{taken}"
    within = {} if transaction is None else {"transaction_id": transaction}
    replace = sql.CommandStatementIngest.TableDefinitionOptions(if_not_exist=1, if_exists=3)
    ingest = sql.CommandStatementIngest(table=name, table_definition_options=replace, **within)
    select = sql.CommandStatementQuery(query="SELECT 1 AS x", **within)
    prepare = sql.ActionCreatePreparedStatementRequest(query="SELECT 1 AS x", **within)
    with RawClient(served.uri) as raw:
        doors: dict[str, Callable[[], object]] = {
            "query": lambda: raw.ask(select),
            "schema": lambda: raw.unary("GetSchema", command(wrap(select))),
            "prepare": lambda: raw.action("CreatePreparedStatement", wrap(prepare)),
            "ingest": lambda: raw.update(ingest, pa.table({"x": [1]})),
            "update": lambda: raw.update(sql.CommandStatementUpdate(query=f"DROP TABLE IF EXISTS {name}", **within)),
        }
        for call in doors.values():
            if taken:
                call()
                continue
            with pytest.raises(grpc.RpcError, match="There are no transactions here") as caught:
                call()
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("text", ["SELECT 42 AS x", "\n SELECT 42 AS x -- a/b", "I\u00f1valid"])
def test_a_command_that_is_text_is_a_statement(client: flight.FlightClient, text: str) -> None:
    descriptor = flight.FlightDescriptor.for_command(text.encode())
    if text.startswith("I"):
        with pytest.raises(pa.ArrowInvalid, match="Syntax error"):
            client.get_flight_info(descriptor)
        return
    info = client.get_flight_info(descriptor)
    assert client.do_get(info.endpoints[0].ticket).read_all().to_pylist() == [{"x": 42}]
    assert client.get_schema(descriptor).schema == pa.schema([("x", pa.int32())])


def test_handles_that_nobody_has(channel: grpc.Channel) -> None:
    for handle in (b"", b"x", b"x" * 16, b"x" * 32):
        request = sql.CommandPreparedStatementQuery(prepared_statement_handle=handle)
        code, details = status(channel, "GetFlightInfo", command(wrap(request)))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "none of the open prepared statements" in details


def test_random_bytes_and_mutated_messages(channel: grpc.Channel, client: flight.FlightClient) -> None:
    chance = random.Random(7)
    good = [wrap(sql.CommandStatementQuery(query="SELECT 1")), wrap(sql.CommandGetTables(include_schema=True))]
    allowed = {"OK", "INVALID_ARGUMENT", "UNIMPLEMENTED", "UNAUTHENTICATED", "NOT_FOUND", "PERMISSION_DENIED"}
    for _ in range(300):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        code, details = status(channel, "GetFlightInfo", command(bytes(data)))
        assert code.name in allowed, details
        code, details = status(channel, "DoGet", messages.Ticket(ticket=chance.randbytes(80)).SerializeToString())
        assert code is grpc.StatusCode.INVALID_ARGUMENT, details
    assert client.get_schema(flight.FlightDescriptor.for_path("nation")).schema.names[0] == "n_nationkey"


def test_handshake_with_and_without_credentials(served: Served) -> None:
    with flight.connect(served.uri) as client:
        name, value = client.authenticate_basic_token("ann", "secret")
        assert name == b"authorization"
        assert value.startswith(b"Bearer ")
        options = flight.FlightCallOptions(headers=[(name, value)])
        assert client.get_schema(flight.FlightDescriptor.for_path("nation"), options).schema.names


def test_adbc_with_user_and_password(served: Served) -> None:
    with (
        flight_sql.connect(served.uri, {"username": "ann", "password": "a:b"}, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_actions_are_listed(client: flight.FlightClient) -> None:
    assert {action.type for action in client.list_actions()} >= {
        "ClosePreparedStatement",
        "CreatePreparedStatement",
        "CloseSession",
        "GetSessionOptions",
        "SetSessionOptions",
    }


def test_an_upload_that_is_no_arrow_stream(channel: grpc.Channel, client: flight.FlightClient) -> None:
    # FlightData: 1 descriptor, 2 bytes data_header, 1000 bytes data_body
    path = messages.FlightDescriptor(type=messages.FlightDescriptor.PATH, path=["garbage"]).SerializeToString()
    call = channel.stream_stream(SERVICE + "DoPut")
    for header in (b"", b"\x00" * 8, b"\xff" * 64):
        data = b"\x0a" + varint(len(path)) + path + b"\x12" + varint(len(header)) + header
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([data]), timeout=20))
        assert caught.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNKNOWN), caught.value
    with pytest.raises(pa.ArrowKeyError):
        client.get_flight_info(flight.FlightDescriptor.for_path("garbage"))
