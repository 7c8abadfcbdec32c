import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.List;
import java.util.TimeZone;

/**
 * Uses grism through plain java.sql, and prints what it saw, one JSON list a line: the server's place among the
 * arguments, the step's name, and strings.
 *
 * <p>java --add-opens=java.base/java.nio=ALL-UNNAMED -cp DRIVER.jar JdbcClient.java jdbc:arrow-flight-sql://... ...
 */
public class JdbcClient {
  private static final String[] INSTANTS = {
    "2024-01-01 00:00:00", "2024-06-01 12:34:56.789", "1969-12-31 23:59:59.123", "1900-02-28 12:00:00", null,
  };
  private static final Calendar UTC = Calendar.getInstance(TimeZone.getTimeZone("UTC"));

  private final int server;
  private final Connection connection;

  private JdbcClient(int server, Connection connection) {
    this.server = server;
    this.connection = connection;
  }

  public static void main(String[] urls) throws SQLException {
    for (int server = 0; server < urls.length; server++) {
      try (Connection connection = DriverManager.getConnection(urls[server])) {
        JdbcClient client = new JdbcClient(server, connection);
        client.parameterTypes();
        client.timesThatAreBound();
        client.timesThatAreCompared();
        client.results();
        client.metadata();
        client.settings(urls[server]);
        client.wrongValueFarBehind();
      }
    }
  }

  private void parameterTypes() throws SQLException {
    String query =
        "SELECT ?::TIMESTAMP, ?::TIMESTAMPTZ, ?::TIMESTAMP_NS, ?::TIME, ?::DATE, ?::INTEGER, ?::DECIMAL(9, 2), ?::VARCHAR";
    try (PreparedStatement statement = connection.prepareStatement(query)) {
      ParameterMetaData told = statement.getParameterMetaData();
      List<String> types = new ArrayList<>();
      for (int i = 1; i <= told.getParameterCount(); i++) {
        types.add(told.getParameterTypeName(i));
      }
      report("parameter types", types);
    }
  }

  /** Each row twice: in the zone of this machine, and in UTC by a calendar. */
  private void timesThatAreBound() throws SQLException {
    update("CREATE TEMP TABLE jdbc_times (id INTEGER, ts TIMESTAMP, tz TIMESTAMPTZ, ns TIMESTAMP_NS, tm TIME, d DATE)");
    int id = 0;
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc_times VALUES (?, ?, ?, ?, ?, ?)")) {
      for (Calendar calendar : new Calendar[] {null, UTC}) {
        for (String text : INSTANTS) {
          insert.setInt(1, id++);
          for (int place = 2; place <= 4; place++) {
            Timestamp value = text == null ? null : Timestamp.valueOf(text);
            if (calendar == null) {
              insert.setTimestamp(place, value);
            } else {
              insert.setTimestamp(place, value, calendar);
            }
          }
          Time time = text == null ? null : Time.valueOf(text.substring(11, 19));
          Date date = text == null ? null : Date.valueOf(text.substring(0, 10));
          if (calendar == null) {
            insert.setTime(5, time);
            insert.setDate(6, date);
          } else {
            insert.setTime(5, time, calendar);
            insert.setDate(6, date, calendar);
          }
          insert.addBatch();
        }
      }
      insert.executeBatch();
      insert.setInt(1, id);
      for (int place = 2; place <= 6; place++) {
        insert.setNull(place, Types.TIMESTAMP);
      }
      report("rows of one INSERT", List.of(String.valueOf(insert.executeUpdate())));
    }
    query("times", "SELECT id, ts::VARCHAR, tz::VARCHAR, ns::VARCHAR, tm::VARCHAR, d::VARCHAR FROM jdbc_times ORDER BY id");
    update("DROP TABLE jdbc_times");
  }

  private void timesThatAreCompared() throws SQLException {
    String days = "range(TIMESTAMP '2019-04-07', TIMESTAMP '2022-01-01', INTERVAL 1 DAY) AS days(ts)";
    Timestamp instant = Timestamp.valueOf("2021-04-07 00:00:00");
    for (String condition : new String[] {"ts >= ?", "ts::DATE >= ?::TIMESTAMP", "ts::TIMESTAMP_NS >= ?", "ts BETWEEN ? AND now()"}) {
      String text = "SELECT count(*) FROM " + days + " WHERE " + condition;
      try (PreparedStatement statement = connection.prepareStatement(text)) {
        statement.setTimestamp(1, instant);
        print("count", statement.executeQuery());
      }
    }
    String hours = "SELECT count(*) FROM range(24) AS hours(h) WHERE make_time(h, 30, 0) < ?";
    try (PreparedStatement statement = connection.prepareStatement(hours)) {
      statement.setTime(1, Time.valueOf("12:34:56"));
      print("count", statement.executeQuery());
    }
  }

  private void results() throws SQLException {
    query("enum", "SELECT 'b'::ENUM('a', 'b') AS e, ['a'::ENUM('a', 'b')] AS l, NULL::ENUM('a', 'b') AS n");
  }

  /** Of a result's columns, and of a table's. */
  private void metadata() throws SQLException {
    String query = "SELECT 1.25::DECIMAL(9, 2) AS d, 'x' AS v, 1::BIGINT AS b, DATE '2024-01-31' AS day";
    try (PreparedStatement statement = connection.prepareStatement(query);
        ResultSet rows = statement.executeQuery()) {
      for (ResultSetMetaData told : new ResultSetMetaData[] {statement.getMetaData(), rows.getMetaData()}) {
        for (int i = 1; i <= told.getColumnCount(); i++) {
          report(
              "result metadata",
              List.of(
                  told.getColumnName(i),
                  String.valueOf(told.getPrecision(i)),
                  String.valueOf(told.getScale(i)),
                  told.isCaseSensitive(i) + " " + told.isSearchable(i) + " " + told.isReadOnly(i)));
        }
      }
    }
    update("CREATE TEMP TABLE jdbc_columns (id BIGINT NOT NULL, price DECIMAL(9, 2))");
    try (ResultSet columns = connection.getMetaData().getColumns(null, null, "jdbc_columns", null)) {
      while (columns.next()) {
        List<String> told = new ArrayList<>();
        for (String name : new String[] {"TABLE_CAT", "TABLE_SCHEM", "COLUMN_NAME", "COLUMN_SIZE", "IS_NULLABLE"}) {
          told.add(columns.getString(name));
        }
        report("columns", told);
      }
    }
    update("DROP TABLE jdbc_columns");
    int isolation = connection.getMetaData().getDefaultTransactionIsolation();
    report("isolation", List.of(String.valueOf(isolation)));
    try (PreparedStatement statement = connection.prepareStatement("SELECT ?::INTEGER AS i, ? AS v, ? + 1 AS n")) {
      statement.setInt(1, 7);
      statement.setString(2, "x");
      statement.setLong(3, 41);
      print("mixed parameters", statement.executeQuery());
    }
  }

  /** Those of the URL, and those that statements set. */
  private void settings(String url) throws SQLException {
    update("CREATE SCHEMA jdbc_settings");
    try (Connection other = DriverManager.getConnection(url + "&schema=jdbc_settings&timeout=30s")) {
      JdbcClient client = new JdbcClient(server, other);
      client.query("schema", "SELECT current_schema()");
      client.update("USE main");
      client.query("schema", "SELECT current_schema()");
      client.update("SET schema = 'jdbc_settings'");
      client.query("schema", "SELECT current_schema()");
      client.update("RESET schema");
      client.query("schema", "SELECT current_schema()");
      client.update("SET threads = 1");
    } catch (SQLException error) {
      boolean named = String.valueOf(error.getMessage()).contains("\"threads\" cannot be set; a session has");
      report("refused", List.of(named ? "by name" : error.toString()));
    }
    update("DROP SCHEMA jdbc_settings");
  }

  /** What the error says, and whether only rows before it came. */
  private void wrongValueFarBehind() throws SQLException {
    int rows = 0;
    try (Statement statement = connection.createStatement();
        ResultSet results = statement.executeQuery("SELECT 1 // (x - 1000000) AS q FROM range(1500000) t(x)")) {
      while (results.next()) {
        rows++;
      }
      report("wrong value", List.of("no error"));
    } catch (SQLException | RuntimeException error) { // in mid-stream it is the driver's own, no SQLException
      String said = String.valueOf(error.getMessage()).contains("Division by zero") ? "said" : error.toString();
      report("wrong value", List.of(said, rows < 1_000_000 ? "before it" : String.valueOf(rows)));
    }
  }

  private void update(String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate(text);
    }
  }

  private void query(String step, String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      print(step, statement.executeQuery(text));
    }
  }

  private void print(String step, ResultSet rows) throws SQLException {
    try (rows) {
      ResultSetMetaData told = rows.getMetaData();
      while (rows.next()) {
        List<String> values = new ArrayList<>();
        for (int i = 1; i <= told.getColumnCount(); i++) {
          values.add(rows.getString(i));
        }
        report(step, values);
      }
    }
  }

  private void report(String step, List<String> values) {
    StringBuilder line = new StringBuilder("[" + server + ", " + quoted(step));
    for (String value : values) {
      line.append(", ").append(quoted(value));
    }
    System.out.println(line.append("]"));
  }

  private static String quoted(String text) {
    if (text == null) {
      return "null";
    }
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      quoted.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
    }
    return quoted.append("\"").toString();
  }
}
