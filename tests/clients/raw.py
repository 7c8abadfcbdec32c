"""A client without any Flight library: Flight's messages as protobuf over grpcio.

It sends what a test says, in the order that it says; that is how drivers are replayed that do not run here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as Envelope
from google.protobuf.message import Message
from pyarrow import ipc

from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.wire import wrap

__all__ = ["FlightData", "RawClient", "command_descriptor", "flight_data", "read_stream"]

SERVICE = "/arrow.flight.protocol.FlightService/"
_TYPES = descriptor_pb2.FieldDescriptorProto
_CONTINUATION = b"\xff\xff\xff\xff"


def _declare(**declared: dict[str, int]) -> dict[str, Any]:
    """Message classes of bytes fields by number; that of an inner message is read and written as bytes too."""
    file = descriptor_pb2.FileDescriptorProto(name="raw_flight.proto", package="tests.raw", syntax="proto3")
    for name, numbers in declared.items():
        message = file.message_type.add(name=name)
        for field_name, number in numbers.items():
            message.field.add(name=field_name, number=number, type=_TYPES.TYPE_BYTES, label=_TYPES.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tests.raw.{name}")) for name in declared}


_RAW = _declare(
    FlightData={"descriptor": 1, "header": 2, "app_metadata": 3, "body": 1000},
    Action={"type": 1, "body": 2},
    Result={"body": 1},
    PutResult={"app_metadata": 1},
    Handshake={"payload": 2},
    SchemaResult={"schema": 1},
)

FlightData = _RAW["FlightData"]


def flight_data(table: pa.Table | None, descriptor: bytes, max_rows: int | None = None) -> list[bytes]:
    """The FlightData messages of an upload; without a table only the descriptor, as Go's ExecuteUpdate sends it."""
    if table is None:
        return [FlightData(descriptor=descriptor).SerializeToString()]
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_rows)
    parts = []
    for message in ipc.MessageReader.open_stream(sink.getvalue()):
        body = b"" if message.body is None else message.body.to_pybytes()
        parts.append(FlightData(header=message.metadata.to_pybytes(), body=body))
    parts[0].descriptor = descriptor
    return [part.SerializeToString() for part in parts]


def read_stream(parts: Iterable[bytes]) -> pa.Table:
    """The rows of a DoGet."""
    stream = bytearray()
    for part in parts:
        data = FlightData.FromString(part)
        header = data.header + b"\0" * (-len(data.header) % 8)
        stream += _CONTINUATION + len(header).to_bytes(4, "little") + header + data.body
    return ipc.open_stream(pa.py_buffer(bytes(stream))).read_all()


@dataclass
class RawClient:
    """A channel, and the headers that go with each call. `agent` is what the user agent begins with."""

    uri: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    timeout: float = 20.0
    agent: str = ""

    def __post_init__(self) -> None:
        # A connection of its own, and not one that other channels have, and their session.
        options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
        if self.agent:
            options.append(("grpc.primary_user_agent", self.agent))
        self.channel = grpc.insecure_channel(self.uri.removeprefix("grpc://"), options=options)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def unary(self, method: str, request: bytes) -> bytes:
        """GetFlightInfo and GetSchema."""
        answer: bytes = self.channel.unary_unary(SERVICE + method)(request, timeout=self.timeout, metadata=self.headers)
        return answer

    def stream(self, method: str, request: bytes) -> Iterator[bytes]:
        """DoGet, DoAction, ListFlights, ListActions."""
        call: Iterator[bytes] = self.channel.unary_stream(SERVICE + method)(
            request, timeout=self.timeout, metadata=self.headers
        )
        return call

    def duplex(self, method: str, requests: Iterable[bytes]) -> Any:
        """DoPut and Handshake; the call, to iterate over or to cancel."""
        return self.channel.stream_stream(SERVICE + method)(iter(requests), timeout=self.timeout, metadata=self.headers)

    # ---- what drivers do

    def handshake(self, authorization: str) -> str:
        """Log in by Basic, keep the token that the server answers with, and return it."""
        call = self.channel.stream_stream(SERVICE + "Handshake")(
            iter([_RAW["Handshake"]().SerializeToString()]),
            timeout=self.timeout,
            metadata=[*self.headers, ("authorization", authorization)],
        )
        assert len(list(call)) == 1  # Rust's client waits for one
        answered = {**dict(call.initial_metadata()), **dict(call.trailing_metadata())}
        token: str = answered["authorization"]
        self.headers.append(("authorization", token))
        return token

    def info(self, command: Message) -> messages.FlightInfo:
        """GetFlightInfo."""
        return messages.FlightInfo.FromString(self.unary("GetFlightInfo", command_descriptor(command)))

    def schema(self, command: Message) -> pa.Schema:
        """GetSchema."""
        answer = _RAW["SchemaResult"].FromString(self.unary("GetSchema", command_descriptor(command)))
        return ipc.read_schema(pa.py_buffer(answer.schema))

    def get(self, info: messages.FlightInfo) -> pa.Table:
        """DoGet of every endpoint, one after the other."""
        tables = [read_stream(self.stream("DoGet", e.ticket.SerializeToString())) for e in info.endpoint]
        return pa.concat_tables(tables)

    def ask(self, command: Message) -> pa.Table:
        """GetFlightInfo, then DoGet; the stream has to have the schema that was told."""
        info = self.info(command)
        told = ipc.read_schema(pa.py_buffer(info.schema))
        table = self.get(info)
        assert table.schema.equals(told, check_metadata=True)
        return table

    def put(self, command: Message, table: pa.Table | None = None) -> list[bytes]:
        """DoPut; what the server answered, as application metadata."""
        call = self.duplex("DoPut", flight_data(table, command_descriptor(command)))
        return [_RAW["PutResult"].FromString(answer).app_metadata for answer in call]

    def update(self, command: Message, table: pa.Table | None = None) -> int:
        """DoPut of something with effects; how many rows it changed."""
        (answer,) = self.put(command, table)
        return sql.DoPutUpdateResult.FromString(answer).record_count

    def action(self, name: str, body: bytes) -> list[bytes]:
        """DoAction; the bodies of its results."""
        request = _RAW["Action"](type=name.encode(), body=body).SerializeToString()
        return [_RAW["Result"].FromString(answer).body for answer in self.stream("DoAction", request)]

    def prepare(self, query: str) -> sql.ActionCreatePreparedStatementResult:
        """CreatePreparedStatement."""
        request = sql.ActionCreatePreparedStatementRequest(query=query)
        (answer,) = self.action("CreatePreparedStatement", wrap(request))
        return sql.ActionCreatePreparedStatementResult.FromString(Envelope.FromString(answer).value)

    def close_prepared(self, handle: bytes) -> None:
        """ClosePreparedStatement, which answers with nothing."""
        request = sql.ActionClosePreparedStatementRequest(prepared_statement_handle=handle)
        assert self.action("ClosePreparedStatement", wrap(request)) == []


def command_descriptor(command: Message) -> bytes:
    """A serialised FlightDescriptor with a Flight SQL command."""
    return messages.FlightDescriptor(type=messages.FlightDescriptor.CMD, cmd=wrap(command)).SerializeToString()
