import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Checks of what only java.sql has. */
final class JdbcOwn {
  private static final String[] INSTANTS = {
    "2024-01-01 00:00:00", "2024-06-01 12:34:56.789", "1969-12-31 23:59:59.123", "1900-02-28 12:00:00", null,
  };

  private final Jdbc jdbc;

  JdbcOwn(Jdbc jdbc) {
    this.jdbc = jdbc;
  }

  Object make(JsonNode check) throws Exception {
    try (Connection connection = jdbc.open("")) {
      switch (check.get("of").asText()) {
        case "parameter types": return parameterTypes(connection, check.get("sql").asText());
        case "times bound": return timesBound(connection);
        case "times compared": return timesCompared(connection);
        case "result metadata": return resultMetadata(connection, check.get("sql").asText());
        case "literals": return literals(connection, check.get("statements"));
        case "batches": return batches(connection);
        case "result tables": return resultTables(connection, check.get("sql").asText());
        case "columns": return columns(connection);
        case "mixed parameters": return mixedParameters(connection);
        case "kill": return kill(connection, check.get("sql").asText());
        case "mid-stream": return midStream(connection, check.get("sql").asText());
        case "database": return database(connection.getMetaData());
        case "times read": return read(connection, check.get("sql").asText(), timeWays());
        case "connection": return connection(connection);
        case "trust store": return trustStore(check.get("sql").asText());
        case "unsigned read": return read(connection, check.get("sql").asText(), numberWays());
        default: throw new IllegalArgumentException(check.toString());
      }
    }
  }

  /** What calls that change a connection do, and what a catalog in the URL does to close(). */
  private Object connection(Connection connection) throws SQLException {
    connection.setSchema("shop");
    Object schema = Jdbc.query(connection, "SELECT current_schema()");
    connection.setReadOnly(true);
    long changed = Jdbc.update(connection, "CREATE TEMP TABLE writable AS SELECT 1 AS x");
    connection.commit();
    Object closed = null;
    Connection named = jdbc.open("&catalog=grism");
    Object rows = Jdbc.query(named, "SELECT 1");
    try {
      named.close();
    } catch (SQLException error) {
      closed = Main.failure(error);
    }
    return Main.object("setSchema", schema, "setReadOnly", Main.count(changed), "catalog", rows, "close", closed);
  }

  /** A store of Java with the authority, with and without the option that makes the driver read it. */
  private Object trustStore(String sql) throws Exception {
    Path file = Files.createTempFile("grism", ".p12");
    try {
      jdbc.store(file, "secret");
      Map<String, Object> found = Main.object();
      for (String option : new String[] {"", "&useSystemTrustStore=false"}) {
        try (Connection connection = jdbc.trusting(file, "secret", option)) {
          found.put("store" + option, Main.object("rows", Jdbc.query(connection, sql)));
        } catch (SQLException error) {
          found.put("store" + option, Main.failure(error));
        }
      }
      return found;
    } finally {
      Files.delete(file);
    }
  }

  /** One way to read a column. */
  interface Way {
    Object read(ResultSet row, int place) throws SQLException;
  }

  private static Map<String, Way> timeWays() {
    Map<String, Way> ways = new LinkedHashMap<>();
    ways.put("getTimestamp", (row, place) -> row.getTimestamp(place).toInstant());
    ways.put("getTimestamp UTC", (row, place) -> row.getTimestamp(place, Jdbc.UTC).toInstant());
    ways.put("getObject", ResultSet::getObject);
    ways.put("getObject Instant", (row, place) -> row.getObject(place, Instant.class));
    ways.put("getObject LocalDateTime", (row, place) -> row.getObject(place, LocalDateTime.class));
    ways.put("getString", ResultSet::getString);
    return ways;
  }

  private static Map<String, Way> numberWays() {
    Map<String, Way> ways = new LinkedHashMap<>();
    ways.put("getObject", ResultSet::getObject);
    ways.put("getLong", ResultSet::getLong);
    ways.put("getBigDecimal", ResultSet::getBigDecimal);
    ways.put("getString", ResultSet::getString);
    return ways;
  }

  /** The columns of one row, in each of the ways. */
  private static Object read(Connection connection, String sql, Map<String, Way> ways) throws SQLException {
    Map<String, Object> found = Main.object();
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      for (Map.Entry<String, Way> way : ways.entrySet()) {
        List<Object> values = new ArrayList<>();
        for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
          try {
            values.add(String.valueOf(way.getValue().read(row, i)));
          } catch (SQLException | RuntimeException error) {
            values.add(Main.failure(error));
          }
        }
        found.put(way.getKey(), values);
      }
    }
    return found;
  }

  private static Object parameterTypes(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      ParameterMetaData told = statement.getParameterMetaData();
      List<Object> types = new ArrayList<>();
      for (int i = 1; i <= told.getParameterCount(); i++) {
        types.add(told.getParameterTypeName(i));
      }
      return types;
    }
  }

  /** Each row twice: in the zone of this machine, and in UTC by a calendar; then one of NULLs. */
  private static Object timesBound(Connection connection) throws SQLException {
    Jdbc.update(connection, "CREATE TEMP TABLE times (id INTEGER, ts TIMESTAMP, tz TIMESTAMPTZ, ns TIMESTAMP_NS, tm TIME, d DATE)");
    int id = 0;
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO times VALUES (?, ?, ?, ?, ?, ?)")) {
      for (Calendar calendar : new Calendar[] {Calendar.getInstance(), Jdbc.UTC}) {
        for (String text : INSTANTS) {
          insert.setInt(1, id++);
          bind(insert, text, calendar == Jdbc.UTC ? calendar : null);
          insert.addBatch();
        }
      }
      insert.executeBatch();
      insert.setInt(1, id);
      for (int place = 2; place <= 6; place++) {
        insert.setNull(place, Types.TIMESTAMP);
      }
      if (insert.executeUpdate() != 1) {
        throw new IllegalStateException("not one row");
      }
    }
    return Jdbc.query(connection, "SELECT ts::VARCHAR, tz::VARCHAR, ns::VARCHAR, tm::VARCHAR, d::VARCHAR FROM times ORDER BY id");
  }

  private static void bind(PreparedStatement insert, String text, Calendar calendar) throws SQLException {
    Timestamp stamp = text == null ? null : Timestamp.valueOf(text);
    Time time = text == null ? null : Time.valueOf(text.substring(11, 19));
    Date date = text == null ? null : Date.valueOf(text.substring(0, 10));
    for (int place = 2; place <= 4; place++) {
      if (calendar == null) {
        insert.setTimestamp(place, stamp);
      } else {
        insert.setTimestamp(place, stamp, calendar);
      }
    }
    if (calendar == null) {
      insert.setTime(5, time);
      insert.setDate(6, date);
    } else {
      insert.setTime(5, time, calendar);
      insert.setDate(6, date, calendar);
    }
  }

  private static Object timesCompared(Connection connection) throws SQLException {
    List<Object> counts = new ArrayList<>();
    String days = "range(TIMESTAMP '2019-04-07', TIMESTAMP '2022-01-01', INTERVAL 1 DAY) AS days(ts)";
    for (String condition : new String[] {"ts >= ?", "ts::DATE >= ?::TIMESTAMP", "ts::TIMESTAMP_NS >= ?", "ts BETWEEN ? AND now()"}) {
      try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM " + days + " WHERE " + condition)) {
        statement.setTimestamp(1, Timestamp.valueOf("2021-04-07 00:00:00"));
        counts.addAll(Jdbc.all(statement.executeQuery()));
      }
    }
    try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM range(24) AS hours(h) WHERE make_time(h, 30, 0) < ?")) {
      statement.setTime(1, Time.valueOf("12:34:56"));
      counts.addAll(Jdbc.all(statement.executeQuery()));
    }
    return counts;
  }

  /** Of a statement that is prepared, and of its result. */
  private static Object resultMetadata(Connection connection, String sql) throws SQLException {
    List<Object> found = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(sql);
        ResultSet rows = statement.executeQuery()) {
      for (ResultSetMetaData told : new ResultSetMetaData[] {statement.getMetaData(), rows.getMetaData()}) {
        List<Object> columns = new ArrayList<>();
        for (int i = 1; i <= told.getColumnCount(); i++) {
          columns.add(
              Main.list(
                  told.getColumnName(i), String.valueOf(told.getPrecision(i)), String.valueOf(told.getScale(i)),
                  told.isCaseSensitive(i), told.isSearchable(i), told.isReadOnly(i)));
        }
        found.add(columns);
      }
    }
    return found;
  }

  /** Of each query what is told of its columns, and its rows. */
  private static Object literals(Connection connection, JsonNode statements) throws SQLException {
    List<Object> found = new ArrayList<>();
    try (Statement statement = connection.createStatement()) {
      for (JsonNode sql : statements) {
        ResultSet rows = statement.executeQuery(sql.asText());
        ResultSetMetaData told = rows.getMetaData();
        List<Object> columns = new ArrayList<>();
        for (int i = 1; i <= told.getColumnCount(); i++) {
          columns.add(
              Main.list(
                  told.getColumnLabel(i), told.getColumnTypeName(i), String.valueOf(told.getPrecision(i)),
                  String.valueOf(told.getScale(i))));
        }
        found.add(Main.object("columns", columns, "rows", Jdbc.all(rows)));
      }
    }
    return found;
  }

  /** What comes of a batch of texts, of a batch of rows, and of execute() of a change that is prepared. */
  private static Object batches(Connection connection) throws SQLException {
    Object texts;
    Jdbc.update(connection, "CREATE TEMP TABLE batched (k BIGINT)");
    try (Statement statement = connection.createStatement()) {
      statement.addBatch("INSERT INTO batched VALUES (1)");
      texts = Arrays.toString(statement.executeBatch());
    } catch (SQLException | RuntimeException error) {
      texts = Main.failure(error);
    }
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO batched VALUES (?)");
        PreparedStatement delete = connection.prepareStatement("DELETE FROM batched WHERE k > ?")) {
      for (long k = 5; k < 8; k++) {
        insert.setLong(1, k);
        insert.addBatch();
      }
      String counts = Arrays.toString(insert.executeBatch());
      delete.setLong(1, 5);
      boolean hasRows = delete.execute();
      return Main.object(
          "texts", texts, "rows", counts, "execute", hasRows, "count", String.valueOf(delete.getUpdateCount()),
          "left", Jdbc.query(connection, "SELECT k FROM batched"));
    }
  }

  /** From which tables the columns of a result come, before the statement runs and with its rows. */
  private static Object resultTables(Connection connection, String sql) throws SQLException {
    List<Object> found = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(sql);
        ResultSet rows = statement.executeQuery()) {
      for (ResultSetMetaData told : new ResultSetMetaData[] {statement.getMetaData(), rows.getMetaData()}) {
        List<Object> columns = new ArrayList<>();
        for (int i = 1; i <= told.getColumnCount(); i++) {
          columns.add(
              Main.list(told.getColumnLabel(i), told.getCatalogName(i), told.getSchemaName(i), told.getTableName(i)));
        }
        found.add(columns);
      }
    }
    return found;
  }

  private static Object columns(Connection connection) throws SQLException {
    Jdbc.update(connection, "CREATE TEMP TABLE told (id BIGINT NOT NULL, price DECIMAL(9, 2))");
    ResultSet rows = connection.getMetaData().getColumns(null, null, "told", null);
    return JdbcMetadata.columns(rows, "TABLE_CAT", "TABLE_SCHEM", "COLUMN_NAME", "COLUMN_SIZE", "IS_NULLABLE");
  }

  private static Object mixedParameters(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT ?::INTEGER AS i, ? AS v, ? + 1 AS n")) {
      statement.setInt(1, 7);
      statement.setString(2, "x");
      statement.setLong(3, 41);
      return Jdbc.all(statement.executeQuery());
    }
  }

  /** What the reader of a query that another connection stops sees, and what its connection does next. */
  private Object kill(Connection connection, String sql) throws Exception {
    try (Connection other = jdbc.open("")) {
      CompletableFuture<Object> reader = CompletableFuture.supplyAsync(() -> {
        try {
          return Jdbc.query(other, sql);
        } catch (SQLException | RuntimeException error) {
          return Main.failure(error);
        }
      });
      String running = "SELECT id FROM system.queries WHERE state IN ('running', 'sending') AND text = '" + sql + "'";
      List<?> found = List.of();
      while (found.isEmpty() && !reader.isDone()) {
        found = (List<?>) Jdbc.query(connection, running);
      }
      if (!found.isEmpty()) {
        Jdbc.update(connection, "KILL QUERY '" + ((List<?>) found.get(0)).get(0) + "'");
      }
      return Main.object("reader", reader.get(60, TimeUnit.SECONDS), "next", Jdbc.query(other, "SELECT 1"));
    }
  }

  /** What the error says, and whether only rows before it came. */
  private static Object midStream(Connection connection, String sql) throws SQLException {
    int rows = 0;
    try (Statement statement = connection.createStatement();
        ResultSet results = statement.executeQuery(sql)) {
      while (results.next()) {
        rows++;
      }
      return Main.object("rows", String.valueOf(rows));
    } catch (SQLException | RuntimeException error) { // in mid-stream it is the driver's own, no SQLException
      Map<String, Object> seen = Main.failure(error);
      return Main.object("failure", seen, "before", rows < 1_000_000);
    }
  }

  /** Each method of DatabaseMetaData: what it tells, or its error. */
  private static Object database(DatabaseMetaData metadata) throws IllegalAccessException {
    Method[] methods = DatabaseMetaData.class.getMethods();
    Arrays.sort(methods, Comparator.comparing(Method::getName).thenComparing(Method::getParameterCount));
    Map<String, Object> told = Main.object();
    Map<String, Object> failed = Main.object();
    for (Method method : methods) {
      if (method.getName().equals("getConnection") || method.getDeclaringClass() != DatabaseMetaData.class) {
        continue;
      }
      Object[] arguments = new Object[method.getParameterCount()];
      for (int i = 0; i < arguments.length; i++) {
        Class<?> type = method.getParameterTypes()[i];
        arguments[i] =
            type == int.class
                ? (Object) ResultSet.TYPE_FORWARD_ONLY
                : type == boolean.class ? (Object) true : type == String.class ? "items" : null;
      }
      String name = method.getName() + (arguments.length == 0 ? "" : "/" + arguments.length);
      try {
        Object value = method.invoke(metadata, arguments);
        told.put(name, value instanceof ResultSet ? rows((ResultSet) value) : String.valueOf(value));
      } catch (InvocationTargetException error) {
        failed.put(name, error.getCause().getMessage());
      }
    }
    return Main.object("told", told, "failed", failed);
  }

  private static String rows(ResultSet rows) {
    try (rows) {
      int count = 0;
      while (rows.next()) {
        count++;
      }
      return count + " rows";
    } catch (SQLException | RuntimeException error) {
      return "ERROR " + error;
    }
  }
}
