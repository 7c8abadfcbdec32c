#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: with `threadPoolSize` above 1 in its URL the rows of an ordered result come in another order.
#
# A FlightInfo may have several endpoints, and says by `ordered` that their rows belong behind each other. The driver reads as many
# endpoints at a time as its pool has threads, and gives a ResultSet the batches of whichever came first; it does not look at
# `ordered`. So `ORDER BY` holds with the default, a pool of one thread, and is lost by the option that is there to read faster; no
# error, no warning. Seen, of 2 endpoints with 0 .. 7999 and 8000 .. 519999, the first of which is slower:
#   (no option)        : first 0, ascending true
#   threadPoolSize=4   : first 8000, ascending false          (to expect: as without)
# Who needs the order leaves the pool at one thread, or sorts again.
#
# Needs Python with pip, Java and Maven; seen with Java 17. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 >&2
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:copy \
    -Dartifact=org.apache.arrow:flight-sql-jdbc-driver:18.3.0 -DoutputDirectory="$folder/jars" >&2
cat > "$folder/server.py" <<'PYTHON'
import threading

import pyarrow as pa
from pyarrow import flight

SCHEMA = pa.schema([("x", pa.int64())])
SIZE, BATCHES = 8_000, 64  # the second endpoint holds more than a client that does not read it is sent


def message(*fields: bytes) -> bytes:
    """A protobuf message of the fields 1, 2, ... of bytes."""
    parts = []
    for number, value in enumerate(fields, 1):
        length = bytearray()
        rest = len(value)
        while rest > 127:
            length.append(rest & 127 | 128)
            rest >>= 7
        parts.append(bytes([number << 3 | 2, *length, rest]) + value)
    return b"".join(parts)


class Server(flight.FlightServerBase):
    """Each statement's result is the same two endpoints, in an order."""

    def do_action(self, context, action):
        if action.type == "CreatePreparedStatement":
            prepared = message(b"handle", SCHEMA.serialize().to_pybytes())
            name = b"type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult"
            yield flight.Result(message(name, prepared))

    def get_flight_info(self, context, descriptor):
        self.read = threading.Event()
        endpoints = [flight.FlightEndpoint(ticket, []) for ticket in (b"first", b"second")]
        return flight.FlightInfo(SCHEMA, descriptor, endpoints, ordered=True)

    def do_get(self, context, ticket):
        return flight.GeneratorStream(SCHEMA, self.first() if ticket.ticket == b"first" else self.second())

    def first(self):
        self.read.wait(5)  # for who reads both; who reads one after the other gets this one late, and first
        yield batch(0)

    def second(self):
        for number in range(1, BATCHES + 1):
            yield batch(number)
        self.read.set()


def batch(number: int) -> pa.RecordBatch:
    return pa.record_batch({"x": range(number * SIZE, (number + 1) * SIZE)})


with Server("grpc://127.0.0.1:0") as server:
    print(server.port, flush=True)
    server.serve()
PYTHON
cat > "$folder/Order.java" <<'JAVA'
import java.sql.DriverManager;

public class Order {
  public static void main(String[] arguments) throws Exception {
    for (String option : new String[] {"", "&threadPoolSize=4"}) {
      String url = "jdbc:arrow-flight-sql://127.0.0.1:" + arguments[0] + "/?useEncryption=false" + option;
      try (var connection = DriverManager.getConnection(url);
          var statement = connection.createStatement();
          var rows = statement.executeQuery("SELECT x FROM t ORDER BY x")) {
        long first = -1, last = -1, count = 0;
        boolean ascending = true;
        while (rows.next()) {
          long x = rows.getLong(1);
          first = count++ == 0 ? x : first;
          ascending &= x > last;
          last = x;
        }
        System.out.println((option.isEmpty() ? "no option" : option.substring(1))
            + ": rows " + count + ", first " + first + ", ascending " + ascending);
      }
    }
  }
}
JAVA
coproc "$folder/venv/bin/python" "$folder/server.py" 2>"$folder/log.server"
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
java --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Order.java" "$port" 2>"$folder/log" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
no option: rows 520000, first 0, ascending true
threadPoolSize=4: rows 520000, first 8000, ascending false
SEEN
