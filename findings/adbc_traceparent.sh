#!/usr/bin/env bash
# adbc-driver-flightsql 1.13.0: with OTEL_TRACES_EXPORTER=console the driver records a span for each gRPC call, and sends
# no `traceparent` with it: the server cannot put its own spans into the client's trace. A header that is given as the
# option `adbc.flight.sql.rpc.call_header.traceparent` is sent.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    adbc-driver-flightsql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1 >&2
OTEL_TRACES_EXPORTER=console OTEL_PROPAGATORS=tracecontext "$folder/venv/bin/python" - > "$folder/told" <<'PYTHON'
import adbc_driver_flightsql.dbapi as flight_sql
from pyarrow import flight

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
seen = []


class Headers(flight.ServerMiddlewareFactory):
    def start_call(self, info, headers):
        seen.append(headers.get("traceparent"))


class Server(flight.FlightServerBase):
    def list_actions(self, context):
        return []


with Server("grpc://127.0.0.1:0", middleware={"headers": Headers()}) as server:
    for options in ({}, {"adbc.flight.sql.rpc.call_header.traceparent": HEADER}):
        with flight_sql.connect(f"grpc://127.0.0.1:{server.port}", db_kwargs=options, autocommit=True) as connection:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except flight_sql.Error:
                pass  # this server answers no query; what counts are the headers of the calls
        print("traceparent of the calls:", seen)
        assert seen and set(map(str, seen)) == {str([HEADER]) if options else "None"}
        seen.clear()
PYTHON
grep "^traceparent" "$folder/told"
echo "spans of gRPC calls that the driver recorded: $(grep -c '"Name":"arrow.flight.protocol.FlightService/' "$folder/told")"
grep -q '"Name":"arrow.flight.protocol.FlightService/' "$folder/told"
