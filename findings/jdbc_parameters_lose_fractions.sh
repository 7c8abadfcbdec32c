#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: numbers bound to a parameter of whole numbers are cut to its type, without an error.
#
# A server of `flight-sql` 18.3.0 tells the type of the one parameter of a statement, and answers with the value that came.
# Seen where the parameter is told as BIGINT:
#   setDouble, setFloat, setBigDecimal, setObject of 7.5 : 7, no SQLException, no SQLWarning   (to expect: an SQLException)
#   setDouble(NaN)                                       : 0
#   setDouble(1e300), setDouble(Infinity)                : 9223372036854775807
#   setBigDecimal(2^64 + 7)                              : 7
# and where it is told as a smaller type:
#   setLong(2^32 + 7), setLong(2^40) to an INTEGER       : 7, 0
#   setInt(70000), setDouble(1e300) to a SMALLINT        : 4464, -1
# So `WHERE k = ?` with 7.5 finds the rows of 7. Text (setString, setObject) and setBoolean are refused with an SQLException, and
# so is setObject(1, value, Types.DECIMAL, 1), by BIGINT and DOUBLE alike (`"typedValue" is null`). To a DOUBLE every number comes
# as the nearest double: cast the parameter in the statement, where the server tells types by that.
#
# Needs Java and Maven; seen with Java 17. 18.3.0 was the newest driver to be had. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/pom.xml" <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>findings</groupId>
  <artifactId>parameters</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.arrow</groupId><artifactId>flight-sql-jdbc-driver</artifactId><version>18.3.0</version></dependency>
    <dependency><groupId>org.apache.arrow</groupId><artifactId>flight-sql</artifactId><version>18.3.0</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B -f "$folder/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies \
    -DoutputDirectory="$folder/jars" >&2
cat > "$folder/Parameters.java" <<'JAVA'
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.List;
import java.util.Map;
import org.apache.arrow.flight.*;
import org.apache.arrow.flight.sql.NoOpFlightSqlProducer;
import org.apache.arrow.flight.sql.impl.FlightSql.*;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

public class Parameters {
  static final RootAllocator MEMORY = new RootAllocator();

  /** A statement is the name of its parameter's type; its one row is the value that came last, as text. */
  static class Server extends NoOpFlightSqlProducer {
    static final Schema RESULT = new Schema(List.of(Field.nullable("came", ArrowType.Utf8.INSTANCE)));
    static final Map<String, ArrowType> TYPES = Map.of(
        "SMALLINT", new ArrowType.Int(16, true), "INTEGER", new ArrowType.Int(32, true), "BIGINT", new ArrowType.Int(64, true),
        "DOUBLE", new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE));
    volatile String came = "nothing";

    @Override
    public void createPreparedStatement(
        ActionCreatePreparedStatementRequest request, CallContext context, StreamListener<Result> answer) {
      came = "nothing";
      Schema parameters = new Schema(List.of(Field.nullable("1", TYPES.get(request.getQuery()))));
      answer.onNext(new Result(Any.pack(ActionCreatePreparedStatementResult.newBuilder()
          .setPreparedStatementHandle(request.getQueryBytes())
          .setDatasetSchema(ByteString.copyFrom(RESULT.serializeAsMessage()))
          .setParameterSchema(ByteString.copyFrom(parameters.serializeAsMessage())).build()).toByteArray()));
      answer.onCompleted();
    }

    @Override
    public void closePreparedStatement(
        ActionClosePreparedStatementRequest request, CallContext context, StreamListener<Result> answer) {
      answer.onCompleted();
    }

    @Override
    public Runnable acceptPutPreparedStatementQuery(
        CommandPreparedStatementQuery command, CallContext context, FlightStream bound, StreamListener<PutResult> answer) {
      return () -> {
        while (bound.next()) {
          came = String.valueOf(bound.getRoot().getVector(0).getObject(0));
        }
        answer.onCompleted();
      };
    }

    @Override
    public FlightInfo getFlightInfoPreparedStatement(
        CommandPreparedStatementQuery command, CallContext context, FlightDescriptor descriptor) {
      Ticket ticket = new Ticket(Any.pack(command).toByteArray());
      return new FlightInfo(RESULT, descriptor, List.of(new FlightEndpoint(ticket)), -1, -1);
    }

    @Override
    public void getStreamPreparedStatement(
        CommandPreparedStatementQuery command, CallContext context, ServerStreamListener answer) {
      try (VectorSchemaRoot rows = VectorSchemaRoot.create(RESULT, MEMORY)) {
        ((VarCharVector) rows.getVector(0)).setSafe(0, came.getBytes(StandardCharsets.UTF_8));
        rows.setRowCount(1);
        answer.start(rows);
        answer.putNext();
        answer.completed();
      }
    }
  }

  interface Setter {
    void set(PreparedStatement statement) throws SQLException;
  }

  static void show(Connection connection, String type, String call, Setter setter) throws SQLException {
    String seen;
    try (PreparedStatement statement = connection.prepareStatement(type)) {
      setter.set(statement);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        seen = rows.getString(1) + (statement.getWarnings() == null ? "" : " " + statement.getWarnings());
      }
    } catch (SQLException error) {
      seen = error.getMessage();
    }
    System.out.println(type + " " + call + ": " + seen);
  }

  public static void main(String[] arguments) throws Exception {
    BigDecimal decimal = new BigDecimal("7.5");
    BigDecimal large = new BigDecimal("18446744073709551623");
    Location anyPort = Location.forGrpcInsecure("127.0.0.1", 0);
    try (FlightServer server = FlightServer.builder(MEMORY, anyPort, new Server()).build().start();
        Connection connection = DriverManager.getConnection(
            "jdbc:arrow-flight-sql://127.0.0.1:" + server.getPort() + "/?useEncryption=false")) {
      System.out.println("driver " + connection.getMetaData().getDriverVersion());
      for (String type : List.of("DOUBLE", "BIGINT")) {
        show(connection, type, "setDouble(7.5)", s -> s.setDouble(1, 7.5));
        show(connection, type, "setDouble(-7.5)", s -> s.setDouble(1, -7.5));
        show(connection, type, "setFloat(7.5)", s -> s.setFloat(1, 7.5f));
        show(connection, type, "setBigDecimal(7.5)", s -> s.setBigDecimal(1, decimal));
        show(connection, type, "setObject(Double 7.5)", s -> s.setObject(1, 7.5));
        show(connection, type, "setObject(Float 7.5)", s -> s.setObject(1, 7.5f));
        show(connection, type, "setObject(BigDecimal 7.5)", s -> s.setObject(1, decimal));
        show(connection, type, "setObject(Double 7.5, DOUBLE)", s -> s.setObject(1, 7.5, Types.DOUBLE));
        show(connection, type, "setObject(BigDecimal 7.5, DECIMAL, 1)", s -> s.setObject(1, decimal, Types.DECIMAL, 1));
        show(connection, type, "setString(7.5)", s -> s.setString(1, "7.5"));
        show(connection, type, "setObject(String 7.5)", s -> s.setObject(1, "7.5"));
        show(connection, type, "setBoolean(true)", s -> s.setBoolean(1, true));
        show(connection, type, "setDouble(NaN)", s -> s.setDouble(1, Double.NaN));
        show(connection, type, "setDouble(1e300)", s -> s.setDouble(1, 1e300));
        show(connection, type, "setDouble(Infinity)", s -> s.setDouble(1, Double.POSITIVE_INFINITY));
        show(connection, type, "setBigDecimal(2^64 + 7)", s -> s.setBigDecimal(1, large));
      }
      for (String type : List.of("INTEGER", "SMALLINT")) {
        show(connection, type, "setDouble(7.5)", s -> s.setDouble(1, 7.5));
        show(connection, type, "setInt(70000)", s -> s.setInt(1, 70000));
        show(connection, type, "setLong(2^40)", s -> s.setLong(1, 1L << 40));
        show(connection, type, "setLong(2^32 + 7)", s -> s.setLong(1, (1L << 32) + 7));
        show(connection, type, "setDouble(NaN)", s -> s.setDouble(1, Double.NaN));
        show(connection, type, "setDouble(1e300)", s -> s.setDouble(1, 1e300));
      }
    }
  }
}
JAVA
java --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/jars/*" "$folder/Parameters.java" 2>"$folder/log" \
    | tee "$folder/seen" || { cat "$folder/log" >&2; exit 1; }
diff "$folder/seen" - <<'SEEN'
driver 18.3.0
DOUBLE setDouble(7.5): 7.5
DOUBLE setDouble(-7.5): -7.5
DOUBLE setFloat(7.5): 7.5
DOUBLE setBigDecimal(7.5): 7.5
DOUBLE setObject(Double 7.5): 7.5
DOUBLE setObject(Float 7.5): 7.5
DOUBLE setObject(BigDecimal 7.5): 7.5
DOUBLE setObject(Double 7.5, DOUBLE): 7.5
DOUBLE setObject(BigDecimal 7.5, DECIMAL, 1): Cannot read field "value" because "typedValue" is null
DOUBLE setString(7.5): Binding value of type STRING is not yet supported for expected Arrow type FloatingPoint(DOUBLE)
DOUBLE setObject(String 7.5): Binding value of type STRING is not yet supported for expected Arrow type FloatingPoint(DOUBLE)
DOUBLE setBoolean(true): Binding value of type BOOLEAN is not yet supported for expected Arrow type FloatingPoint(DOUBLE)
DOUBLE setDouble(NaN): NaN
DOUBLE setDouble(1e300): 1.0E300
DOUBLE setDouble(Infinity): Infinity
DOUBLE setBigDecimal(2^64 + 7): 1.8446744073709552E19
BIGINT setDouble(7.5): 7
BIGINT setDouble(-7.5): -7
BIGINT setFloat(7.5): 7
BIGINT setBigDecimal(7.5): 7
BIGINT setObject(Double 7.5): 7
BIGINT setObject(Float 7.5): 7
BIGINT setObject(BigDecimal 7.5): 7
BIGINT setObject(Double 7.5, DOUBLE): 7
BIGINT setObject(BigDecimal 7.5, DECIMAL, 1): Cannot read field "value" because "typedValue" is null
BIGINT setString(7.5): Binding value of type STRING is not yet supported for expected Arrow type Int(64, true)
BIGINT setObject(String 7.5): Binding value of type STRING is not yet supported for expected Arrow type Int(64, true)
BIGINT setBoolean(true): Binding value of type BOOLEAN is not yet supported for expected Arrow type Int(64, true)
BIGINT setDouble(NaN): 0
BIGINT setDouble(1e300): 9223372036854775807
BIGINT setDouble(Infinity): 9223372036854775807
BIGINT setBigDecimal(2^64 + 7): 7
INTEGER setDouble(7.5): 7
INTEGER setInt(70000): 70000
INTEGER setLong(2^40): 0
INTEGER setLong(2^32 + 7): 7
INTEGER setDouble(NaN): 0
INTEGER setDouble(1e300): 2147483647
SMALLINT setDouble(7.5): 7
SMALLINT setInt(70000): 4464
SMALLINT setLong(2^40): 0
SMALLINT setLong(2^32 + 7): 7
SMALLINT setDouble(NaN): 0
SMALLINT setDouble(1e300): -1
SEEN
