"""Ctrl-C while work runs that waits in C: there no exception of Python reaches it, so it is cancelled.

It may also wait for whoever reads stdout, so its writing is stopped, too.
"""

from __future__ import annotations

import queue
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import TypeVar

from flight_server.cli.stdout import stop_writing, wakeable_writers

__all__ = ["interruptible"]

_LOOKS_EVERY = 0.2  # seconds

T = TypeVar("T")


class _Event(Enum):
    INTERRUPTED = auto()
    ENDED = auto()


def interruptible(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """What `work` returns or raises, in a thread of its own. SIGINT calls `cancel` until the work has ended.

    Then it raises KeyboardInterrupt, also where the work was done all the same. Only for the main thread.
    """
    events: queue.SimpleQueue[_Event] = queue.SimpleQueue()  # which a signal handler may put into
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: events.put(_Event.INTERRUPTED))
    interrupted = False
    try:
        with wakeable_writers(), ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            future.add_done_callback(lambda _: events.put(_Event.ENDED))
            while True:
                # A thread of a library may take the signal, of which this one, where handlers run, learns as it runs.
                try:
                    event = events.get(timeout=_LOOKS_EVERY)
                except queue.Empty:
                    if not interrupted:
                        continue
                    event = _Event.INTERRUPTED  # again: the first may have come before there was anything to cancel
                if event is _Event.ENDED:
                    break
                interrupted = True
                cancel()
                stop_writing()
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted or not events.empty():  # the last may have come as the work ended
        raise KeyboardInterrupt from future.exception()
    return future.result()
