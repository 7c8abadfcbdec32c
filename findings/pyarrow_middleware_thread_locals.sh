#!/usr/bin/env bash
# pyarrow 26.0.1: what Flight server middleware puts into a `threading.local` is gone when the method runs.
#
# The documentation of ServerMiddlewareFactory says that all runs in one thread, and so thread-locals that middleware sets
# can be read in the method. The thread is one; but at each entry from gRPC it has a new Python thread state, in which
# these values lie, so that none outlives `start_call`. Nothing is told: where tracing or identity is kept so, it is missing.
# The same for a stream: each batch of a generator finds a state of its own. Seen:
#   same thread : True
#   in the method, in the batches, at the end : None None None          (to expect: the call's value)
# What belongs to a call goes with its middleware (`context.get_middleware`), or by the number of the thread.
#
# Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import threading

import pyarrow as pa
from pyarrow import flight

BATCH = pa.record_batch({"a": [1]})
local = threading.local()
threads, seen = [], []


def look():
    threads.append(threading.get_ident())
    seen.append(getattr(local, "value", None))


class Middleware(flight.ServerMiddleware):
    def call_completed(self, exception):
        look()
        done.set()


class Factory(flight.ServerMiddlewareFactory):
    def start_call(self, info, headers):
        local.value = "of this call"
        look()
        return Middleware()


class Server(flight.FlightServerBase):
    def do_get(self, context, ticket):
        look()

        def batches():
            look()
            yield BATCH

        return flight.GeneratorStream(BATCH.schema, batches())


print("pyarrow", pa.__version__)
done = threading.Event()
with (
    Server("grpc://127.0.0.1:0", middleware={"sets": Factory()}) as server,
    flight.connect(f"grpc://127.0.0.1:{server.port}") as client,
):
    assert client.do_get(flight.Ticket(b"")).read_all().num_rows == 1
    assert done.wait(20)
print("same thread :", len(set(threads)) == 1)
print("in the method, in the batches, at the end :", *seen[1:])
assert len(set(threads)) == 1
assert seen == ["of this call", None, None, None], "thread-locals of middleware are there now"
PYTHON
