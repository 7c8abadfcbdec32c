"""Random and mutated messages, for every command, action and ticket: each gets a status, and none an internal error."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import grpc
import pyarrow as pa
import pytest
from google.protobuf.message import Message

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.attacks.conftest import Attacked
from tests.attacks.fuzz import fill, mutate
from tests.clients.raw import RawClient, flight_data

ANSWERS = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "UNIMPLEMENTED",
    "UNAVAILABLE",  # stands for what is exhausted
}
SQL = [kind for kind in vars(sql).values() if isinstance(kind, type) and issubclass(kind, Message)]
COMMANDS = [kind for kind in SQL if kind.__name__.startswith(("Command", "Ticket"))]
WRAPPED = {
    kind: kind.__name__.removeprefix("Action").removesuffix("Request") for kind in SQL if "Action" in kind.__name__
}
PLAIN = {
    messages.CancelFlightInfoRequest: "CancelFlightInfo",
    messages.RenewFlightEndpointRequest: "RenewFlightEndpoint",
    messages.SetSessionOptionsRequest: "SetSessionOptions",
    messages.GetSessionOptionsRequest: "GetSessionOptions",
    messages.CloseSessionRequest: "CloseSession",
}
ROWS = pa.table({"x": [1, None]})


def descriptor(command: bytes) -> bytes:
    return messages.FlightDescriptor(type=messages.FlightDescriptor.CMD, cmd=command).SerializeToString()


def status(call: Callable[[], object]) -> str:
    """The code's name; raises where the server says that something in it broke."""
    try:
        call()
    except grpc.RpcError as error:
        if "internal error" in (error.details() or ""):
            raise
        return str(error.code().name)
    return "OK"


def send(client: RawClient, kind: type[Message], data: bytes, chance: random.Random) -> str:
    """`data`, a message of `kind` or what is left of one, by a method that takes such messages."""
    if kind in WRAPPED or kind in PLAIN:
        name = WRAPPED.get(kind) or PLAIN[kind]
        return status(lambda: client.action(name, data))
    match chance.randrange(5):
        case 0:
            code = status(lambda: client.unary("GetSchema", descriptor(data)))
            return "PERMISSION_DENIED" if code == "UNKNOWN" else code  # pyarrow keeps no Flight code in this one call
        case 1:
            table = ROWS if chance.random() < 0.5 else None
            return status(lambda: list(client.duplex("DoPut", flight_data(table, descriptor(data)))))
        case 2:
            return status(lambda: list(client.stream("DoGet", messages.Ticket(ticket=data).SerializeToString())))
        case _:
            return status(lambda: client.unary("GetFlightInfo", descriptor(data)))


def attack(server: Attacked, kind: type[Message], count: int) -> None:
    chance = random.Random(kind.__name__)
    codes: Counter[str] = Counter()
    with RawClient(server.uri) as client:
        for number in range(count):
            message = fill(kind, chance)
            data = message.SerializeToString() if kind in PLAIN else wrap(message)
            codes[send(client, kind, data if number % 2 else mutate(data, chance), chance)] += 1
        codes["random"] = 0
        for _ in range(count // 4):
            codes[send(client, kind, chance.randbytes(chance.randint(0, 200)), chance)] += 1
    assert codes.keys() - {"random"} <= ANSWERS, codes


@pytest.mark.parametrize("kind", [*COMMANDS, *WRAPPED, *PLAIN], ids=lambda kind: kind.__name__)
def test_a_few_messages_of_each_kind(survivor: Attacked, kind: type[Message]) -> None:
    attack(survivor, kind, 24)


@pytest.mark.soak
@pytest.mark.parametrize("kind", [*COMMANDS, *WRAPPED, *PLAIN], ids=lambda kind: kind.__name__)
def test_a_thousand_messages_of_each_kind(survivor: Attacked, kind: type[Message]) -> None:
    attack(survivor, kind, 1000)


def test_descriptors_and_bodies_that_are_none(survivor: Attacked) -> None:
    chance = random.Random(11)
    with RawClient(survivor.uri) as client:
        for _ in range(300):
            data = chance.randbytes(chance.randint(0, 100))
            calls: list[Callable[[], object]] = [
                lambda data=data: client.unary("GetFlightInfo", data),
                lambda data=data: list(client.stream("DoGet", data)),
                lambda data=data: list(client.stream("DoAction", data)),
                lambda data=data: list(client.stream("ListFlights", data)),
                lambda data=data: list(client.duplex("DoPut", [data])),
            ]
            # What gRPC itself cannot parse never comes to the service: that is INTERNAL there.
            assert status(chance.choice(calls)) in ANSWERS | {"INTERNAL", "UNKNOWN"}
