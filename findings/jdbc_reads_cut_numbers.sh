#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: `getInt`, `getShort`, `getByte` and `getLong` of a value that does not fit answer another number.
#
# Integers keep their lowest bits, also where they are asked for as `getObject(Integer.class)`; decimals lose their fraction
# first; doubles stop at the end of an int or a long, and a short or a byte is the lowest bits of the int. NaN is 0. SQL has a state
# for values out of range, 22003, and JDBC the SQLException to tell it; here come neither an error nor a warning. Seen:
#   BIGINT 4294967303              : getInt 7, getShort 7, getObject(Integer.class) 7
#   SMALLINT 300                   : getByte 44
#   DECIMAL 123456789012345678.91  : getLong 123456789012345678, getInt -1506741426
#   DECIMAL 18446744073709551621   : getLong 5
#   DOUBLE 1e300                   : getLong 9223372036854775807, getInt 2147483647, getShort -1, getByte -1
#   DOUBLE NaN                     : getLong 0, getInt 0
# (to expect: an SQLException from each.) Who does not know the range reads getBigDecimal, and takes its intValueExact().
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
from decimal import Decimal

import pyarrow as pa
from pyarrow import flight

TABLE = pa.table(
    {
        "bigint": pa.array([2**32 + 7], pa.int64()),
        "smallint": pa.array([300], pa.int16()),
        "decimal": pa.array([Decimal("123456789012345678.91")], pa.decimal128(38, 2)),
        "huge": pa.array([Decimal(2**64 + 5)], pa.decimal128(38, 0)),
        "double": pa.array([1e300]),
        "nan": pa.array([float("nan")]),
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
cat > "$folder/Numbers.java" <<'JAVA'
import java.sql.DriverManager;
import java.sql.SQLException;

public class Numbers {
  interface Reader {
    Object read() throws SQLException;
  }

  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:arrow-flight-sql://127.0.0.1:" + arguments[0] + "/?useEncryption=false";
    try (var connection = DriverManager.getConnection(url);
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT * FROM t")) {
      rows.next();
      for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) {
        int column = i;
        System.out.println(rows.getMetaData().getColumnName(column) + " " + rows.getString(column)
            + ": long " + told(() -> rows.getLong(column)) + ", int " + told(() -> rows.getInt(column))
            + ", short " + told(() -> rows.getShort(column)) + ", byte " + told(() -> rows.getByte(column))
            + ", Integer " + told(() -> rows.getObject(column, Integer.class)) + ", warned " + (rows.getWarnings() != null));
      }
    }
  }

  private static String told(Reader reader) {
    try {
      return String.valueOf(reader.read());
    } catch (SQLException error) {
      return "refused";
    }
  }
}
JAVA
coproc "$folder/venv/bin/python" "$folder/server.py" 2>"$folder/log.server"
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
java --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Numbers.java" "$port" 2>"$folder/log" \
    | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
bigint 4294967303: long 4294967303, int 7, short 7, byte 7, Integer 7, warned false
smallint 300: long 300, int 300, short 300, byte 44, Integer 300, warned false
decimal 123456789012345678.91: long 123456789012345678, int -1506741426, short -3250, byte 78, Integer -1506741426, warned false
huge 18446744073709551621: long 5, int 5, short 5, byte 5, Integer 5, warned false
double 1.0E300: long 9223372036854775807, int 2147483647, short -1, byte -1, Integer 2147483647, warned false
nan NaN: long 0, int 0, short 0, byte 0, Integer 0, warned false
SEEN
