#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: no accessor reads more of a TIME than its milliseconds, and LocalTime has not even these.
#
# The driver makes a java.sql.Time of the column, whatever its unit, and `getString` and `getTimestamp` are made of that; a
# LocalTime is made of its hours, minutes and seconds. So rows that differ are equal to the client, and a value that is read and bound
# again finds nothing. A TIMESTAMP keeps its nanoseconds. No error, no warning, and `wasNull` is false. Seen, in UTC, of TIME columns:
#                                microseconds, 23:59:59.999999      nanoseconds, 01:02:03.456789123
#   getString, getObject         23:59:59.999                       01:02:03.456
#   getTimestamp                 1970-01-01 23:59:59.999            1970-01-01 01:02:03.456
#   getObject(LocalTime.class)   23:59:59                           01:02:03
#   TIMESTAMP, LocalDateTime     2024-07-01T23:59:59.999999         2024-07-01T01:02:03.456789123
# (to expect: each digit, from LocalTime and getString at least.) Who needs them casts to VARCHAR in the query.
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

MICROS = 86_399_999_999  # 23:59:59.999999
NANOS = 3_723_456_789_123  # 01:02:03.456789123
DAY = 1_719_792_000  # 2024-07-01
TABLE = pa.table(
    {
        "time_us": pa.array([MICROS], pa.time64("us")),
        "stamp_us": pa.array([DAY * 10**6 + MICROS], pa.timestamp("us")),
        "time_ns": pa.array([NANOS], pa.time64("ns")),
        "stamp_ns": pa.array([DAY * 10**9 + NANOS], pa.timestamp("ns")),
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
cat > "$folder/Times.java" <<'JAVA'
import java.sql.DriverManager;
import java.time.LocalDateTime;
import java.time.LocalTime;

public class Times {
  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:arrow-flight-sql://127.0.0.1:" + arguments[0] + "/?useEncryption=false";
    try (var connection = DriverManager.getConnection(url);
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT * FROM t")) {
      rows.next();
      for (int column = 1; column <= 3; column += 2) {
        System.out.println(rows.getMetaData().getColumnName(column) + ": " + rows.getString(column) + ", "
            + rows.getObject(column) + ", " + rows.getTimestamp(column) + ", " + rows.getObject(column, LocalTime.class)
            + "; " + rows.getObject(column + 1, LocalDateTime.class));
      }
    }
  }
}
JAVA
coproc "$folder/venv/bin/python" "$folder/server.py" 2>"$folder/log.server"
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
java -Duser.timezone=UTC --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Times.java" "$port" \
    2>"$folder/log" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
time_us: 23:59:59.999, 23:59:59.999, 1970-01-01 23:59:59.999, 23:59:59; 2024-07-01T23:59:59.999999
time_ns: 01:02:03.456, 01:02:03.456, 1970-01-01 01:02:03.456, 01:02:03; 2024-07-01T01:02:03.456789123
SEEN
