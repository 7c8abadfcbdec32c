"""``python -m tests.harness.memory_server --data DIR --port PORT``: a server that holds tables in memory.

Loads every Parquet file of the folder into an InMemoryStorage and serves it as `grism serve` does a folder.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq

from engine.storage import DEFAULT_SCHEMA, InMemoryStorage, TableName, WriteMode
from flight_server.auth import IDENTITY_KEY, Anonymous, HandshakeHandler, IdentityFactory
from flight_server.config import ServerConfig
from flight_server.endpoint import Endpoint
from flight_server.service import FlightSqlService
from local_runtime import LocalRuntime

__all__ = ["main"]


def main() -> int:
    """Serve until SIGTERM; the exit status is 0 where everything stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    storage = InMemoryStorage()
    for path in sorted(options.data.glob("*.parquet")):
        storage.write(TableName(DEFAULT_SCHEMA, path.stem), pq.read_table(path).to_reader(), WriteMode.CREATE)
    with LocalRuntime(storage) as runtime:
        endpoint = Endpoint(
            FlightSqlService(runtime, ServerConfig().service, "test"),
            port=options.port,
            auth_handler=HandshakeHandler(Anonymous()),
            middleware={IDENTITY_KEY: IdentityFactory(Anonymous())},
        )
        print(f"grism listening on {endpoint.location}", flush=True)
        stop.wait()
        return 0 if endpoint.shutdown() else 1


if __name__ == "__main__":
    sys.exit(main())
