"""Full validation of Arrow data that comes from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["invalid_column", "kernel_rows_are_valid", "validate"]


def invalid_column(error: pa.ArrowException, schema: pa.Schema) -> tuple[str | None, str]:
    """The name of the column that Arrow's validation complains of, None where it tells none, and what it says."""
    found = re.match(r"In column ([0-9]+): [A-Za-z ]+: ([^\n]*)", str(error))
    if found is None:
        return None, str(error).partition("\n")[0]
    return schema.field(int(found[1])).name, found[2]


def validate(batch: pa.RecordBatch) -> None:
    """Raise ArrowInvalid where a value is none of its type.

    That is Arrow's own full validation, and the one decimal that it misses: it takes the absolute value before it
    compares, and the least 128-bit number has none. The kernel would stop for good at such a value.
    """
    batch.validate(full=True)
    for column in batch.columns:
        for decimals in _decimals(column):
            if pc.any(pc.equal(decimals.view(_LEAST.type), _LEAST)).as_py():
                raise pa.ArrowInvalid(f"Decimal value {-(2**127)} does not fit in precision of {decimals.type}")


def kernel_rows_are_valid(schema: pa.Schema) -> bool:
    """Whether all rows of this schema that the kernel gives are valid Arrow data.

    24:00:00 is a TIME of the kernel and none of Arrow's. By itself it is refused as it leaves; within a value of
    another type it has to be looked for.
    """
    return not any(not pa.types.is_time(field.type) and _holds_time(field.type) for field in schema)


def _holds_time(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_time(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _holds_time(kind.value_type)
    return pa.types.is_time(kind) or any(_holds_time(kind.field(i).type) for i in range(kind.num_fields))


_LEAST = pa.scalar((-(2**127)).to_bytes(16, "little", signed=True), pa.binary(16))


def _decimals(array: pa.Array) -> Iterator[pa.Array]:
    """The 128-bit decimals in `array`, those in its values too; they may be more than it shows."""
    kind = array.type
    if pa.types.is_decimal128(kind):
        yield array
    elif isinstance(array, pa.ExtensionArray):
        yield from _decimals(array.storage)
    elif pa.types.is_dictionary(kind):
        yield from _decimals(array.dictionary)
    elif pa.types.is_struct(kind) or pa.types.is_union(kind):
        for i in range(kind.num_fields):
            yield from _decimals(array.field(i))
    elif pa.types.is_map(kind):
        yield from _decimals(array.keys)
        yield from _decimals(array.items)
    elif pa.types.is_run_end_encoded(kind) or pa.types.is_nested(kind):
        yield from _decimals(array.values)
