"""Fields of Arrow schemas, as the kernel's binder takes them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pyarrow as pa

__all__ = ["binding_key", "has_negative_scale"]

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


def _types_in(kind: pa.DataType) -> Iterator[pa.DataType]:
    yield kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from _types_in(kind.storage_type)
    elif isinstance(kind, pa.DictionaryType):
        yield from _types_in(kind.value_type)
    for i in range(kind.num_fields):
        yield from _types_in(kind.field(i).type)
