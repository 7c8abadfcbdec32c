"""Uploads that are no Arrow data, or not what they say: refused whole, and the table is as it was."""

from __future__ import annotations

import decimal
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator

import grpc
import pyarrow as pa
import pytest
from google.protobuf.message import Message

from flight_server.proto import flight as messages
from flight_server.proto import sql
from tests.attacks.conftest import Attacked
from tests.attacks.fuzz import mutate
from tests.clients.raw import FlightData, RawClient, command_descriptor, flight_data

ROWS = pa.table(
    {
        "i": pa.array([1, None, 3], pa.int64()),
        "s": ["a", None, "ü🙂"],
        "d": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-2.25")], pa.decimal128(10, 2)),
        "l": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "t": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": ""}]),
        "b": pa.array([b"\x00", b"", None]),
    }
)
TYPED = {"INVALID_ARGUMENT", "UNIMPLEMENTED", "INTERNAL", "UNKNOWN", "UNAVAILABLE"}
APPEND = sql.CommandStatementIngest(
    table="uploaded",
    table_definition_options=sql.CommandStatementIngest.TableDefinitionOptions(
        if_not_exist=sql.CommandStatementIngest.TableDefinitionOptions.TABLE_NOT_EXIST_OPTION_CREATE,
        if_exists=sql.CommandStatementIngest.TableDefinitionOptions.TABLE_EXISTS_OPTION_APPEND,
    ),
)
PATH = messages.FlightDescriptor(type=messages.FlightDescriptor.PATH, path=["uploaded"]).SerializeToString()


@pytest.fixture
def client(survivor: Attacked) -> Iterator[RawClient]:
    with RawClient(survivor.uri) as client:
        client.ask(sql.CommandStatementQuery(query="DROP TABLE IF EXISTS uploaded"))
        assert client.update(APPEND, ROWS) == 3
        yield client
        client.ask(sql.CommandStatementQuery(query="DROP TABLE uploaded"))


def count(client: RawClient) -> int:
    """The rows of the table, all of whose values are read."""
    table = client.ask(sql.CommandStatementQuery(query="SELECT * FROM uploaded"))
    table.validate(full=True)
    return int(table.num_rows)


def send(client: RawClient, parts: list[bytes]) -> str:
    """The status of an upload."""
    try:
        list(client.duplex("DoPut", parts))
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@pytest.mark.parametrize("descriptor", [PATH, command_descriptor(APPEND)], ids=["path", "ingest"])
@pytest.mark.parametrize("place", ["header", "body", "anywhere"])
def test_bytes_that_were_changed(client: RawClient, descriptor: bytes, place: str) -> None:
    """What is valid all the same is stored whole, the rest not at all."""
    chance = random.Random(f"{place}{len(descriptor)}")
    parts = flight_data(ROWS, descriptor)
    rows, codes, stored = 3, Counter[str](), 0
    for turn in range(150):
        changed = list(parts)
        number = chance.randrange(len(changed))
        if place == "anywhere":
            changed[number] = mutate(changed[number], chance)
        else:
            changed[number] = with_change(changed[number], place, lambda data: mutate(data, chance))
        code = send(client, changed)
        codes[code] += 1
        stored += code == "OK"
        if turn % 10 == 9:
            now = count(client)
            assert now in range(rows, rows + 3 * stored + 1, 3), codes
            rows, stored = now, 0
    assert codes.keys() <= TYPED | {"OK"}, codes
    assert len(codes) > 1


def with_change(part: bytes, place: str, change: Callable[[bytes], bytes]) -> bytes:
    """A FlightData message with the bytes of a field changed."""
    data = FlightData.FromString(part)
    setattr(data, place, change(getattr(data, place)))
    changed: bytes = data.SerializeToString()
    return changed


def offsets(*values: int) -> bytes:
    return struct.pack("<4i", *values)


# What stands in the body of the rows, and what is put in its place.
LIES = {
    "offsets beyond the data": (offsets(0, 1, 1, 7), offsets(0, 1, 1, 2**30)),
    "offsets that go back": (offsets(0, 1, 1, 7), offsets(0, 5, 1, 7)),
    "negative offsets": (offsets(0, 1, 1, 7), offsets(-5, 1, 1, 7)),
    "no UTF-8": ("aü🙂".encode(), b"\xff" * 7),
    "digits beyond the precision": ((150).to_bytes(16, "little"), b"\x7f" * 16),
    "lists beyond their values": (offsets(0, 2, 2, 2), offsets(0, 2, 2, 900)),
}


def false_upload(descriptor: bytes, lie: str) -> list[bytes]:
    """An upload whose buffers do not fit together."""
    schema, batch = flight_data(ROWS, descriptor)
    true, false = LIES[lie]
    assert FlightData.FromString(batch).body.count(true) == 1
    return [schema, with_change(batch, "body", lambda body: body.replace(true, false))]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("descriptor", [PATH, command_descriptor(APPEND)], ids=["path", "ingest"])
def test_buffers_that_do_not_fit_together(client: RawClient, descriptor: bytes, lie: str) -> None:
    (_, good), (schema, bad) = flight_data(ROWS, descriptor), false_upload(descriptor, lie)
    assert send(client, [schema, good, bad]) == "INVALID_ARGUMENT"
    assert count(client) == 3


@pytest.mark.parametrize("descriptor", [PATH, command_descriptor(APPEND)], ids=["path", "ingest"])
def test_uploads_that_are_cut_off(client: RawClient, descriptor: bytes) -> None:
    """Within the data of a message. Between two messages, a stream that its client ended is whole."""
    parts = flight_data(pa.concat_tables([ROWS] * 50).combine_chunks(), descriptor, max_rows=30)
    assert len(parts) == 6
    for number, part in enumerate(parts):
        whole = FlightData.FromString(part)
        for place, size in (("header", len(whole.header)), ("body", len(whole.body))):
            # Without any header it would be a message without data, which is none of its kind.
            for kept in {1, size // 2, 0 if place == "body" else size - 1} if size else ():
                cut = with_change(part, place, lambda data, kept=kept: data[:kept])
                assert send(client, [*parts[:number], cut, *parts[number + 1 :]]) in TYPED, (number, place, kept)
    assert count(client) == 3
    assert send(client, parts) == "OK"
    assert count(client) == 153


@pytest.mark.parametrize("descriptor", [PATH, command_descriptor(APPEND)], ids=["path", "ingest"])
def test_clients_that_leave(client: RawClient, descriptor: bytes) -> None:
    """Before the end of their upload, by cancelling the call."""

    def endless() -> Iterator[bytes]:
        yield from flight_data(ROWS, descriptor)
        yield call_again()

    def call_again() -> bytes:
        call.cancel()
        return b""

    call = client.duplex("DoPut", endless())
    with pytest.raises(grpc.RpcError):
        list(call)
    assert count(client) == 3


MESSAGES: list[Message] = [
    sql.CommandPreparedStatementQuery(prepared_statement_handle=b"x" * 16),
    sql.CommandPreparedStatementUpdate(prepared_statement_handle=b"x" * 16),
    sql.CommandStatementUpdate(query="SELECT 1"),
]


@pytest.mark.parametrize("command", MESSAGES, ids=lambda command: command.DESCRIPTOR.name)
def test_data_for_what_takes_none(client: RawClient, command: Message) -> None:
    for lie in LIES:
        assert send(client, false_upload(command_descriptor(command), lie)) in TYPED | {"OK"}, lie
    assert count(client) == 3
