"""Uploads: an incoming stream that is known to be whole and valid before the last of it is given on.

Flight has no mark for the end of an upload: to the server a client that was killed looks like one that is done. What
tells them apart is the state of the call, so that is looked at before the end of the stream is passed on to whoever
writes, which commits only then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pyarrow as pa
from pyarrow import flight

from engine.arrow_input import Entrance
from engine.errors import (
    GrismError,
    InvalidDataError,
    ResourceExhaustedError,
)
from engine.statements.bulk_load import BulkLoads
from engine.statements.catalog import Target
from engine.storage.conform import DEFAULT, NOT_NULL
from engine.storage.protocol import WriteMode
from engine.storage.stored_types import STORED_TYPE
from engine.streams import scoped_reader
from flight_server.column_metadata import PREFIX
from flight_server.endpoint.calls import Call
from flight_server.service.request import Request

__all__ = ["Took", "Uploads", "entrance_of", "received", "sends_schema"]

Took = Callable[[int], None]
"""Is told how many more rows have come in."""

_NO_ARROW = "The upload is not valid Arrow data; nothing was written."
_BROKEN = (pa.ArrowInvalid, OSError, UnicodeDecodeError)


class Uploads:
    """Writes uploads, of at most `max_bytes` of data each, into tables."""

    def __init__(self, loads: BulkLoads, max_bytes: int) -> None:
        self._loads = loads
        self._max_bytes = max_bytes

    def store(
        self,
        request: Request,
        reader: flight.MetadataRecordBatchReader,
        target: Target,
        mode: WriteMode,
        took: Took,
    ) -> int:
        """Write all of an upload, or nothing; returns its number of rows. `took` is told the rows that come.

        Raises InvalidDataError for what is not valid Arrow data, ResourceExhaustedError for too much of it,
        CancelledError where the client went away, SchemaMismatchError for what does not fit the table or any table,
        InvalidValueError for such values, and what else `Storage.write` raises.
        """

        cancellation = request.call.cancellation
        upload = _Upload(request, reader, self._max_bytes, took)
        return upload.into(lambda data: self._loads.store(target, data, mode, cancellation))


class _Upload:
    """One upload of at most `max_bytes` of data.

    Its failures reach the client as they are, whatever the writer makes of a stream that breaks.
    """

    def __init__(self, request: Request, reader: flight.MetadataRecordBatchReader, max_bytes: int, took: Took) -> None:
        self._took = took
        self._request = request
        self._reader = reader
        self._max_bytes = max_bytes
        self._failure: GrismError | None = None

    def into(self, write: Callable[[pa.RecordBatchReader], int]) -> int:
        """Give the upload to `write`, which takes all of it or nothing; returns its number of rows.

        Raises InvalidDataError for what is not valid Arrow data, ResourceExhaustedError for too much of it,
        CancelledError where the client went away, and what `write` raises.
        """
        entrance = entrance_of(self._reader, _NO_ARROW)
        try:
            with scoped_reader(_without_ours(entrance.schema), self._batches(entrance)) as data:
                return write(data)
        except Exception as error:
            if self._failure is not None:
                raise self._failure from error
            raise

    def _batches(self, entrance: Entrance) -> Generator[pa.RecordBatch, None, None]:
        try:
            yield from self._received(entrance)
            self._request.call.poll()
            self._request.call.cancellation.check()
        except GrismError as error:
            self._failure = error
            raise

    def _received(self, entrance: Entrance) -> Iterator[pa.RecordBatch]:
        size = 0
        for batch in received(self._request.call, self._reader, entrance, _NO_ARROW):
            size += batch.nbytes
            self._took(batch.num_rows)
            if size > self._max_bytes:
                raise ResourceExhaustedError(
                    f"The upload has more than {self._max_bytes} bytes, the most that is taken; send it in parts."
                )
            yield batch


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


def received(
    call: Call, reader: flight.MetadataRecordBatchReader, entrance: Entrance, refusal: str
) -> Iterator[pa.RecordBatch]:
    """The batches that come in with a call, each one valid, of the schema of `entrance`.

    Raises InvalidDataError with the text of `refusal` for what is no Arrow data, and what `Entrance.entered` raises.
    """
    while True:
        try:
            batch = reader.read_chunk().data
        except StopIteration:
            return
        except _BROKEN:
            raise InvalidDataError(refusal) from None
        if batch is not None:
            call.received += batch.nbytes
            yield from entrance.entered(batch)


def _without_ours(schema: pa.Schema) -> pa.Schema:
    """`schema` without what the storage keeps of definitions, and what results say: neither is for uploads."""
    fields = []
    for field in schema:
        ours = (DEFAULT, NOT_NULL, STORED_TYPE)
        noted = (field.metadata or {}).items()
        kept = {key: value for key, value in noted if key not in ours and not key.startswith(PREFIX)}
        fields.append(field.with_metadata(kept or None))
    return pa.schema(fields, schema.metadata)
