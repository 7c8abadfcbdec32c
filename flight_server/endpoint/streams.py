"""What `do_get` answers with: a reader that C++ drains into the network, without Python for each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import flight, ipc

from engine.context import Cancellation
from engine.streams import MAX_MESSAGE_BYTES, sliced

__all__ = ["ResultStream", "record_batch_stream"]


def _nothing() -> None:
    """Free nothing."""


@dataclass(frozen=True)
class ResultStream:
    """A handler's answer to `do_get`.

    `close` stops the work behind `reader` and frees it. The endpoint calls it once the call is over, however it ended:
    read to its end, failed, or left by the client. It may be called from any thread and more than once.

    `compression` of the messages is off by default: not every client can read it.
    """

    reader: pa.RecordBatchReader
    close: Callable[[], None] = _nothing
    compression: Literal["lz4", "zstd"] | None = None


def record_batch_stream(
    stream: ResultStream, cancellation: Cancellation, max_bytes: int = MAX_MESSAGE_BYTES
) -> flight.RecordBatchStream:
    """The Flight messages of `stream`, of at most `max_bytes` except for single rows larger than that.

    A cancelled call sends no further message.
    """
    messages = sliced(stream.reader, max_bytes)
    cancellation.on_cancel(messages.stop)
    return flight.RecordBatchStream(messages.reader, options=ipc.IpcWriteOptions(compression=stream.compression))
