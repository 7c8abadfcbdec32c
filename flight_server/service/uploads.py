"""Uploads: an incoming stream that is known to be whole and valid before the last of it is given on.

Flight has no mark for the end of an upload: to the server a client that was killed looks like one that is done. What
tells them apart is the state of the call, so that is looked at before the end of the stream is passed on to whoever
writes, which commits only then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import pyarrow as pa

from engine.errors import GrismError
from engine.statements.bulk_load import BulkLoads
from engine.statements.catalog import Target
from engine.storage.protocol import WriteMode
from engine.streams import scoped_reader
from flight_server.column_metadata import strip_annotations
from flight_server.endpoint.incoming_data import IncomingData, entrance_of, limit_bytes, receive
from flight_server.service.request import Request

__all__ = ["Took", "Uploads"]

Took = Callable[[int], None]
"""Is told how many more rows have come in."""

_NO_ARROW = "The upload is not valid Arrow data; nothing was written."


class Uploads:
    """Writes uploads, of at most `max_bytes` of data each, into tables."""

    def __init__(self, loads: BulkLoads, max_bytes: int) -> None:
        self._loads = loads
        self._max_bytes = max_bytes
        self._too_much = f"The upload has more than {max_bytes} bytes, the most that is taken; send it in parts."

    def store(
        self,
        request: Request,
        reader: IncomingData,
        target: Target,
        mode: WriteMode,
        took: Took,
    ) -> int:
        """Write all of an upload, or nothing; returns its number of rows. `took` is told the rows that come.

        Raises InvalidDataError for what is not valid Arrow data, ResourceExhaustedError for too much of it,
        CancelledError where the client went away, SchemaMismatchError for what does not fit the table or any table,
        InvalidValueError for such values, and what else `Storage.write` raises.
        """
        call, failures = request.call, list[GrismError]()

        def whole(batches: Iterable[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
            try:
                yield from batches
                call.poll()
                call.cancellation.check()
            except GrismError as error:
                failures.append(error)
                raise

        def count(batch: pa.RecordBatch) -> pa.RecordBatch:
            took(batch.num_rows)
            return batch

        reader.read_beside()
        entrance = entrance_of(reader, _NO_ARROW)
        batches = map(count, receive(call, reader, entrance, _NO_ARROW))
        upload = whole(limit_bytes(batches, self._max_bytes, self._too_much))
        try:
            with scoped_reader(strip_annotations(entrance.schema), upload) as data:
                return self._loads.store(target, data, mode, call.cancellation)
        except Exception as error:
            if failures:  # it reaches the client as it is, whatever the writer makes of a stream that breaks
                raise failures[0] from error
            raise
