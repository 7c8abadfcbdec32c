"""Fields of Arrow schemas, as the kernel's binder takes them, and of structs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["binding_key", "has_negative_scale", "struct_fields"]

_LONG_KEY = 2_000  # bytes from which on a type is not remembered: clients can make any number of them


def binding_key(field: pa.Field) -> Hashable | None:
    """What fields have in common that are of one type in the kernel; None where that would be long to keep.

    A type alone does not tell: the fields in it may have metadata of their own, which equality of types leaves out.
    """
    kind: Hashable = field.type
    if not (field.metadata or field.type.num_fields or isinstance(kind, pa.BaseExtensionType | pa.DictionaryType)):
        return kind
    described: bytes = pa.schema([field.with_name("")]).serialize().to_pybytes()
    return described if len(described) <= _LONG_KEY else None


def has_negative_scale(kind: pa.DataType) -> bool:
    """Whether a decimal in `kind` counts tens or more instead of fractions, which the kernel's decimals cannot."""
    return any(pa.types.is_decimal(inner) and inner.scale < 0 for inner in _types_in(kind))


def struct_fields(array: pa.StructArray) -> list[pa.Array]:
    """The fields of structs, NULL where the struct is.

    A union, or runs of values, say by themselves which of their values are NULL, and are as they lie there. pyarrow's
    `flatten` and `struct_field` are not made for these: see docs/clients.md.
    """
    kind = array.type
    if not array.null_count:
        return [array.field(i) for i in range(kind.num_fields)]
    return [
        pc.struct_field(array, [i]) if _has_bitmap(kind.field(i).type) else array.field(i)
        for i in range(kind.num_fields)
    ]


def _has_bitmap(kind: pa.DataType) -> bool:
    """Whether an array says apart from its values which of them are NULL."""
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return not (pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind))


def _types_in(kind: pa.DataType) -> Iterator[pa.DataType]:
    yield kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from _types_in(kind.storage_type)
    elif isinstance(kind, pa.DictionaryType):
        yield from _types_in(kind.value_type)
    for i in range(kind.num_fields):
        yield from _types_in(kind.field(i).type)
