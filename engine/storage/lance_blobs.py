"""Columns of Lance blobs, which other tools write: large values that lie beside the rows.

A scan gives where they lie and not what they are, and what is written back from such a scan has lost them. So until
blobs are read, a table that has some is read without them and not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from engine.arrow_input import extension_name
from engine.errors import UnsupportedError
from engine.storage.protocol import TableName

__all__ = ["is_blob", "readable_fields", "require_no_blobs", "require_readable"]

_ENCODING = b"lance-encoding:blob"
_EXTENSION = "lance.blob"


def is_blob(field: pa.Field) -> bool:
    """Whether a column has blobs, itself or inside of it."""
    marked = (field.metadata or {}).get(_ENCODING, b"false").lower() == b"true"
    return marked or extension_name(field).startswith(_EXTENSION) or any(map(is_blob, _fields_in(field.type)))


def readable_fields(schema: pa.Schema) -> pa.Schema:
    """`schema` as tables show it: blobs are binary columns, which keep a mark that they cannot be read."""
    marked = {_ENCODING: b"true"}
    return pa.schema(
        [pa.field(f.name, pa.binary(), f.nullable, marked) if is_blob(f) else f for f in schema], schema.metadata
    )


def require_readable(name: TableName, fields: Sequence[pa.Field]) -> None:
    """Raise UnsupportedError where one of the columns that a query reads has blobs."""
    for field in fields:
        if is_blob(field):
            raise UnsupportedError(
                f'Column "{field.name}" of table "{name}" has Lance blobs, which are not read here; '
                f'leave it out, as in SELECT * EXCLUDE ("{field.name}").'
            )


def require_no_blobs(name: TableName, schema: pa.Schema) -> None:
    """Raise UnsupportedError where a table that is to be changed has blobs."""
    for field in schema:
        if is_blob(field):
            raise UnsupportedError(
                f'Column "{field.name}" of table "{name}" has Lance blobs, which a change would lose; '
                "change the table with Lance's own tools."
            )


def _fields_in(kind: pa.DataType) -> Iterator[pa.Field]:
    return (kind.field(i) for i in range(kind.num_fields))
