#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: of a dictionary column each value is read as its number in the dictionary, 0, 1, 0 for red, blue, red.
#
# Arrow may send a column as numbers and, once, the values that they stand for; pandas' categoricals, ENUM of databases and what
# others keep so come that way. The driver reads the numbers, and does not look into the dictionary; the type that it tells of the
# column is that of the values. So VARCHAR is "0", and a BIGINT of 10 and 20 is 0 and 1: a number like any other, which is summed, and
# compared, and written on. Inside of lists and structs it is so, too; NULL is NULL. No error, no warning. Seen:
#                           type told      sent                       getObject, getString
#   string                  VARCHAR        red, blue, red             red, blue, red
#   dictionary of string    VARCHAR        red, blue, red             0, 1, 0                      (to expect: as above)
#   dictionary of int64     BIGINT         10, 20, 10                 0, 1, 0                      (to expect: 10, 20, 10)
#   dictionary of double    DOUBLE         10.0, 20.0, 10.0           0.0, 1.0, 0.0
#   list of such strings    ARRAY          [red], [blue], [red]       [0], [1], [0]
#   struct of such strings  JAVA_OBJECT    {a: red}, {a: blue}, ..    {"a":0}, {"a":1}, {"a":0}
# Servers for such clients decode dictionaries before they send them; who queries casts in the query, to VARCHAR or BIGINT, where the server
# then sends the values. No report of it was found among the public issues of Arrow and arrow-java.
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

TEXTS = pa.array(["red", "blue", "red", None])
NUMBERS = pa.array([10, 20, 10, None])
KEYS = TEXTS.dictionary_encode()
TABLE = pa.table(
    {
        "plain": TEXTS,
        "texts": KEYS,
        "numbers": NUMBERS.dictionary_encode(),
        "doubles": NUMBERS.cast(pa.float64()).dictionary_encode(),
        "lists": pa.ListArray.from_arrays(range(5), KEYS),
        "structs": pa.StructArray.from_arrays([KEYS], ["a"]),
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
cat > "$folder/Dictionaries.java" <<'JAVA'
import java.sql.DriverManager;

public class Dictionaries {
  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:arrow-flight-sql://127.0.0.1:" + arguments[0] + "/?useEncryption=false";
    try (var connection = DriverManager.getConnection(url);
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT * FROM t")) {
      while (rows.next()) {
        for (int column = 1; column <= 6; column++) {
          System.out.println(rows.getMetaData().getColumnName(column) + " " + rows.getMetaData().getColumnTypeName(column) + ": "
              + rows.getObject(column) + ", " + rows.getString(column));
        }
      }
    }
  }
}
JAVA
coproc "$folder/venv/bin/python" "$folder/server.py" 2>"$folder/log.server"
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
java -Duser.timezone=UTC --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Dictionaries.java" "$port" \
    2>"$folder/log" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
plain VARCHAR: red, red
texts VARCHAR: 0, 0
numbers BIGINT: 0, 0
doubles DOUBLE: 0.0, 0
lists ARRAY: [0], [0]
structs JAVA_OBJECT: {"a":0}, {"a":0}
plain VARCHAR: blue, blue
texts VARCHAR: 1, 1
numbers BIGINT: 1, 1
doubles DOUBLE: 1.0, 1
lists ARRAY: [1], [1]
structs JAVA_OBJECT: {"a":1}, {"a":1}
plain VARCHAR: red, red
texts VARCHAR: 0, 0
numbers BIGINT: 0, 0
doubles DOUBLE: 0.0, 0
lists ARRAY: [0], [0]
structs JAVA_OBJECT: {"a":0}, {"a":0}
plain VARCHAR: null, null
texts VARCHAR: null, null
numbers BIGINT: null, null
doubles DOUBLE: null, null
lists ARRAY: [null], [null]
structs JAVA_OBJECT: {}, {}
SEEN
