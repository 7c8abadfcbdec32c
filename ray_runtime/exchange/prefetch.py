"""Several iterators of record batches, read ahead in threads, each into a bounded channel of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

import pyarrow as pa

from ray_runtime.exchange.batches import size_of

__all__ = ["Prefetch"]


Fetch = Callable[[], Generator[pa.RecordBatch, None, None]]


class _Channel:
    """Batches of one iterator that were read and not taken yet. Guarded by the Prefetch's condition."""

    def __init__(self) -> None:
        self.batches: deque[pa.RecordBatch] = deque()
        self.bytes = 0
        self.done = False
        self.reads = 0
        self.reading = False
        self.idle = 0.0
        self._reads_before = 0

    def wait(self, seconds: float) -> None:
        """Count `seconds` in which nothing happened, if one and the same read went on all the while."""
        same = self.reading and self.reads == self._reads_before
        self.idle = self.idle + seconds if same else 0.0
        self._reads_before = self.reads


class Prefetch:
    """Runs `fetches`, `parallel` at a time, and gives their batches. `start` is the order in which they begin.

    Each fetch may be ahead by `ahead` bytes, and by one batch more than that; None sets no bound. With a bound and an
    ordered `take`, fetches have to begin in order: one that nobody takes from yet keeps its thread. The first error of
    any fetch ends all.
    """

    def __init__(
        self, fetches: Sequence[Fetch], parallel: int, ahead: int | None = None, start: Sequence[int] | None = None
    ) -> None:
        self._fetches = fetches
        self._ahead = ahead
        self._changed = threading.Condition()
        self._channels = [_Channel() for _ in fetches]
        self._waiting = deque(range(len(fetches)) if start is None else start)
        self._error: BaseException | None = None
        self._closed = False
        for number in range(min(parallel, len(fetches))):
            threading.Thread(target=self._run, name=f"exchange-read-{number}", daemon=True).start()

    def close(self, error: BaseException | None = None) -> None:
        """Stop reading ahead and let whoever takes batches get `error`. Does not wait for a read that hangs."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._closed = True
            self._changed.notify_all()

    def stalled_fetches(self, seconds: float) -> list[int]:
        """The fetches in whose one read a taker has waited for `seconds`.

        Only time in which this process ran counts: a pause of the whole machine is nobody's silence.
        """
        return [number for number, channel in enumerate(self._channels) if channel.idle >= seconds]

    def take(self, ordered: bool, check: Callable[[], None], interval: float = 0.5) -> Iterator[pa.RecordBatch]:
        """The batches; fetch after fetch with `ordered`, else as they come.

        While there is nothing to take, `check` is called about every `interval` seconds; what it raises is raised here.
        """
        remaining = list(self._channels)
        while remaining:
            ready = remaining[:1] if ordered else list(remaining)
            batch = None
            with self._changed:
                news = self._changed.wait_for(partial(self._has_news, ready), interval)
                if self._error is not None:
                    raise self._error
                if self._closed:
                    return
                for channel in ready:
                    if channel.batches:
                        batch = self._pop(channel)
                        break
                    if channel.done:
                        remaining.remove(channel)
            if batch is not None:
                yield batch
            elif not news:
                for channel in self._channels:
                    channel.wait(interval)
                check()

    def _has_news(self, ready: list[_Channel]) -> bool:
        return self._error is not None or self._closed or any(channel.batches or channel.done for channel in ready)

    def _pop(self, channel: _Channel) -> pa.RecordBatch:
        batch = channel.batches.popleft()
        channel.bytes -= size_of(batch)
        self._changed.notify_all()
        return batch

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed or not self._waiting:
                    return
                number = self._waiting.popleft()
            try:
                self._fill(self._channels[number], self._fetches[number]())
            except BaseException as error:
                self.close(error)

    def _fill(self, channel: _Channel, batches: Generator[pa.RecordBatch, None, None]) -> None:
        while not self._closed:
            channel.reads += 1
            channel.reading = True
            batch = next(batches, None)
            channel.reading = False
            with self._changed:
                if batch is None or self._closed:
                    channel.done = True
                    self._changed.notify_all()
                    break
                channel.batches.append(batch)
                channel.bytes += size_of(batch)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._ahead is None or channel.bytes < self._ahead)
        batches.close()
