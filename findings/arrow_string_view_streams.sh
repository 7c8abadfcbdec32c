#!/usr/bin/env bash
# pyarrow 26.0.1 and adbc-driver-flightsql 1.13.0 (arrow-go 18.8.0): a table of string views that is sent in batches is sent as
# often as there are batches.
#
# A slice of an array of strings is cut when it is written to a stream; of an array of views the buffers that the views point into
# are written whole, with each batch again. So smaller batches make a longer stream: its length is (batches x text), in Arrow
# IPC, in both directions of Flight (`write_table(max_chunksize=)`, `RecordBatchStream`), and in `adbc_ingest`. The rows are right.
# Of slices of list views more is written than they hold, too. Seen, of 20,000 texts of 40 bytes, in bytes:
#                            20,000 rows a batch     1,000          100
#   IPC, string                  880,296           883,488        920,096
#   IPC, string_view           1,120,696        16,331,488    160,433,728
#   IPC, list<int64>             400,384           404,184        440,184
#   IPC, list_view<int64>        480,392         2,228,344     16,680,184
#   Flight and ADBC, batches of 1,000: string 880,080, string_view 16,320,000
# Views come unasked from the Arrow streams of polars 2.1 and of deltalake's queries. Cast them to `large_string` before they are
# cut into batches.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    adbc-driver-flightsql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import io

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
from pyarrow import flight

ROWS = 20_000
TEXTS = [f"{number:040}" for number in range(ROWS)]
PAIRS = [[number, number] for number in range(ROWS)]
VALUES = {
    "string": pa.array(TEXTS),
    "string_view": pa.array(TEXTS, pa.string_view()),
    "list": pa.array(PAIRS),
    "list_view": pa.array(PAIRS, pa.list_view(pa.int64())),
}


def length(table: pa.Table, size: int) -> int:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return sink.tell()


class Server(flight.FlightServerBase):
    """Counts the bytes of the batches that come, and sends what came last."""

    def do_put(self, context, descriptor, reader, writer):
        batches = [chunk.data for chunk in reader]
        self.came = sum(batch.get_total_buffer_size() for batch in batches)
        self.kept = pa.Table.from_batches(batches)
        writer.write(b"\x08\x00")  # a DoPutUpdateResult, for the driver

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(table)

    def get_flight_info(self, context, descriptor):
        raise flight.FlightServerError("no query is answered here")


print("pyarrow", pa.__version__)
seen = {}
for kind, values in VALUES.items():
    seen[kind] = [length(pa.table({"x": values}), size) for size in (ROWS, 1_000, 100)]
    print(f"IPC, {kind:12}", seen[kind])
assert seen["string"][2] < 1.1 * seen["string"][0] and seen["list"][2] < 1.2 * seen["list"][0]
assert seen["string_view"][1] > 14 * seen["string_view"][0] and seen["string_view"][2] > 140 * seen["string_view"][0]
assert seen["list_view"][1] > 4 * seen["list_view"][0] and seen["list_view"][2] > 30 * seen["list_view"][0]

with Server("grpc://127.0.0.1:0") as server, flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
    for kind in ("string", "string_view"):
        table = pa.Table.from_batches(pa.table({"x": VALUES[kind]}).to_batches(max_chunksize=1_000))
        writer, _ = client.do_put(flight.FlightDescriptor.for_path("t"), table.schema)
        writer.write_table(table)
        writer.close()
        sent = server.came
        got = sum(chunk.data.get_total_buffer_size() for chunk in client.do_get(flight.Ticket(b"")))
        with flight_sql.connect(f"grpc://127.0.0.1:{server.port}", autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.adbc_ingest("t", table.to_reader(), mode="append")
        assert server.kept["x"].to_pylist() == TEXTS
        print(f"Flight, {kind:11}: DoPut {sent}, DoGet {got}, adbc_ingest {server.came}")
        for bytes_ in (sent, got, server.came):
            assert (bytes_ > 15_000_000) == (kind == "string_view"), "views are cut to their batch now"
PYTHON
