"""The types that may enter, and the type as which each goes on."""

from __future__ import annotations

import json
from typing import NoReturn

import pyarrow as pa
import pyarrow.types as pt

from engine.arrow_input.intervals import NUMBERED
from engine.errors import InvalidDataError, UnsupportedError

__all__ = [
    "EXTENSION",
    "EXTENSION_METADATA",
    "OPAQUE",
    "entering_field",
    "entering_schema",
    "extension_name",
    "has_extension",
]

EXTENSION, EXTENSION_METADATA = b"ARROW:extension:name", b"ARROW:extension:metadata"
"""Keys of a field's metadata where nobody here has a class for its extension type."""

OPAQUE = {
    "hugeint": pa.binary(16),
    "uhugeint": pa.binary(16),
    "time_tz": pa.binary(8),
    "bit": pa.binary(),
    "bignum": pa.binary(),
}
"""The kernel's own opaque types and what their values lie in."""

_VENDOR = "DuckDB"
_MAX_PRECISION = 38
_MAX_ARRAY = 100_000  # items: the kernel's own limit
_COORDINATE_SYSTEMS = ("OGC:CRS83", "OGC:CRS84")  # that the kernel knows; it drops all others
_ALIKE = frozenset(
    {
        *(pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(), pa.float64()),
        *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.date32(), pa.date64()),
        *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        *(pa.duration("s"), pa.duration("ms"), pa.duration("us"), pa.duration("ns")),
        pa.month_day_nano_interval(),
    }
)
_OF_PYARROW = ("arrow.uuid", "arrow.json", "arrow.bool8", "arrow.opaque")
_INSTEAD = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}


def entering_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` with each field as `entering_field` has it. Raises what that raises."""
    return pa.schema([entering_field(schema.field(i)) for i in range(len(schema))], schema.metadata)


def entering_field(field: pa.Field) -> pa.Field:
    """The field as which a column enters: its values are the same, its type is one that the kernel takes safely.

    Raises InvalidDataError for an extension type that is not what it says, and for names that are none;
    UnsupportedError for types that are not taken. Both name the column.
    """
    _Reader(_name(field)).check_name(_name(field))
    return _Reader(_name(field)).field(field)


def check_stored(schema: pa.Schema) -> None:
    """Look at the types of a stored table, which need not be one of ours.

    What only loses by being read stays readable: geometries of coordinate systems that are not known, and variants.
    Raises as `entering_field` for the types that the kernel does not take safely.
    """
    for i in range(len(schema)):
        _Reader(_name(schema.field(i)), stored=True).field(schema.field(i))


def extension_name(field: pa.Field) -> str:
    """The name of a field's extension type; empty where it has none."""
    if isinstance(field.type, pa.BaseExtensionType):
        return str(field.type.extension_name)
    return str((field.metadata or {}).get(EXTENSION, b""), errors="replace")


def has_extension(field: pa.Field, name: str) -> bool:
    """Whether a field of an entering type, or one inside of it, has the extension type of this name."""
    kind = field.type
    if extension_name(field) == name:
        return True
    if isinstance(kind, pa.BaseExtensionType):
        return False
    inside = [kind.key_field, kind.item_field] if pt.is_map(kind) else [kind.field(i) for i in range(kind.num_fields)]
    return any(has_extension(child, name) for child in inside)


def _name(field: pa.Field) -> str:
    try:
        return str(field.name)
    except UnicodeDecodeError:
        raise InvalidDataError("The name of a column is not valid UTF-8.") from None


class _Reader:
    """Reads the type of one column, at every depth."""

    def __init__(self, column: str, *, stored: bool = False) -> None:
        self._column = column
        self._stored = stored

    def check_name(self, name: str) -> None:
        if "\0" in name:
            raise InvalidDataError(f"The name {name!r} has a NUL character; rename the column.")

    def field(self, field: pa.Field) -> pa.Field:
        """A field of any depth, with the metadata of its extension type where it keeps one."""
        kind, extension = field.type, extension_name(field)
        metadata = {k: v for k, v in (field.metadata or {}).items() if k not in (EXTENSION, EXTENSION_METADATA)}
        if isinstance(kind, pa.BaseExtensionType):
            return field.with_type(self._extension(kind)).with_metadata(metadata or None)
        if extension in _OF_PYARROW:  # which would have made a type of it
            self._invalid(f"says that it is {extension}, which its storage type {kind} cannot be")
        if extension == "geoarrow.wkb":
            metadata |= {EXTENSION: extension.encode(), EXTENSION_METADATA: self._geometry(field)}
            return field.with_type(pa.binary()).with_metadata(metadata)
        if self._stored:
            return field.with_type(self.kind(kind))
        if extension.startswith("geoarrow."):
            self._refuse(f"the type {extension}, of which the coordinate system would be lost; send it as geoarrow.wkb")
        if extension == "arrow.parquet.variant":
            self._refuse(f"the type {extension}; send it as JSON")
        return field.with_type(self.kind(kind)).with_metadata(metadata or None)

    def kind(self, kind: pa.DataType) -> pa.DataType:
        """The type as which values of `kind` go on."""
        if kind in _ALIKE or pt.is_timestamp(kind):
            return kind
        if kind in _INSTEAD:
            return _INSTEAD[kind]
        if pt.is_fixed_size_binary(kind):
            return kind
        if pt.is_decimal(kind):
            return self._decimal(kind)
        if isinstance(kind, pa.BaseExtensionType):
            return self._extension(kind)
        if kind.id in NUMBERED:
            return pa.month_day_nano_interval()
        if pt.is_dictionary(kind):
            return self.kind(kind.value_type)
        if pt.is_run_end_encoded(kind):
            return self.field(pa.field("values", kind.value_type)).type
        return self._nested_type(kind)

    def _nested_type(self, kind: pa.DataType) -> pa.DataType:
        if pt.is_struct(kind):
            return self._struct(kind)
        if pt.is_map(kind):
            return pa.map_(self.field(kind.key_field), self.field(kind.item_field), kind.keys_sorted)
        if pt.is_fixed_size_list(kind):
            if not 1 <= kind.list_size <= _MAX_ARRAY:
                self._refuse(f"the type {kind}; an array has 1 to {_MAX_ARRAY} items")
            return pa.list_(self.field(kind.value_field), kind.list_size)
        if pt.is_large_list(kind) or pt.is_large_list_view(kind):
            return pa.large_list(self.field(kind.value_field))
        if pt.is_list(kind) or pt.is_list_view(kind):
            return pa.list_(self.field(kind.value_field))
        if pt.is_union(kind):
            members = [kind.field(i) for i in range(kind.num_fields)]
            for member in members:
                self.check_name(_name(member))
            return pa.sparse_union([self.field(member).with_nullable(True) for member in members])
        return self._refuse(f"the type {kind}, which is not known here; cast it to another")

    def _struct(self, kind: pa.StructType) -> pa.DataType:
        fields = [kind.field(i) for i in range(kind.num_fields)]
        seen: set[str] = set()
        for field in fields:
            name = _name(field)
            self.check_name(name)
            if name.lower() in seen:
                self._refuse(f'a struct with two fields "{name}"; rename one')
            seen.add(name.lower())
        if not fields:
            self._refuse("a struct without fields")
        if "" in seen:
            self._refuse("a struct with a field that has no name")
        return pa.struct([self.field(field) for field in fields])

    def _decimal(self, kind: pa.DataType) -> pa.DataType:
        if kind.precision > _MAX_PRECISION:
            self._refuse(f"the type {kind}; decimals have at most {_MAX_PRECISION} digits, so cast it")
        if not 0 <= kind.scale <= kind.precision:
            to = pa.decimal128(min(_MAX_PRECISION, kind.precision + max(0, -kind.scale)), max(0, kind.scale))
            if kind.scale > kind.precision:
                to = pa.decimal128(min(_MAX_PRECISION, kind.scale), min(_MAX_PRECISION, kind.scale))
            self._refuse(f"the type {kind}; a scale is between 0 and the precision, so cast it to {to}")
        return pa.decimal128(kind.precision, kind.scale)

    def _extension(self, kind: pa.BaseExtensionType) -> pa.DataType:
        storage = kind.storage_type
        match kind.extension_name:
            case "arrow.uuid":
                return kind
            case "arrow.json":
                return pa.json_(pa.string())
            case "arrow.bool8":
                return pa.bool_()
            case "arrow.opaque" if kind.vendor_name == _VENDOR:
                return self._opaque(kind)
        return self.kind(storage)

    def _opaque(self, kind: pa.OpaqueType) -> pa.DataType:
        wanted = OPAQUE.get(kind.type_name)
        if wanted is None and self._stored:
            return self.kind(kind.storage_type)
        if wanted is None:
            self._refuse(f'the opaque type "{kind.type_name}" of {_VENDOR}; cast it to another')
        found = pa.binary() if pt.is_large_binary(kind.storage_type) else kind.storage_type
        if found != wanted:
            self._invalid(f'says that it is "{kind.type_name}" of {_VENDOR}, which lies in {wanted} and not in {found}')
        return pa.opaque(wanted, kind.type_name, _VENDOR)

    def _geometry(self, field: pa.Field) -> bytes:
        """The metadata of well-known binary in a coordinate system that the kernel keeps."""
        if field.type not in (pa.binary(), pa.large_binary(), pa.binary_view()):
            self._invalid(f"says that it is geoarrow.wkb, which lies in binary and not in {field.type}")
        try:
            metadata = json.loads((field.metadata or {}).get(EXTENSION_METADATA) or b"{}")
        except (ValueError, RecursionError):
            metadata = None
        if not isinstance(metadata, dict):
            self._invalid("has GeoArrow metadata that is no JSON object")
        if self._stored:
            return b"{}"
        if metadata.get("edges") not in (None, "planar"):
            self._refuse(f'a geometry with {metadata["edges"]} edges; only "planar" ones are handled')
        system = _coordinate_system(metadata.get("crs"))
        if system is None:
            return b"{}"
        if system not in _COORDINATE_SYSTEMS:
            known = " and ".join(_COORDINATE_SYSTEMS)
            self._refuse(f"a geometry in a coordinate system that is not known; {known} are, or send it without")
        return json.dumps({"crs": system}).encode()

    def _invalid(self, what: str) -> NoReturn:
        raise InvalidDataError(f'Column "{self._column}" {what}.')

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedError(f'Column "{self._column}" has {what}.')


def _coordinate_system(given: object) -> str | None:
    """The name of a coordinate system that is given by name or as PROJJSON; None where there is none."""
    if isinstance(given, dict):
        identity = given.get("id")
        if isinstance(identity, dict):
            return f"{identity.get('authority')}:{identity.get('code')}"
    return None if given is None else str(given)
