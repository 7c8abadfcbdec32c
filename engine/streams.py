"""Record batch streams that are cut to message size, counted and stoppable, with no Python per batch.

The work is done in C (`engine/native`) on the Arrow C stream interface: Python wraps a reader once, hands the wrapped
reader on, and looks at the counters when it likes.

>>> table = pa.table({"x": range(1_000_000)})
>>> stream = slice_stream(table.to_reader(), max_bytes=1 << 20)
>>> [batch.num_rows for batch in stream.reader][:2]
[122816, 122816]
>>> stream.counters.rows, stream.counters.is_finished
(1000000, True)
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from engine.errors import ExecutionError, UnsupportedError

__all__ = [
    "MAX_MESSAGE_BYTES",
    "ArrowArrayStream",
    "SlicedStream",
    "StreamCounters",
    "StreamCounts",
    "native_function",
    "scoped_reader",
    "slice_stream",
]

MAX_MESSAGE_BYTES = 7 << 19
"""Bytes of one record batch message, 3.5 MiB: gRPC clients take 4 MB unless they are told otherwise."""

_NANOSECONDS = 1_000_000_000
_NOT_BUILT = "The native library of grism is not built, or is an old one; run `pip install -e .` in its source folder."


class ArrowArrayStream(ctypes.Structure):
    """An Arrow C stream."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "data")]


class StreamCounts(ctypes.Structure):
    """What a stream has given at one moment; see `StreamCounters`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "batches", "bytes", "first_batch_at", "ended_at")),
        *((name, ctypes.c_int32) for name in ("finished", "failed", "stopped")),
        ("unread_since", ctypes.c_int64),
    ]


_CloseHook = ctypes.CFUNCTYPE(None, ctypes.c_uint64)
_Message = ctypes.c_char * 4096


def _library_path() -> str:
    found = find_spec("engine.native._streams")
    if found is None or found.origin is None:
        raise ImportError(_NOT_BUILT)
    return found.origin


_library = ctypes.CDLL(_library_path())


def native_function(name: str, library: ctypes.CDLL = _library) -> Any:
    """A function of the native library, by its name. Raises ImportError where the library was built before it."""
    try:
        return library[name]
    except AttributeError:
        raise ImportError(_NOT_BUILT) from None


_library.grism_stream_open.argtypes = [
    ctypes.POINTER(ArrowArrayStream),
    ctypes.c_int64,
    ctypes.c_bool,
    _CloseHook,
    ctypes.c_uint64,
    ctypes.POINTER(ArrowArrayStream),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.c_size_t,
]

_library.grism_stream_prime.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]

# These return at once, so they keep the GIL.
_quick = ctypes.PyDLL(_library._name)
_quick.grism_stream_progress.argtypes = [ctypes.c_void_p, ctypes.POINTER(StreamCounts)]
_quick.grism_stream_progress.restype = None
_quick.grism_stream_stop.argtypes = [ctypes.c_void_p]
_quick.grism_stream_stop.restype = None
_failure = native_function("grism_stream_failure", _quick)
_failure.argtypes = [ctypes.c_void_p]
_failure.restype = ctypes.c_char_p
_quick.grism_stream_drop.argtypes = [ctypes.c_void_p]
_quick.grism_stream_drop.restype = None
_quick.grism_streams_forget_hooks.argtypes = []
_quick.grism_streams_forget_hooks.restype = None
atexit.register(_quick.grism_streams_forget_hooks)

_keys = itertools.count(1)
_close_callbacks: dict[int, Callable[[], None]] = {}


def _close(key: int) -> None:
    _close_callbacks.pop(key)()


_close_hook = _CloseHook(_close)
"""The one function that C calls, whatever the stream: it lives as long as the library."""


class _Handle:
    """Python's hold on a stream's state, which the C stream holds too."""

    def __init__(self, address: int) -> None:
        self._address = address
        self._drop = _quick.grism_stream_drop

    @property
    def address(self) -> int:
        return self._address

    def progress(self) -> StreamCounts:
        progress = StreamCounts()
        _quick.grism_stream_progress(self._address, progress)
        return progress

    def failure(self) -> str | None:
        text: bytes | None = _failure(self._address)
        return None if text is None else text.decode(errors="replace")

    def stop(self) -> None:
        _quick.grism_stream_stop(self._address)

    def __del__(self) -> None:
        self._drop(self._address)


class StreamCounters:
    """What a stream has given so far. Reading takes no lock and may be done from any thread, also after the end."""

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    @property
    def now(self) -> StreamCounts:
        """All of these at one moment."""
        return self._handle.progress()

    @property
    def rows(self) -> int:
        """Rows given out."""
        return int(self._handle.progress().rows)

    @property
    def batches(self) -> int:
        """Record batches given out."""
        return int(self._handle.progress().batches)

    @property
    def bytes(self) -> int:
        """Bytes of the batches given out as IPC messages: an upper bound, without dictionaries."""
        return int(self._handle.progress().bytes)

    @property
    def first_batch_at(self) -> float | None:
        """When the first batch was given out, on the clock of `time.monotonic()`; None before."""
        return _instant(self._handle.progress().first_batch_at)

    @property
    def ended_at(self) -> float | None:
        """When the stream ended, failed or was released, on the clock of `time.monotonic()`; None before."""
        return _instant(self._handle.progress().ended_at)

    @property
    def unread_since(self) -> float | None:
        """Since when the reader has a batch and does not ask for the next, on the clock of `time.monotonic()`.

        None while it waits for one, before the first and after the end.
        """
        return _instant(self._handle.progress().unread_since)

    @property
    def is_finished(self) -> bool:
        """Whether all rows were given out."""
        return bool(self._handle.progress().finished)

    @property
    def has_failed(self) -> bool:
        """Whether the stream ended in an error, its stop included."""
        return bool(self._handle.progress().failed)

    @property
    def is_stopped(self) -> bool:
        """Whether the stream was told to stop."""
        return bool(self._handle.progress().stopped)

    def __repr__(self) -> str:
        now = self._handle.progress()
        return f"StreamCounters(rows={now.rows}, batches={now.batches}, bytes={now.bytes})"


def _instant(nanoseconds: int) -> float | None:
    return nanoseconds / _NANOSECONDS if nanoseconds else None


@dataclass(frozen=True)
class SlicedStream:
    """A wrapped stream: read `reader`, look at `counters`, or `stop()`."""

    reader: pa.RecordBatchReader
    counters: StreamCounters
    _handle: _Handle = field(repr=False)

    def prime(self) -> None:
        """Pull the first batch ahead, before anything reads. Raises OSError with the text of what failed at once."""
        message = _Message()
        if _library.grism_stream_prime(self._handle.address, message, len(message)) != 0:
            raise OSError(message.value.decode(errors="replace"))

    @property
    def failure(self) -> str | None:
        """The text of the error with which the stream ended, its stop included; None before, and at its proper end."""
        return self._handle.failure()

    @property
    def stop(self) -> Callable[[], None]:
        """Lets the next read fail with OSError; may be called from any thread, and does nothing after the end.

        Whoever keeps it does not keep the stream.
        """
        return self._handle.stop


def slice_stream(
    reader: pa.RecordBatchReader,
    max_bytes: int = MAX_MESSAGE_BYTES,
    on_close: Callable[[], None] | None = None,
    *,
    keep_error: bool = False,
) -> SlicedStream:
    """Wrap `reader`, which belongs to the result from here on.

    Batches whose IPC message is larger than `max_bytes` are cut into several that are not, down to single rows, and
    share the values of the original; the others pass as they are. Dictionaries travel in messages of their own and
    are not cut. Errors of `reader` pass with their text; with `keep_error` the rows just end there, and whoever reads
    them must look at `failure` before they count as all.

    `on_close` is called exactly once, in the thread that reads or releases, as soon as the stream has ended, failed or
    been released and holds nothing of `reader` any more (batches that were given out hold themselves). It must neither
    raise nor touch the wrapped reader. Nothing is called once the interpreter shuts down.

    Raises ValueError where `max_bytes` is not positive. Raises UnsupportedError for a type whose Arrow format is not
    known, and ExecutionError where `reader` cannot tell its schema; `on_close` was called then.
    """
    if max_bytes <= 0:
        raise ValueError(f"max_bytes is {max_bytes}; give a positive number of bytes.")
    inner, outer = ArrowArrayStream(), ArrowArrayStream()
    reader._export_to_c(ctypes.addressof(inner))
    key, hook = next(_keys), _CloseHook()
    if on_close is not None:
        _close_callbacks[key], hook = on_close, _close_hook
    address, message = ctypes.c_void_p(), _Message()
    code = _library.grism_stream_open(inner, max_bytes, keep_error, hook, key, outer, address, message, len(message))
    if code == errno.ENOMEM:
        raise MemoryError
    if code == errno.ENOTSUP:
        raise UnsupportedError(f"The Arrow format '{message.value.decode()}' cannot be streamed; cast the column.")
    if code != 0:
        raise ExecutionError(message.value.decode(errors="replace"))
    assert address.value is not None
    handle = _Handle(address.value)
    return SlicedStream(pa.RecordBatchReader._import_from_c(ctypes.addressof(outer)), StreamCounters(handle), handle)


@contextmanager
def scoped_reader(schema: pa.Schema, batches: Generator[pa.RecordBatch, None, None]) -> Iterator[pa.RecordBatchReader]:
    """A reader of `batches`, which end with the block, whoever holds the reader then.

    A reader holds its generator where the garbage collector does not see it, and the traceback of an error that ended
    the reading holds the reader: what the generator holds, a kernel's stream say, would stay with both for good.
    """
    try:
        yield pa.RecordBatchReader.from_batches(schema, batches)
    finally:
        with suppress(ValueError):  # it runs, in a thread of who gave up reading: it ends there
            batches.close()
