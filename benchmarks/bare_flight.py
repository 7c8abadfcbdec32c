"""``python -m benchmarks.bare_flight --data DIR --port PORT``: a pyarrow.flight server and nothing else.

Holds the record batches of DIR/batches.arrow, an Arrow IPC file, in memory, and sends them for any ticket.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

import pyarrow as pa
from pyarrow import flight

__all__ = ["BareServer", "main"]


class BareServer(flight.FlightServerBase):
    """Sends one table."""

    def __init__(self, location: str, table: pa.Table) -> None:
        super().__init__(location)
        self._table = table

    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """The one table, whatever is asked for."""
        del context
        endpoint = flight.FlightEndpoint(b"all", [])
        return flight.FlightInfo(self._table.schema, descriptor, [endpoint], self._table.num_rows, -1)

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.RecordBatchStream:
        """All batches, through C++."""
        del context, ticket
        return flight.RecordBatchStream(self._table)


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with pa.OSFile(str(options.data / "batches.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
    with BareServer(f"grpc://127.0.0.1:{options.port}", table) as server:
        print(f"grism listening on grpc://127.0.0.1:{server.port}", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
