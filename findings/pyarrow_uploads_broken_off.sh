#!/usr/bin/env bash
# pyarrow 26.0.1: a Flight server reads an upload that was broken off as one that came to its end.
#
# Where a client dies, its deadline passes, or it cancels (as adbc-driver-flightsql 1.13.0 does when the source of `adbc_ingest`
# fails), the reader of `do_put` raises nothing: the loop over it ends as at the end of the data, with the batches that had come.
# A server that then writes them keeps a part of an upload whose client saw an error, or is no more. All that tells of it is
# `context.is_cancelled()`, to be asked after the last batch. A failure inside `with writer:` of pyarrow's own client is not even
# that: leaving the block closes the stream, which says that all has been sent. Seen by the server, of 2 batches and then:
#   the end                            : ends after 2000 rows, cancelled False
#   the client is killed               : ends after 2000 rows, cancelled True          (to expect: an error of the reader)
#   its deadline passes                : ends after 2000 rows, cancelled True
#   the source of adbc_ingest fails    : ends after 2000 rows, cancelled True
#   an error in `with writer:`         : ends after 2000 rows, cancelled False         (to expect: cancelled True)
# Servers ask is_cancelled() before they commit; clients write from a source that cannot fail, or tell the number of rows besides.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    adbc-driver-flightsql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1 >&2
cat > "$folder/client.py" <<'PYTHON'
import sys

import pyarrow as pa
from pyarrow import flight

batch = pa.record_batch({"x": range(1000)})
writer, _ = flight.connect(sys.argv[1]).do_put(flight.FlightDescriptor.for_path("t"), batch.schema)
writer.write_batch(batch)
writer.write_batch(batch)
sys.stdin.read()
PYTHON
"$folder/venv/bin/python" - "$folder/client.py" <<'PYTHON'
import subprocess
import sys
import threading

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
from pyarrow import flight

BATCH = pa.record_batch({"x": range(1000)})
TABLE = flight.FlightDescriptor.for_path("t")


class Server(flight.FlightServerBase):
    came, over = threading.Event(), threading.Event()

    def do_put(self, context, descriptor, reader, writer):
        rows = 0
        try:
            for chunk in reader:
                rows += chunk.data.num_rows
                if rows == 2000:
                    self.came.set()
            self.outcome = "ends", rows, context.is_cancelled()
        except Exception as error:
            self.outcome = type(error).__name__, rows, context.is_cancelled()
        self.over.set()

    def get_flight_info(self, context, descriptor):
        raise flight.FlightServerError("no query is answered here")


def source(fails: bool):
    yield BATCH
    yield BATCH
    if fails:
        assert server.came.wait(60)
        raise RuntimeError("the source failed")


def put(fails: bool) -> None:
    writer, _ = client.do_put(TABLE, BATCH.schema)
    with writer:
        for batch in source(fails):
            writer.write_batch(batch)


def killed() -> None:
    process = subprocess.Popen([sys.executable, sys.argv[1], uri], stdin=subprocess.PIPE)
    assert server.came.wait(60)
    process.kill()
    process.wait()


def deadline() -> None:
    writer, reader = client.do_put(TABLE, BATCH.schema, flight.FlightCallOptions(timeout=5))
    for batch in source(False):
        writer.write_batch(batch)
    assert server.came.wait(60)
    reader.read()  # until the deadline; the error is told by close()
    writer.close()


def ingest() -> None:
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("t", pa.RecordBatchReader.from_batches(BATCH.schema, source(True)))


def outcome(title: str, upload, *arguments, error: type | None = None) -> tuple:
    server.came.clear()
    server.over.clear()
    try:
        upload(*arguments)
        raised = None
    except Exception as failure:
        raised = failure
    assert isinstance(raised, error) if error else raised is None, raised
    assert server.over.wait(60)
    word, rows, cancelled = server.outcome
    print(f"{title:32}: {word} after {rows} rows, cancelled {cancelled}")
    return server.outcome


print("pyarrow", pa.__version__)
with Server("grpc://127.0.0.1:0") as server:
    uri = f"grpc://127.0.0.1:{server.port}"
    client = flight.connect(uri)
    assert outcome("the end", put, False) == ("ends", 2000, False)
    broken = ("ends", 2000, True)
    assert outcome("the client is killed", killed) == broken, "the reader tells it now"
    assert outcome("its deadline passes", deadline, error=flight.FlightTimedOutError) == broken, "the reader tells it now"
    assert outcome("the source of adbc_ingest fails", ingest, error=flight_sql.Error) == broken, "the reader tells it now"
    assert outcome("an error in `with writer:`", put, True, error=RuntimeError) == ("ends", 2000, False), "told now"
    client.close()
PYTHON
