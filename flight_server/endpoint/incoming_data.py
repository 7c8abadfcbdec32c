"""What comes in by `do_put`, and is not known to be Arrow data, whole, or of a bearable size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyarrow import flight

from engine.arrow_input import Entrance
from engine.errors import InvalidDataError, ResourceExhaustedError
from flight_server.endpoint.calls import Call

__all__ = ["entrance_of", "limit_bytes", "receive", "sends_schema"]

_BROKEN = (pa.ArrowInvalid, OSError, UnicodeDecodeError)


def sends_schema(reader: flight.MetadataRecordBatchReader) -> bool:
    """False where a client has sent the descriptor only; what else is no Arrow data is for `entrance_of` to refuse."""
    try:
        return reader.schema is not None
    except _BROKEN:
        try:
            reader.read_chunk()
        except StopIteration:
            return False
        except _BROKEN:
            return True
        return True


def entrance_of(reader: flight.MetadataRecordBatchReader, refusal: str, known: Entrance | None = None) -> Entrance:
    """The way in for what `reader` gives, `known` where it is that. Raises InvalidDataError with the text of `refusal`
    where there is no schema.

    Raises InvalidDataError and UnsupportedError, by the column's name, where a column may not enter.
    """
    try:
        schema = reader.schema
    except _BROKEN:
        raise InvalidDataError(refusal) from None
    return known if known is not None and known.takes(schema) else Entrance(schema)


def receive(
    call: Call, reader: flight.MetadataRecordBatchReader, entrance: Entrance, refusal: str
) -> Iterator[pa.RecordBatch]:
    """The batches that come in with a call, each one valid, of the schema of `entrance`.

    Raises InvalidDataError with the text of `refusal` for what is no Arrow data, what `Entrance.admit` raises, and as
    the next comes in the cause for which the call was stopped: nobody wakes it where its client sends nothing.
    """
    while True:
        try:
            batch = reader.read_chunk().data
        except StopIteration:
            return
        except _BROKEN:
            raise InvalidDataError(refusal) from None
        call.cancellation.check()
        if batch is not None:
            call.received += batch.nbytes
            yield from entrance.admit(batch)


def limit_bytes(batches: Iterable[pa.RecordBatch], most: int, refusal: str) -> Iterator[pa.RecordBatch]:
    """`batches`, of at most so many bytes; ResourceExhaustedError with the text of `refusal` where they are more."""
    size = 0
    for batch in batches:
        size += batch.nbytes
        if size > most:
            raise ResourceExhaustedError(refusal)
        yield batch
