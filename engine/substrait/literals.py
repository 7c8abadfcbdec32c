"""Literals of plans as typed constants."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from engine.errors import InvalidPlanError
from engine.literals import literal, type_text
from engine.substrait.proto import algebra_pb2
from engine.substrait.refusals import require_size, unsupported
from engine.substrait.typed_expressions import TypedExpression
from engine.substrait.types import Type, Types

__all__ = ["Literals"]

Literal = algebra_pb2.Expression.Literal

_UNITS = {0: "s", 3: "ms", 6: "us", 9: "ns"}
_UNSIGNED = 1  # the variation of an integer
_INTEGERS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}
_DIRECT: dict[str, tuple[pa.DataType, str]] = {
    "boolean": (pa.bool_(), "BOOLEAN"),
    "fp32": (pa.float32(), "FLOAT"),
    "fp64": (pa.float64(), "DOUBLE"),
    "string": (pa.string(), "VARCHAR"),
    "fixed_char": (pa.string(), "VARCHAR"),
    "binary": (pa.binary(), "BLOB"),
    "fixed_binary": (pa.binary(), "BLOB"),
    "date": (pa.date32(), "DATE"),
    "timestamp": (pa.timestamp("us"), "TIMESTAMP"),
    "timestamp_tz": (pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
    "time": (pa.time64("us"), "TIME"),
}


class Literals:
    """Reads literals. Raises UnsupportedError, with the name, for kinds that are not known, and InvalidPlanError."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._readers: dict[str, Callable[[Any, int], TypedExpression]] = {
            "decimal": self._decimal,
            "var_char": lambda given, _: _scalar(given.value, pa.string(), Type("VARCHAR")),
            "precision_timestamp": lambda given, _: _timestamp(given, zone=None),
            "precision_timestamp_tz": lambda given, _: _timestamp(given, zone="UTC"),
            "precision_time": self._time,
            "interval_year_to_month": lambda given, _: _interval(months=_months(given)),
            "interval_day_to_second": lambda given, _: _interval(days=given.days, nanoseconds=_nanoseconds(given)),
            "interval_compound": self._compound,
            "uuid": self._uuid,
            "null": self._null,
            "list": self._list,
            "empty_list": lambda given, _: self._empty(Type("LIST", members=(self._types.read(given.type),))),
            "struct": self._struct,
            "map": self._map,
        }

    def read(self, given: Literal) -> TypedExpression:
        """A literal as a constant of its type."""
        kind = given.WhichOneof("literal_type")
        if kind is None:
            raise InvalidPlanError("A literal in the plan is empty.")
        value, variation = getattr(given, kind), given.type_variation_reference
        try:
            if kind in _INTEGERS:
                unsigned = variation == _UNSIGNED
                bits = _INTEGERS[kind]
                number = value % 2**bits if unsigned else value
                return _of_arrow(number, getattr(pa, f"{'u' * unsigned}int{bits}")())
            if kind in _DIRECT:
                arrow, name = _DIRECT[kind]
                return _scalar(value, arrow, Type(name))
            if kind in self._readers:
                return self._readers[kind](value, variation)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise InvalidPlanError(f"A literal of the type {kind} in the plan has no such value.") from error
        raise unsupported("literal", kind)

    def _decimal(self, given: Literal.Decimal, _: int) -> TypedExpression:
        if len(given.value) != 16:
            raise InvalidPlanError("A literal of the type decimal in the plan does not have 16 bytes.")
        unscaled = int.from_bytes(given.value, "little", signed=True)
        with decimal.localcontext(decimal.Context(prec=60)):
            value = decimal.Decimal(unscaled).scaleb(-given.scale)
            return _of_arrow(value, pa.decimal128(given.precision, given.scale))

    def _time(self, given: Literal.PrecisionTime, _: int) -> TypedExpression:
        unit = _unit(given.precision, "precision_time")
        fine = pa.time64("ns" if unit == "ns" else "us")
        value = given.value * 10 ** ((9 if unit == "ns" else 6) - given.precision)
        if not 0 <= value < 86_400 * 10 ** (9 if unit == "ns" else 6):
            raise ValueError
        return _scalar(value, fine, Type("TIME_NS" if unit == "ns" else "TIME"))

    def _compound(self, given: Literal.IntervalCompound, _: int) -> TypedExpression:
        rest = given.interval_day_to_second
        return _interval(_months(given.interval_year_to_month), rest.days, _nanoseconds(rest))

    def _uuid(self, given: bytes, _: int) -> TypedExpression:
        return TypedExpression(literal(pa.scalar(given, pa.uuid())), Type("UUID"), is_constant=True)

    def _null(self, given: Any, _: int) -> TypedExpression:
        kind = self._types.read(given)
        return TypedExpression(f"CAST(NULL AS {kind.sql})", kind, is_constant=True)

    def _empty(self, kind: Type) -> TypedExpression:
        return TypedExpression(f"CAST([] AS {kind.sql})", kind, is_constant=True)

    def _list(self, given: Literal.List, _: int) -> TypedExpression:
        items = [self.read(item) for item in given.values]
        if not items:
            raise InvalidPlanError("A literal of the type list in the plan is empty; such are empty_list.")
        return _constant(f"[{', '.join(item.sql for item in items)}]", _list_of(items))

    def _struct(self, given: Literal.Struct, _: int) -> TypedExpression:
        fields = [self.read(field) for field in given.fields]
        if not fields:
            raise unsupported("literal", "struct<>")
        return struct_of(fields)

    def _map(self, given: Literal.Map, _: int) -> TypedExpression:
        keys, values = ([self.read(getattr(p, part)) for p in given.key_values] for part in ("key", "value"))
        if not keys:
            raise InvalidPlanError("A literal of the type map in the plan is empty; such are empty_map.")
        text = f"map([{', '.join(k.sql for k in keys)}], [{', '.join(v.sql for v in values)}])"
        kinds = (_list_of(keys), _list_of(values))
        members = tuple(kind.members[0] for kind in kinds if kind is not None)
        return _constant(text, Type("MAP", members=members) if len(members) == 2 else None)


def struct_of(fields: list[TypedExpression]) -> TypedExpression:
    """A STRUCT of these values, whose fields have numbers for names."""
    text = f"struct_pack({', '.join(f'f{i} := {field.sql}' for i, field in enumerate(fields))})"
    kinds = tuple(field.type for field in fields if field.type is not None)
    names = tuple(f"f{i}" for i in range(len(fields)))
    return _constant(text, Type("STRUCT", members=kinds, fields=names) if len(kinds) == len(fields) else None)


def _constant(text: str, kind: Type | None) -> TypedExpression:
    return TypedExpression(require_size(text), kind, is_constant=True)


def _list_of(items: list[TypedExpression]) -> Type | None:
    kind = items[0].type
    return None if kind is None else Type("LIST", members=(kind,))


def _scalar(value: object, arrow: pa.DataType, kind: Type) -> TypedExpression:
    return TypedExpression(require_size(literal(pa.scalar(value, arrow))), kind, is_constant=True, value=value)


def _of_arrow(value: object, arrow: pa.DataType) -> TypedExpression:
    """A constant of a type that has one word, with numbers for a decimal."""
    name, _, numbers = type_text(arrow).partition("(")
    kind = Type(name, tuple(int(number) for number in numbers.rstrip(")").split(",") if number))
    return _scalar(value, arrow, kind)


def _unit(precision: int, kind: str) -> str:
    if precision not in _UNITS:
        raise unsupported("literal", f"{kind}<{precision}>")
    return _UNITS[precision]


def _timestamp(given: Literal.PrecisionTimestamp, zone: str | None) -> TypedExpression:
    arrow = pa.timestamp(_unit(given.precision, "precision_timestamp"), zone)
    return _scalar(given.value, arrow, Type(type_text(arrow)))


def _interval(months: int = 0, days: int = 0, nanoseconds: int = 0) -> TypedExpression:
    value = pa.MonthDayNano([months, days, nanoseconds])
    return _scalar(value, pa.month_day_nano_interval(), Type("INTERVAL"))


def _months(given: Literal.IntervalYearToMonth) -> int:
    return given.years * 12 + given.months


def _nanoseconds(given: Literal.IntervalDayToSecond) -> int:
    if given.WhichOneof("precision_mode") == "microseconds":
        return given.seconds * 10**9 + given.microseconds * 1000
    if not 0 <= given.precision <= 9:
        raise unsupported("literal", f"interval_day<{given.precision}>")
    subseconds: int = given.subseconds * 10 ** (9 - given.precision)
    return given.seconds * 10**9 + subseconds
