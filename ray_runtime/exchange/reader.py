"""The consumer's side of an exchange: the rows of its partitions from every worker that holds some of them.

One `do_get` for each source, several at once. Each source's rows are counted against what its producers committed, so a
stream that ends early is an error and never the end of the data. Rows that this worker holds itself are read in place.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from pyarrow import flight

from engine.cancellation import Cancellation
from engine.errors import GrismError
from flight_server.endpoint import ConnectionPool
from ray_runtime.exchange.batches import size_of
from ray_runtime.exchange.identity import OutputFailedError, SourceLostError
from ray_runtime.exchange.prefetch import Prefetch
from ray_runtime.exchange.service import read_outputs
from ray_runtime.exchange.sources import ExchangeSource
from ray_runtime.exchange.store import ExchangeStore

__all__ = ["ExchangeReader", "ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """How a reader reads.

    `parallel`: sources at once. `budget`: bytes that may be read ahead of the consumer, over all sources. `retries`:
    how often a source that cannot be reached is tried again, after `backoff` seconds and twice that each further time.
    `stall`: seconds without an answer after which a source counts as lost; a server whose disk is slow may be silent
    for long, so whoever can tell the two apart should not wait for this.
    """

    parallel: int = 4
    budget: int = 64 << 20
    retries: int = 2
    backoff: float = 0.1
    stall: float = 300.0


class ExchangeReader:
    """Reads `sources`, once: as a `table`, or as a `stream`.

    `schema` is that of the rows, and what comes without any source. `key` is the query's. With `store`, sources at the
    store's own worker are read from it.

    Raises, or, in a stream, also keeps in `failure`, since the kernel keeps no error's type: SourceLostError,
    OutputFailedError, or the cause of the cancellation.
    """

    def __init__(
        self,
        schema: pa.Schema,
        sources: Sequence[ExchangeSource],
        key: bytes,
        pool: ConnectionPool,
        store: ExchangeStore | None = None,
        options: ReadOptions | None = None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self.schema = schema
        self.failure: GrismError | None = None
        self.local_bytes = 0
        self.remote_bytes = 0
        self._sources = sources
        self._key = key
        self._pool = pool
        self._store = store
        self._options = options or ReadOptions()
        self._cancellation = cancellation or Cancellation()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._streams: set[flight.FlightStreamReader] = set()

    def table(self) -> pa.Table:
        """All rows, in the order of the sources."""
        return pa.Table.from_batches(self._read(ordered=True, ahead=None), schema=self.schema)

    def stream(self, ordered: bool = False) -> pa.RecordBatchReader:
        """The rows as they come, or with `ordered` in the order of the sources, read ahead within the budget."""
        ahead = max(1, self._options.budget // max(1, min(self._options.parallel, len(self._sources))))
        return pa.RecordBatchReader.from_batches(self.schema, self._read(ordered, ahead))

    def _read(self, ordered: bool, ahead: int | None) -> Iterator[pa.RecordBatch]:
        self._cancellation.check()
        start = list(range(len(self._sources)))
        if not ordered or ahead is None:
            random.shuffle(start)  # so that many readers do not queue at the same server
        prefetch = Prefetch([partial(self._fetch, s) for s in self._sources], self._options.parallel, ahead, start)
        forget = self._cancellation.on_cancel(lambda: prefetch.close(self._cancellation.cause))
        try:
            yield from prefetch.take(ordered, lambda: self._check(prefetch))
        except GrismError as error:
            self.failure = error
            raise
        finally:
            forget()
            prefetch.close()
            self._stop()

    def _check(self, prefetch: Prefetch) -> None:
        self._cancellation.check()
        for number in prefetch.stalled_fetches(self._options.stall):
            raise self._loss(self._sources[number], f"No answer for {self._options.stall:g} seconds")

    def _stop(self) -> None:
        self._stopped.set()
        with self._lock:
            streams, self._streams = self._streams, set()
        for stream in streams:
            stream.cancel()

    def _fetch(self, source: ExchangeSource) -> Generator[pa.RecordBatch, None, None]:
        """The rows of one source, all of them or an error."""
        if self._store is not None and source.worker == self._store.worker:
            batches = read_outputs(self._store, source.request).to_batches()
            self.local_bytes += source.bytes
            yield from batches
            return
        given, failures = 0, 0
        while True:
            try:
                for batch in _from_row(self._do_get(source), given):
                    given += batch.num_rows
                    self.remote_bytes += size_of(batch)
                    yield batch
                break
            except flight.FlightUnavailableError:
                failures += 1
                if failures > self._options.retries or self._stopped.wait(self._options.backoff * 2 ** (failures - 1)):
                    raise self._loss(source, "Cannot be reached") from None
        if given != source.request.rows:
            raise self._failure(source, f"{given} rows came instead of {source.request.rows}")

    def _do_get(self, source: ExchangeSource) -> Iterator[pa.RecordBatch]:
        """One attempt at a source. Raises FlightUnavailableError where another may help."""
        try:
            with self._pool.client(source.location) as client:
                stream = client.do_get(flight.Ticket(source.request.seal(self._key)))
                self._track(stream)
                try:
                    if not stream.schema.equals(self.schema):
                        raise self._failure(source, "Rows came with another schema than planned")
                    while True:
                        yield stream.read_chunk().data
                except StopIteration:
                    return
                finally:
                    self._untrack(stream)
        except flight.FlightUnauthenticatedError:
            raise self._failure(source, "The ticket was refused") from None
        except pa.ArrowKeyError as error:
            raise self._failure(source, str(error).partition(": ")[0]) from None
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            if isinstance(error, flight.FlightUnavailableError):
                raise
            raise self._failure(source, "The stream broke off") from None

    def _track(self, stream: flight.FlightStreamReader) -> None:
        with self._lock:
            self._streams.add(stream)
        if self._stopped.is_set():
            stream.cancel()

    def _untrack(self, stream: flight.FlightStreamReader) -> None:
        with self._lock:
            known = stream in self._streams
            self._streams.discard(stream)
        if known:
            stream.cancel()  # nothing after the end; before it, the server stops sending

    def _failure(self, source: ExchangeSource, what: str) -> OutputFailedError:
        return OutputFailedError(source.worker, source.request.keys, what)

    def _loss(self, source: ExchangeSource, what: str) -> SourceLostError:
        return SourceLostError(source.worker, source.request.keys, what)


def _from_row(batches: Iterator[pa.RecordBatch], first: int) -> Iterator[pa.RecordBatch]:
    """The rows after the first `first`: a source gives the same rows in the same order each time."""
    for batch in batches:
        rest = batch.slice(first) if first else batch
        first = max(0, first - batch.num_rows)
        if rest.num_rows:
            yield rest
