"""What `do_get` answers with: a reader that C++ drains into the network, without Python for each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import flight, ipc

from engine.errors import ExecutionError
from engine.kernel_errors import execution_error
from engine.streams import MAX_MESSAGE_BYTES, SlicedStream, slice_stream
from flight_server.endpoint.calls import Call
from flight_server.endpoint.status import flight_errors

__all__ = ["ResultStream", "flight_stream"]


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
    default: not every client can read it. `schema` is that of `reader`, with what is noted of its fields for clients.
    """

    reader: pa.RecordBatchReader
    close: Callable[[], None] = _nothing
    ended: Callable[[], None] = _nothing
    explain: Callable[[str], BaseException] = _kernel_error
    compression: Literal["lz4", "zstd"] | None = None
    schema: pa.Schema | None = None


def flight_stream(stream: ResultStream, call: Call, max_bytes: int = MAX_MESSAGE_BYTES) -> flight.GeneratorStream:
    """The Flight messages of `stream`, of at most `max_bytes` except for single rows larger than that.

    A cancelled call sends no further message, and one whose client does not read is cancelled in time. An error in
    mid-stream arrives as any other does: it is the cause of the cancellation, or what `stream.explain` makes of it.
    """
    messages = slice_stream(stream.reader, max_bytes, on_close=stream.ended, keep_error=True)
    call.cancellation.on_cancel(messages.stop)
    call.unsent = messages.counters
    options = ipc.IpcWriteOptions(compression=stream.compression)

    def failure() -> BaseException:
        error = call.cancellation.cause or stream.explain(messages.failure or "")
        # A bare ExecutionError is a text that nobody could place, and so an incident.
        return RuntimeError(str(error)) if type(error) is ExecutionError else error

    sent = _send(messages, options, failure, call)
    return flight.GeneratorStream(stream.schema or messages.reader.schema, sent, options=options)


def _send(
    messages: SlicedStream,
    options: ipc.IpcWriteOptions,
    failure: Callable[[], BaseException],
    call: Call,
) -> Iterator[flight.RecordBatchStream]:
    """All rows, which C++ takes out of the one reader. Then this goes on, and raises what they ended with.

    An Arrow C stream fails with a number, for which Arrow has few codes; an exception has any of Flight's.
    """
    yield flight.RecordBatchStream(messages.reader, options=options)
    with flight_errors(call.add_trailer):
        if not messages.counters.is_finished:
            raise failure()
    call.unsent = None
