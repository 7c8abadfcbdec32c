#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: where the JVM's time zone is not UTC, `getTimestamp`, `getDate`, `getTime` and `getObject` are
# hours off, and the instant of a TIMESTAMP WITH TIME ZONE by twice the zone's offset.
#
# The driver shifts a timestamp by the offset in the wrong direction, whether the column has a zone or not, so that who prints it
# in Berlin sees it earlier than the server said, and a Date may be that of the day before. As an instant, one with a zone is off
# twice: the clock is moved away from the zone instead of into it. A TIME is shifted the other way, its `getString` and LocalTime
# too. `getString` of a timestamp is right, and so are LocalDateTime and Instant. In UTC all are right.
# Seen, as Java prints, of TIMESTAMP 2024-07-01 00:30:00, TIMESTAMP WITH TIME ZONE 2024-07-01 00:30:00+00, TIME 01:02:03:
#                                     UTC                     Europe/Berlin           America/New_York
#   TIMESTAMP, getString              2024-07-01 00:30:00.0   2024-07-01 00:30:00.0   2024-07-01 00:30:00.0
#   TIMESTAMP, getTimestamp           2024-07-01 00:30:00.0   2024-06-30 22:30:00.0   2024-07-01 04:30:00.0
#   TIMESTAMP, getDate                2024-07-01              2024-06-30              2024-07-01
#   TIMESTAMPTZ, getTimestamp         2024-07-01 00:30:00.0   2024-06-30 22:30:00.0   2024-07-01 04:30:00.0
#   TIMESTAMPTZ, its toInstant()      2024-07-01T00:30:00Z    2024-06-30T20:30:00Z    2024-07-01T08:30:00Z
#   TIME, getTime, LocalTime, String  01:02:03                02:02:03                20:02:03
# (to expect: TIMESTAMP and TIME as in the first column everywhere; the instant too.) No error comes. Who uses the driver
# runs the JVM with -Duser.timezone=UTC, or asks for LocalDateTime and Instant.
#
# Needs Python with pip, Java and Maven; seen with Java 17. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 >&2
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:copy \
    -Dartifact=org.apache.arrow:flight-sql-jdbc-driver:18.3.0 -DoutputDirectory="$folder/jars" >&2
cat > "$folder/server.py" <<'PYTHON'
import datetime

import pyarrow as pa
from pyarrow import flight

WHEN = datetime.datetime(2024, 7, 1, 0, 30)
TABLE = pa.table(
    {
        "plain": pa.array([WHEN], pa.timestamp("us")),
        "zoned": pa.array([WHEN], pa.timestamp("us", "UTC")),
        "clock": pa.array([datetime.time(1, 2, 3)], pa.time64("us")),
    }
)


def field(number: int, value: bytes) -> bytes:
    """A field of bytes of a protobuf message, of at most 2^14 bytes."""
    size = len(value)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + value


class Server(flight.FlightServerBase):
    """Every statement's result is the one table."""

    def do_action(self, context, action):
        if action.type == "CreatePreparedStatement":
            name = b"type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult"
            told = field(1, b"handle") + field(2, TABLE.schema.serialize().to_pybytes())
            yield flight.Result(field(1, name) + field(2, told))

    def get_flight_info(self, context, descriptor):
        return flight.FlightInfo(TABLE.schema, descriptor, [flight.FlightEndpoint(b"rows", [])])

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(TABLE)


with Server("grpc://127.0.0.1:0") as server:
    print(server.port, flush=True)
    server.serve()
PYTHON
cat > "$folder/Zones.java" <<'JAVA'
import java.sql.DriverManager;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.util.TimeZone;

public class Zones {
  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:arrow-flight-sql://127.0.0.1:" + arguments[0] + "/?useEncryption=false";
    try (var connection = DriverManager.getConnection(url);
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT * FROM t")) {
      rows.next();
      System.out.println(TimeZone.getDefault().getID());
      System.out.println("  plain: " + rows.getString(1) + " " + rows.getObject(1, LocalDateTime.class));
      System.out.println("  plain: " + rows.getTimestamp(1) + ", date " + rows.getDate(1) + ", object " + rows.getObject(1));
      System.out.println("  zoned: " + rows.getTimestamp(2) + " " + rows.getTimestamp(2).toInstant());
      System.out.println("  zoned: " + rows.getString(2) + " " + rows.getObject(2, Instant.class));
      System.out.println("  clock: " + rows.getTime(3) + " " + rows.getObject(3, LocalTime.class) + " " + rows.getString(3));
    }
  }
}
JAVA
coproc "$folder/venv/bin/python" "$folder/server.py" 2>"$folder/log.server"
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
for zone in UTC Europe/Berlin America/New_York; do
    java -Duser.timezone="$zone" --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Zones.java" "$port" \
        2>"$folder/log"
done | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
UTC
  plain: 2024-07-01 00:30:00.0 2024-07-01T00:30
  plain: 2024-07-01 00:30:00.0, date 2024-07-01, object 2024-07-01 00:30:00.0
  zoned: 2024-07-01 00:30:00.0 2024-07-01T00:30:00Z
  zoned: 2024-07-01 00:30:00.0 2024-07-01T00:30:00Z
  clock: 01:02:03 01:02:03 01:02:03
Europe/Berlin
  plain: 2024-07-01 00:30:00.0 2024-07-01T00:30
  plain: 2024-06-30 22:30:00.0, date 2024-06-30, object 2024-06-30 22:30:00.0
  zoned: 2024-06-30 22:30:00.0 2024-06-30T20:30:00Z
  zoned: 2024-07-01 00:30:00.0 2024-07-01T00:30:00Z
  clock: 02:02:03 02:02:03 02:02:03
America/New_York
  plain: 2024-07-01 00:30:00.0 2024-07-01T00:30
  plain: 2024-07-01 04:30:00.0, date 2024-07-01, object 2024-07-01 04:30:00.0
  zoned: 2024-07-01 04:30:00.0 2024-07-01T08:30:00Z
  zoned: 2024-07-01 00:30:00.0 2024-07-01T00:30:00Z
  clock: 20:02:03 20:02:03 20:02:03
SEEN
