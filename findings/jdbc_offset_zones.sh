#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: a timestamp whose zone is an offset, such as +05:30, is told by the clock of Greenwich.
#
# Arrow's zones are names, Asia/Kolkata, or offsets. The driver shows a timestamp by the clock of its column's zone, and asks Java's
# `TimeZone.getTimeZone` for that, which knows offsets only as GMT+05:30, and takes all else that it does not know for GMT, without an
# error. So two columns with one instant in one place differ by hours, or a day, in what is shown, grouped by day, or kept as a
# LocalDateTime; and OffsetDateTime and ZonedDateTime say that the offset was 0. The instant is right. Seen, in a JVM in
# UTC, of 2024-07-01 00:30:00 UTC:
#                           getString               LocalDateTime       OffsetDateTime
#   UTC                     2024-07-01 00:30:00.0   2024-07-01T00:30    2024-07-01T00:30Z
#   Asia/Kolkata            2024-07-01 06:00:00.0   2024-07-01T06:00    2024-07-01T06:00+05:30
#   +05:30                  2024-07-01 00:30:00.0   2024-07-01T00:30    2024-07-01T00:30Z        (to expect: as of Asia/Kolkata)
#   America/Los_Angeles     2024-06-30 17:30:00.0   2024-06-30T17:30    2024-06-30T17:30-07:00
#   -07:00                  2024-07-01 00:30:00.0   2024-07-01T00:30    2024-07-01T00:30Z        (to expect: as of America/Los_Angeles)
# pyarrow shows all of them right. Who queries reads Instant, or casts to VARCHAR in the query; who serves gives zones their names.
# arrow-java's pull request 464 is about zones in this driver; of offsets no report was found.
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
import pyarrow as pa
from pyarrow import flight

WHEN = 1_719_793_800  # 2024-07-01 00:30:00 in UTC
ZONES = ["UTC", "Asia/Kolkata", "+05:30", "America/Los_Angeles", "-07:00"]
TABLE = pa.table({zone: pa.array([WHEN], pa.timestamp("s", zone)) for zone in ZONES})


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
import java.time.OffsetDateTime;

public class Zones {
  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:arrow-flight-sql://127.0.0.1:" + arguments[0] + "/?useEncryption=false";
    try (var connection = DriverManager.getConnection(url);
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT * FROM t")) {
      rows.next();
      for (int column = 1; column <= 5; column++) {
        System.out.println(rows.getMetaData().getColumnName(column) + ": " + rows.getString(column) + ", "
            + rows.getObject(column, LocalDateTime.class) + ", " + rows.getObject(column, OffsetDateTime.class) + ", "
            + rows.getObject(column, Instant.class));
      }
    }
  }
}
JAVA
coproc "$folder/venv/bin/python" "$folder/server.py" 2>"$folder/log.server"
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
java -Duser.timezone=UTC --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Zones.java" "$port" \
    2>"$folder/log" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
UTC: 2024-07-01 00:30:00.0, 2024-07-01T00:30, 2024-07-01T00:30Z, 2024-07-01T00:30:00Z
Asia/Kolkata: 2024-07-01 06:00:00.0, 2024-07-01T06:00, 2024-07-01T06:00+05:30, 2024-07-01T00:30:00Z
+05:30: 2024-07-01 00:30:00.0, 2024-07-01T00:30, 2024-07-01T00:30Z, 2024-07-01T00:30:00Z
America/Los_Angeles: 2024-06-30 17:30:00.0, 2024-06-30T17:30, 2024-06-30T17:30-07:00, 2024-07-01T00:30:00Z
-07:00: 2024-07-01 00:30:00.0, 2024-07-01T00:30, 2024-07-01T00:30Z, 2024-07-01T00:30:00Z
SEEN
