"""Columns that other tools write and that are not read here.

Half floats, which are no type of the kernel; Lance blobs inside of other values; and what Lance writes and does not
read itself. A table that has some of these is read without them; its rows can be deleted, and of the first two kinds
their other columns changed, but no rows be added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.types as pt

from engine.errors import UnsupportedError
from engine.storage.lance_apart import has_struct_arrays, unread_by_lance
from engine.storage.lance_blobs import has_blobs, is_blob, written_fields
from engine.storage.protocol import TableName

__all__ = ["readable_fields", "require_changeable", "require_compactable", "require_readable"]

_HALF_FLOATS = b"grism.half_floats"
_FORM = b"grism.form"


def readable_fields(schema: pa.Schema, form: str) -> pa.Schema:
    """`schema` of a dataset in a format of files, as tables show it: blobs are binary columns, half floats are floats,
    and what cannot be read though its type may be has a mark."""
    return pa.schema([_readable(field, form) for field in written_fields(schema)], schema.metadata)


def require_readable(name: TableName, fields: Sequence[pa.Field]) -> None:
    """Raise UnsupportedError where one of the columns that a query reads has what is not read."""
    for field in fields:
        if what := _not_read(field):
            raise UnsupportedError(
                f'Column "{field.name}" of table "{name}" has {what}, which are not read here; '
                f'leave it out, as in SELECT * EXCLUDE ("{field.name}").'
            )


def require_changeable(name: TableName, fields: Iterable[pa.Field]) -> None:
    """Raise UnsupportedError where columns that are to be written are not read."""
    for field in fields:
        if what := _not_read(field):
            raise _would_lose(name, field, what)


def require_compactable(name: TableName, fields: Iterable[pa.Field]) -> None:
    """Raise UnsupportedError where Lance cannot write fragments anew with all of their columns."""
    for field in fields:
        if has_struct_arrays(field.type):
            raise UnsupportedError(
                f'The fragments of table "{name}" were left as they were: its column "{field.name}" is stored as '
                f'fixed-size lists of structs, which Lance does not compact. ALTER TABLE {name} ALTER "{field.name}" '
                "TYPE ..., with lists without a size, stores it in a form that it does."
            )


def _would_lose(name: TableName, field: pa.Field, what: str) -> UnsupportedError:
    return UnsupportedError(
        f'Column "{field.name}" of table "{name}" has {what}, which a change would lose; '
        "change the table with Lance's own tools."
    )


def _readable(field: pa.Field, form: str) -> pa.Field:
    shown = _with_floats(field.type)
    if unread_by_lance(field.type, form):
        return pa.field(field.name, shown, field.nullable, {_FORM: form.encode()})
    return field if shown == field.type else pa.field(field.name, shown, field.nullable, {_HALF_FLOATS: b"true"})


def _not_read(field: pa.Field) -> str:
    if has_blobs(field) and not is_blob(field):
        return "Lance blobs inside of its values"
    if what := unread_by_lance(field.type, (field.metadata or {}).get(_FORM, b"").decode()):
        return what
    halves = _HALF_FLOATS in (field.metadata or {}) or _with_floats(field.type) != field.type
    return "half floats" if halves else ""


def _with_floats(kind: pa.DataType) -> pa.DataType:
    """`kind` with floats in the place of half floats, themselves or as items and fields."""
    if pt.is_float16(kind):
        return pa.float32()
    inside = [field.with_type(_with_floats(field.type)) for field in _fields_in(kind)]
    if pt.is_struct(kind):
        return pa.struct(inside)
    if pt.is_list(kind):
        return pa.list_(inside[0])
    if pt.is_large_list(kind):
        return pa.large_list(inside[0])
    if pt.is_fixed_size_list(kind):
        return pa.list_(inside[0], kind.list_size)
    return kind


def _fields_in(kind: pa.DataType) -> Iterator[pa.Field]:
    return (kind.field(i) for i in range(kind.num_fields))
