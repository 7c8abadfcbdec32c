"""Error texts of a C stream, rewritten when one fails and at no other time.

A stream that fails in the middle has no Python exception: C++ asks the Arrow C stream for the text of its last error
and sends that to the client. Here the one function that gives the text is replaced in the stream's struct; the
functions that give batches stay as they are.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable

import pyarrow as pa

__all__ = ["rewritten"]

log = logging.getLogger(__name__)


class _ArrowArrayStream(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "data")]


_GetLastError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ArrowArrayStream))


class _Rewriting:
    """One stream's own function, and what stands for its text. The last text lives as long as this does."""

    def __init__(self, original: int, rewrite: Callable[[str], str]) -> None:
        self._original = _GetLastError(original)
        self._rewrite = rewrite
        self._text = ctypes.create_string_buffer(b"")

    def text(self, stream: ctypes._Pointer[_ArrowArrayStream]) -> int:
        found = ctypes.cast(self._original(stream), ctypes.c_char_p).value or b""
        self._text = ctypes.create_string_buffer(self._rewrite(found.decode(errors="replace")).encode())
        return ctypes.addressof(self._text)


_rewritings: dict[int, _Rewriting] = {}
_GENERIC = ctypes.create_string_buffer(b"The stream failed.")


def _get_last_error(stream: ctypes._Pointer[_ArrowArrayStream]) -> int:
    """The one function that C calls, whatever the stream."""
    try:
        return _rewritings[stream.contents.data].text(stream)
    except Exception:  # an exception cannot leave through C
        log.exception("the text of a stream's error could not be rewritten")
        return ctypes.addressof(_GENERIC)


_hook = _GetLastError(_get_last_error)  # lives as long as the module, so C may call it at any time


def rewritten(
    reader: pa.RecordBatchReader, rewrite: Callable[[str], str]
) -> tuple[pa.RecordBatchReader, Callable[[], None]]:
    """`reader`, whose errors have the text that `rewrite` makes of theirs, and a function that ends the rewriting.

    `reader` belongs to the result. Call the function once nobody reads any more.
    """
    stream = _ArrowArrayStream()
    reader._export_to_c(ctypes.addressof(stream))
    key, rewriting = stream.data, _Rewriting(stream.get_last_error, rewrite)
    _rewritings[key] = rewriting
    stream.get_last_error = ctypes.cast(_hook, ctypes.c_void_p).value

    def forget() -> None:
        if _rewritings.get(key) is rewriting:  # the address may be another stream's by now
            del _rewritings[key]

    return pa.RecordBatchReader._import_from_c(ctypes.addressof(stream)), forget
