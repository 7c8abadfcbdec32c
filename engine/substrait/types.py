"""Types of plans as those of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidPlanError
from engine.substrait.declarations import Declarations
from engine.substrait.proto import type_pb2
from engine.substrait.refusals import identifier, unsupported

__all__ = [
    "BIGINT",
    "BOOLEAN",
    "DATE",
    "DOUBLE",
    "FLOATS",
    "INTEGER",
    "INTEGERS",
    "VARCHAR",
    "Type",
    "Types",
    "decimal",
    "timestamp",
]

_MAX_PRECISION = 38
_PLAIN = {
    "bool": "BOOLEAN",
    "i8": "TINYINT",
    "i16": "SMALLINT",
    "i32": "INTEGER",
    "i64": "BIGINT",
    "fp32": "FLOAT",
    "fp64": "DOUBLE",
    "string": "VARCHAR",
    "fixed_char": "VARCHAR",
    "varchar": "VARCHAR",
    "binary": "BLOB",
    "fixed_binary": "BLOB",
    "timestamp": "TIMESTAMP",
    "timestamp_tz": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "time": "TIME",
    "interval_year": "INTERVAL",
    "interval_day": "INTERVAL",
    "interval_compound": "INTERVAL",
    "uuid": "UUID",
}
_UNSIGNED = {"i8": "UTINYINT", "i16": "USMALLINT", "i32": "UINTEGER", "i64": "UBIGINT"}
_TIMESTAMPS = {0: "TIMESTAMP_S", 3: "TIMESTAMP_MS", 6: "TIMESTAMP", 9: "TIMESTAMP_NS"}
_UNSIGNED_VARIATION = 1
# Of DataFusion, which does not declare them: other Arrow layouts of the same values.
_SAME_VALUES = frozenset({"string", "binary", "list", "map", "decimal", "date", "precision_time"})


@dataclass(frozen=True)
class Type:
    """A type of the kernel: its name, with numbers in brackets, or with members, which `fields` name in a STRUCT."""

    name: str
    numbers: tuple[int, ...] = ()
    members: tuple[Type, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """The type as the dialect writes it."""
        if self.name == "LIST":
            return f"{self.members[0].sql}[]"
        if self.name == "MAP":
            return f"MAP({self.members[0].sql}, {self.members[1].sql})"
        if self.name == "STRUCT":
            pairs = zip(self.fields, self.members, strict=True)
            return f"STRUCT({', '.join(f'{identifier(name)} {member.sql}' for name, member in pairs)})"
        return f"{self.name}({', '.join(map(str, self.numbers))})" if self.numbers else self.name

    @property
    def scale(self) -> int:
        """The digits behind the point of a DECIMAL; 0 of integers."""
        return self.numbers[1] if self.name == "DECIMAL" else 0


BOOLEAN, INTEGER, BIGINT, DOUBLE = Type("BOOLEAN"), Type("INTEGER"), Type("BIGINT"), Type("DOUBLE")
VARCHAR, DATE = Type("VARCHAR"), Type("DATE")
INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", *_UNSIGNED.values()})
FLOATS = frozenset({"FLOAT", "DOUBLE"})


def decimal(precision: int, scale: int) -> Type:
    """A DECIMAL; as wide as one can be where it would be wider."""
    return Type("DECIMAL", (min(_MAX_PRECISION, precision), min(_MAX_PRECISION, scale)))


def timestamp(precision: int) -> Type:
    """A timestamp without a zone of so many digits of a second; UnsupportedError where the kernel has none such."""
    found = _TIMESTAMPS.get(precision)
    if found is None:
        raise unsupported("type", f"precision_timestamp<{precision}>")
    return Type(found)


class Types:
    """Reads types. Raises UnsupportedError, with the name, for those that are not known, and InvalidPlanError."""

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self._in_alias = False

    def read(self, message: type_pb2.Type) -> Type:
        """The kernel's type for one of a plan; fields of a STRUCT have numbers for names."""
        return self._read(message, _field_names)

    def columns(self, schema: type_pb2.NamedStruct) -> list[tuple[str, Type]]:
        """The columns of a named struct, whose names are those of nested fields too, depth first."""
        names = iter(schema.names)

        def take(count: int) -> Iterator[str]:
            del count
            yield from names

        columns = []
        for message in schema.struct.types:
            name = next(names, None)
            if name is None:
                raise InvalidPlanError("A schema in the plan has fewer names than columns.")
            columns.append((name, self._read(message, take)))
        if next(names, None) is not None:
            raise InvalidPlanError("A schema in the plan has more names than columns.")
        return columns

    def _read(self, message: type_pb2.Type, names: Callable[[int], Iterator[str]]) -> Type:
        kind = message.WhichOneof("kind")
        if kind is None:
            raise InvalidPlanError("A type in the plan is empty.")
        given = getattr(message, kind)
        if kind == "alias":
            return self._alias(given.type_alias_reference, names)
        if kind == "user_defined":
            raise unsupported("type", self._declarations.type_name(given.type_reference))
        if kind == "user_defined_type_reference":
            raise unsupported("type", self._declarations.type_name(given))
        variation = getattr(given, "type_variation_reference", 0)
        if variation and (declared := self._declarations.variation(variation)) is not None:
            raise unsupported("type variation", declared)
        if variation == _UNSIGNED_VARIATION and kind in _UNSIGNED:
            return Type(_UNSIGNED[kind])
        if variation and kind not in _SAME_VALUES:
            raise unsupported("type variation", f"{kind}[{variation}]")
        return self._of_kind(kind, given, names)

    def _alias(self, anchor: int, names: Callable[[int], Iterator[str]]) -> Type:
        """What an alias stands for. In it is no other one: each could hold the next twice, and none has to end."""
        if self._in_alias:
            raise unsupported("type", "alias in an alias")
        self._in_alias = True
        try:
            return self._read(self._declarations.type_alias(anchor), names)
        finally:
            self._in_alias = False

    def _of_kind(self, kind: str, given: Any, names: Callable[[int], Iterator[str]]) -> Type:
        if kind in _PLAIN:
            return Type(_PLAIN[kind])
        match kind:
            case "decimal":
                if not (1 <= given.precision <= _MAX_PRECISION and 0 <= given.scale <= given.precision):
                    raise unsupported("type", f"decimal<{given.precision},{given.scale}>")
                return decimal(given.precision, given.scale)
            case "precision_timestamp":
                return timestamp(given.precision)
            case "precision_timestamp_tz":
                timestamp(given.precision)
                return Type("TIMESTAMPTZ_NS" if given.precision > 6 else "TIMESTAMP WITH TIME ZONE")
            case "precision_time":
                return Type("TIME_NS" if given.precision > 6 else "TIME")
            case "list":
                return Type("LIST", members=(self._read(given.type, names),))
            case "map":
                return Type("MAP", members=(self._read(given.key, names), self._read(given.value, names)))
            case "struct":
                return self._struct(given.types, names)
        raise unsupported("type", kind)

    def _struct(self, types: Sequence[type_pb2.Type], names: Callable[[int], Iterator[str]]) -> Type:
        if not types:
            raise unsupported("type", "struct<>")
        given = names(len(types))
        fields, members = [], []
        for message in types:
            name = next(given, None)
            if name is None:
                raise InvalidPlanError("A schema in the plan has fewer names than columns.")
            fields.append(name)
            members.append(self._read(message, names))
        return Type("STRUCT", members=tuple(members), fields=tuple(fields))


def _field_names(count: int) -> Iterator[str]:
    return (f"f{i}" for i in range(count))
