"""Random protobuf messages: fields filled with what is odd, and bytes changed at random."""

from __future__ import annotations

import random

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

__all__ = ["fill", "mutate"]

_TEXTS = (
    "",
    "nation",
    "main",
    "grism",
    "temp",
    "NATION",
    "%",
    "_%_",
    "\\",
    "a" * 5000,
    "\x00",
    "../secrets",
    "/etc/passwd",
    "ü🙂\u202e",
    "SELECT 1",
    "SELECT ?",
    "SELECT * FROM nation",
    "SELECT * FROM information_schema.tables",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "DESCRIBE nation",
    "INSERT INTO nation VALUES (1)",
    "CREATE TABLE fuzzed AS SELECT 1 AS x",
    "DROP TABLE IF EXISTS fuzzed",
    "SELECT (((((((((((",
    "SELECT 1; SELECT 2",
    "'",
    '"',
    "--",
    "/*",
)
_OPTIONS = ("catalog", "schema", "timeout", "partitions")
_NUMBERS = (0, 1, 2, 3, 8, 500, 517, 576, 2**31 - 1, -1, -(2**31))


def fill(kind: type[Message], chance: random.Random, depth: int = 0) -> Message:
    """A message of `kind` with some of its fields set."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.3:
            continue
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                _fill_map(message, field, chance, depth)
            elif depth < 2 and not field.is_repeated:
                inner = getattr(message, field.name)
                inner.CopyFrom(fill(type(inner), chance, depth + 1))
        elif field.is_repeated:
            getattr(message, field.name).extend(_value(field, chance) for _ in range(chance.randint(0, 4)))
        else:
            setattr(message, field.name, _value(field, chance))
    return message


def _fill_map(message: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    entries, value = getattr(message, field.name), field.message_type.fields_by_name["value"]
    for name in (chance.choice(_TEXTS), *chance.sample(_OPTIONS, 2)):
        if value.message_type is None:
            entries[name] = chance.choice(_TEXTS)
        else:
            entries[name].CopyFrom(fill(type(entries[name]), chance, depth + 1))


def mutate(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few bytes changed, added or taken out, or cut off."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0 if place < len(changed):
                changed[place] = chance.randrange(256)
            case 1:
                changed[place:place] = chance.randbytes(chance.randint(1, 8))
            case 2:
                del changed[place : place + chance.randint(1, 8)]
            case _ if chance.random() < 0.3:
                del changed[place:]
    return bytes(changed)


def _value(field: FieldDescriptor, chance: random.Random) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return chance.randbytes(chance.choice((0, 1, 16, 32, 200)))
        case FieldDescriptor.CPPTYPE_STRING:
            return chance.choice(_TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_ENUM:
            return chance.choice(field.enum_type.values).number
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice((0.0, -1.0, float("nan"), float("inf"), 1e300))
        case FieldDescriptor.CPPTYPE_UINT32:
            return abs(chance.choice(_NUMBERS))
        case _:
            return chance.choice(_NUMBERS)
