#!/usr/bin/env bash
# pyarrow 26.0.1: `FlightStreamReader.read_all` takes a stream that the server ends as CANCELLED for an interrupt.
#
# `FlightCancelledError` is an `ArrowCancelled`, which read_all takes for a Ctrl-C of its own process and raises anew as a
# KeyboardInterrupt, in the main thread, whichever thread reads. Read chunk by chunk the error is what it should be. Seen:
#   read_all : KeyboardInterrupt            (to expect: FlightCancelledError)
#   chunks   : FlightCancelledError enough
# Who may be cancelled reads `for chunk in reader`.
#
# Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
from pyarrow import flight

BATCH = pa.record_batch({"a": [1]})


class Server(flight.FlightServerBase):
    def do_get(self, context, ticket):
        def batches():
            yield BATCH
            raise flight.FlightCancelledError("enough")

        return flight.GeneratorStream(BATCH.schema, batches())


def failure(read):
    reader = client.do_get(flight.Ticket(b""))
    try:
        read(reader)
    except BaseException as error:
        return type(error).__name__, str(error).partition(".")[0]
    return "no error", ""


print("pyarrow", pa.__version__)
with Server("grpc://127.0.0.1:0") as server, flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
    whole, chunks = failure(lambda reader: reader.read_all()), failure(list)
print("read_all :", *whole)
print("chunks   :", *chunks)
assert whole == ("KeyboardInterrupt", ""), "read_all raises the error of the stream now"
assert chunks == ("FlightCancelledError", "enough")
PYTHON
