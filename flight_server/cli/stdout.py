"""Stdout, which whoever reads it may leave full: a pager that stands still, a program that waits.

A thread that writes there then waits in the system, where no exception reaches it. To stop it, stdout becomes a pipe
that nobody reads, and the thread is woken: its writing fails as where the reader has gone.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

__all__ = ["discard_output", "stop_writing", "wakeable_writers", "writable_stdout"]

_WAKE = signal.SIGUSR1
_lock = threading.Lock()
_writers: list[_Writer] = []


class _Writer:
    """A thread that writes to stdout."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._kept: int | None = None  # stdout as it was
        # Without a buffer (python -u) a write that is woken has taken a part only, and does not go on with the rest.
        raw = sys.stdout.buffer
        self._own = io.BufferedWriter(raw) if isinstance(raw, io.RawIOBase) else None
        self.out: BinaryIO = self._own or raw

    def stop(self) -> None:
        """Let it fail, if it writes on or waits to; it is woken with each call."""
        if self._kept is None:
            self._kept = os.dup(sys.stdout.fileno())
            unread, unwanted = os.pipe()
            os.close(unread)
            _redirect(unwanted)
        signal.pthread_kill(self._thread, _WAKE)

    def end(self) -> None:
        """What it has left unwritten after `stop` goes nowhere, and stdout is what it was."""
        if self._kept is not None:
            discard_output()
            self.out.flush()
            _redirect(self._kept)
        if self._own is not None:
            self._own.detach()


@contextmanager
def writable_stdout() -> Iterator[BinaryIO]:
    """Stdout, for one thread at a time. Writing raises BrokenPipeError once `stop_writing` was called."""
    writer = _Writer()
    with _lock:
        _writers.append(writer)
    try:
        yield writer.out
        writer.out.flush()
    finally:
        with _lock:
            _writers.remove(writer)
            writer.end()


def stop_writing() -> None:
    """Let a thread that writes to stdout now fail."""
    with _lock:
        for writer in _writers:
            writer.stop()


@contextmanager
def wakeable_writers() -> Iterator[None]:
    """Within, `stop_writing` has an effect; only for the main thread."""
    before = signal.signal(_WAKE, lambda *_: None)  # interrupts what the system does for the thread, and no more
    try:
        yield
    finally:
        signal.signal(_WAKE, before)


def discard_output() -> None:
    """Let whatever is still written to stdout go nowhere, and so nobody wait for its reader."""
    _redirect(os.open(os.devnull, os.O_WRONLY))


def _redirect(target: int) -> None:
    os.dup2(target, sys.stdout.fileno())
    os.close(target)
