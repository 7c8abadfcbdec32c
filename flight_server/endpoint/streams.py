"""What `do_get` answers with: a reader that C++ drains into the network, without Python for each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import flight, ipc

from engine.kernel_errors import execution_error
from engine.streams import MAX_MESSAGE_BYTES, sliced
from flight_server.endpoint.calls import Call
from flight_server.endpoint.messages import rewritten
from flight_server.endpoint.status import ERROR_TRAILER, stream_text

__all__ = ["ResultStream", "record_batch_stream"]


def _nothing() -> None:
    """Free nothing."""


def _kernel_error(text: str) -> BaseException:
    return execution_error(OSError(text))


@dataclass(frozen=True)
class ResultStream:
    """A handler's answer to `do_get`.

    `close` stops the work behind `reader` and frees it. The endpoint calls it once the call is over, however it ended:
    read to its end, failed, or left by the client. It may be called from any thread and more than once.

    `ended` is called once all rows have left `reader`, or it failed, in the thread that sends: it must be quick and not
    raise. `explain` makes an error of the text with which `reader` failed. `compression` of the messages is off by
    default: not every client can read it.
    """

    reader: pa.RecordBatchReader
    close: Callable[[], None] = _nothing
    ended: Callable[[], None] = _nothing
    explain: Callable[[str], BaseException] = _kernel_error
    compression: Literal["lz4", "zstd"] | None = None


def record_batch_stream(
    stream: ResultStream, call: Call, max_bytes: int = MAX_MESSAGE_BYTES
) -> flight.RecordBatchStream:
    """The Flight messages of `stream`, of at most `max_bytes` except for single rows larger than that.

    A cancelled call sends no further message, and one whose client does not read is cancelled in time. The text of an
    error in mid-stream is the cause of the cancellation, or the message of the engine's error, and its class is in the
    trailer; its code is INVALID_ARGUMENT, UNIMPLEMENTED or UNKNOWN: Arrow's streams know no others.
    """

    def explain(text: str) -> str:
        error = call.cancellation.cause or stream.explain(text)
        call.add_trailer(ERROR_TRAILER, type(error).__name__)
        return stream_text(error)

    messages = sliced(stream.reader, max_bytes, on_close=stream.ended)
    call.cancellation.on_cancel(messages.stop)
    call.sends(messages.counters)
    reader, forget = rewritten(messages.reader, explain)
    call.on_end(forget)
    return flight.RecordBatchStream(reader, options=ipc.IpcWriteOptions(compression=stream.compression))
