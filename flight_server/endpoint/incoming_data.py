"""What comes in by `do_put`, and is not known to be Arrow data, whole, or of a bearable size."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import pyarrow as pa
from pyarrow import flight

from engine.arrow_input import Entrance
from engine.errors import InvalidDataError, ResourceExhaustedError
from flight_server.endpoint.calls import Call

__all__ = ["IncomingData", "entrance_of", "limit_bytes", "receive", "sends_schema"]

T = TypeVar("T")

_BROKEN = (pa.ArrowInvalid, OSError, UnicodeDecodeError)


class IncomingData:
    """What comes in with a call.

    gRPC's read lasts until the client sends, ends or goes, whatever becomes of the call. So whoever holds something
    while they wait reads beside: another thread does the reading, and who waits for it is stopped with the call.
    """

    def __init__(self, call: Call, reader: flight.MetadataRecordBatchReader) -> None:
        self._call, self._reader = call, reader
        self._thread: threading.Thread | None = None
        self._left = threading.Event()
        self._wanted: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._given: SimpleQueue[object] = SimpleQueue()

    def read_beside(self) -> None:
        """From here on another thread reads."""
        if self._thread is None:
            self._call.awaits(self._left.is_set)  # and so knows nothing of this
            self._call.cancellation.on_cancel(partial(self._given.put, None))
            self._thread = threading.Thread(target=self._run, name="flight-upload", daemon=True)
            self._thread.start()

    @property
    def schema(self) -> pa.Schema:
        """The schema; only to be asked for where the client sends one. Raises as below."""
        return self._ask(_schema_of)

    def read_chunk(self) -> flight.FlightStreamChunk:
        """The next that comes. Raises StopIteration at the end, the cause where the call was stopped, and what the
        reader of pyarrow does.
        """
        return self._ask(_chunk_of)

    def close(self) -> None:
        """Wait until nobody reads any more: gRPC frees what is read from as the call ends."""
        if self._thread is not None:
            self._wanted.put(None)
            self._left.set()
            self._thread.join()

    def _ask(self, read: Callable[[flight.MetadataRecordBatchReader], T]) -> T:
        if self._thread is None:
            return read(self._reader)
        self._call.cancellation.check()
        self._wanted.put(partial(read, self._reader))
        given = self._given.get()
        self._call.cancellation.check()
        if isinstance(given, BaseException):
            try:
                raise given
            finally:
                del given  # else it and this frame keep each other, and what was read
        return given  # type: ignore[return-value]

    def _run(self) -> None:
        while (read := self._wanted.get()) is not None:
            self._given.put(_outcome(read))


def _schema_of(reader: flight.MetadataRecordBatchReader) -> pa.Schema:
    return reader.schema


def _chunk_of(reader: flight.MetadataRecordBatchReader) -> flight.FlightStreamChunk:
    return reader.read_chunk()


def _outcome(read: Callable[[], object]) -> object:
    try:
        return read()
    except BaseException as error:
        return error


def sends_schema(reader: IncomingData) -> bool:
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


def entrance_of(reader: IncomingData, refusal: str, known: Entrance | None = None) -> Entrance:
    """The way in for what `reader` gives, `known` where it is that. Raises InvalidDataError with the text of `refusal`
    where there is no schema.

    Raises InvalidDataError and UnsupportedError, by the column's name, where a column may not enter.
    """
    try:
        schema = reader.schema
    except _BROKEN:
        raise InvalidDataError(refusal) from None
    return known if known is not None and known.takes(schema) else Entrance(schema)


def receive(call: Call, reader: IncomingData, entrance: Entrance, refusal: str) -> Iterator[pa.RecordBatch]:
    """The batches that come in with a call, each one valid, of the schema of `entrance`.

    Raises InvalidDataError with the text of `refusal` for what is no Arrow data, what `Entrance.admit` raises, and
    the cause for which the call was stopped: at once where `reader` reads beside, else as the next comes in.
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
