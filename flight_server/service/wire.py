"""Flight SQL's encoding: messages inside of `google.protobuf.Any`, schemas as IPC messages."""

from __future__ import annotations

import re
from typing import TypeVar

import pyarrow as pa
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message

from engine.cache import LruCache
from engine.errors import PlanningError, UnsupportedError
from flight_server.proto import flight, sql

__all__ = ["BadRequestError", "parse", "schema_bytes", "unwrap", "unwrap_or_text", "wrap"]

M = TypeVar("M", bound=Message)

_MESSAGES: dict[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in [*vars(sql).values(), flight.FlightDescriptor]
    if isinstance(kind, type) and issubclass(kind, Message)
}


class BadRequestError(PlanningError):
    """The request is not what the protocol says: bytes that cannot be read, or a handle that is not known."""


def wrap(message: Message) -> bytes:
    """`message` in a serialised Any."""
    envelope = Any(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}", value=message.SerializeToString())
    return envelope.SerializeToString()


def unwrap(data: bytes) -> Message:
    """The Flight SQL message in a serialised Any.

    Raises BadRequestError where `data` is none, or of a message that Flight SQL does not have, and UnsupportedError
    where it belongs to a transaction; an empty id of one is none.
    """
    envelope = parse(Any, data)
    name = envelope.type_url.rpartition("/")[2]
    if not name:
        raise BadRequestError("The request is not a Flight SQL message: a google.protobuf.Any is expected.")
    kind = _MESSAGES.get(name)
    if kind is None:
        raise BadRequestError(f"There is no Flight SQL message {name[:200]!r}.")
    message = parse(kind, envelope.value)
    if getattr(message, "transaction_id", b""):
        raise UnsupportedError("There are no transactions here, so none has this id; send the statement without one.")
    return message


def unwrap_or_text(data: bytes) -> Message:
    """As `unwrap`; what is no Any, and is text, is a statement that a bare Flight client asks for."""
    if _is_wrapped(data):
        return unwrap(data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return unwrap(data)
    return unwrap(data) if _CONTROL.search(text) or not text.strip() else sql.CommandStatementQuery(query=text)


def _is_wrapped(data: bytes) -> bool:
    try:
        return _MESSAGE_NAME.fullmatch(Any.FromString(data).type_url.rpartition("/")[2]) is not None
    except DecodeError:
        return False


_MESSAGE_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def parse(kind: type[M], data: bytes) -> M:
    """`data` as a message of `kind`; BadRequestError where it is none."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise BadRequestError(f"The request is not a valid {kind.DESCRIPTOR.name} message.") from None


_encoded: LruCache[int, tuple[pa.Schema, bytes]] = LruCache(256, lambda _, known: len(known[1]), 4_000_000)


def schema_bytes(schema: pa.Schema) -> bytes:
    """An encapsulated IPC schema message; remembered for the very object, which a text that is asked again has."""
    known = _encoded.get(id(schema))
    if known is None or known[0] is not schema:
        known = schema, schema.serialize().to_pybytes()
        _encoded.put(id(schema), known)
    return known[1]
