import com.fasterxml.jackson.databind.JsonNode;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Struct;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;

/** Plain java.sql, with the driver `flight-sql-jdbc-driver`. */
final class Jdbc implements Main.Client {
  static final Calendar UTC = Calendar.getInstance(TimeZone.getTimeZone("UTC"));

  private final JsonNode config;

  Jdbc(JsonNode config) {
    this.config = config;
  }

  @Override
  public String name() {
    return "java.sql";
  }

  Connection open(String parameters) throws SQLException {
    return DriverManager.getConnection("jdbc:arrow-flight-sql://" + config.get("plain").asText() + "/?useEncryption=false" + parameters);
  }

  private Connection secure(String name, boolean trust, String login) throws SQLException {
    String authority = trust ? "&tlsRootCerts=" + escaped(config.get("ca").asText()) : "";
    return DriverManager.getConnection("jdbc:arrow-flight-sql://" + config.get(name).asText() + "/?useEncryption=true" + authority + login);
  }

  /** Writes a store of Java with the authority. */
  void store(Path file, String password) throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (InputStream pem = new FileInputStream(config.get("ca").asText())) {
      store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    try (OutputStream written = Files.newOutputStream(file)) {
      store.store(written, password.toCharArray());
    }
  }

  /** A connection that trusts a store of Java. */
  Connection trusting(Path store, String password, String option) throws SQLException {
    String trust = "&trustStore=" + escaped(store.toString()) + "&trustStorePassword=" + password + option;
    return secure("tls", false, trust + login(config.get("password").asText()));
  }

  private String login(String password) {
    return "&user=" + escaped(config.get("user").asText()) + "&password=" + escaped(password);
  }

  private static String escaped(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  @Override
  public Object make(JsonNode check) throws Exception {
    String sql = Main.text(check, "sql");
    switch (check.get("kind").asText()) {
      case "connect": return connect(check.get("how").asText(), sql);
      case "first values":
        StringBuilder parameters = new StringBuilder();
        check.get("parameters").fields().forEachRemaining(each -> parameters.append("&" + each.getKey() + "=" + escaped(each.getValue().asText())));
        try (Connection connection = open(parameters.toString())) {
          return Main.object("rows", query(connection, sql));
        }
      case "ingest": throw new Main.Cannot("java.sql has no bulk ingest");
      case "options": throw new Main.Cannot("java.sql has no session options; parameters of the URL, `USE` and `SET` set them");
      case "jdbc": return new JdbcOwn(this).make(check);
      default:
        boolean tls = "tls".equals(Main.text(check, "at"));
        try (Connection connection = tls ? secure("tls", true, login(config.get("password").asText())) : open("")) {
          return make(connection, check, sql);
        }
    }
  }

  private Object make(Connection connection, JsonNode check, String sql) throws Exception {
    switch (check.get("kind").asText()) {
      case "values": return values(connection, sql);
      case "stream":
        long before = Main.peak();
        Map<String, Object> seen = sums(connection, sql);
        seen.put("mb", String.valueOf(Main.peak() - before));
        return seen;
      case "parameters": return parameters(connection, check);
      case "rows": return rows(connection, check);
      case "script": return script(connection, check);
      case "metadata": return JdbcMetadata.make(connection.getMetaData(), check);
      case "cancel": return cancel(connection, check);
      case "deadline":
        try (Statement statement = connection.createStatement()) {
          statement.setQueryTimeout(check.get("seconds").asInt());
          return Main.object("rows", all(statement.executeQuery(sql)));
        }
      case "endpoints":
        update(connection, check.get("set").asText());
        Map<String, Object> found = sums(connection, sql);
        found.put("endpoints", null);
        return found;
      default: throw new IllegalArgumentException(check.toString());
    }
  }

  private Object connect(String how, String sql) throws Exception {
    String right = login(config.get("password").asText());
    String login =
        Map.of("nobody", "", "token", "&token=" + config.get("token").asText(), "wrong password", login("another"))
            .getOrDefault(how, right);
    try (Connection connection =
        how.equals("plain")
            ? open("")
            : secure(how.equals("token end") ? "brief" : "tls", !how.equals("untrusted"), login)) {
      List<Object> first = query(connection, sql);
      if (!how.equals("token end")) {
        return Main.object("rows", first);
      }
      return Main.object("before", first, "after", FlightSql.untilRefused(() -> query(connection, sql)));
    }
  }

  static long update(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      return statement.executeUpdate(sql);
    }
  }

  static List<Object> query(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      return all(statement.executeQuery(sql));
    }
  }

  static List<Object> all(ResultSet rows) throws SQLException {
    List<Object> found = new ArrayList<>();
    try (rows) {
      while (rows.next()) {
        List<Object> row = new ArrayList<>();
        for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) {
          row.add(value(rows, i));
        }
        found.add(row);
      }
    }
    return found;
  }

  /** A value in its form; timestamps by the classes of java.time, for the zone of this machine moves those of java.sql. */
  private static Object value(ResultSet rows, int place) throws SQLException {
    switch (rows.getMetaData().getColumnType(place)) {
      case Types.TIMESTAMP:
        LocalDateTime stamp = rows.getObject(place, LocalDateTime.class);
        return stamp == null ? null : Forms.moment(stamp.toInstant(ZoneOffset.UTC), false);
      case Types.TIMESTAMP_WITH_TIMEZONE:
        Instant instant = rows.getObject(place, Instant.class);
        return instant == null ? null : Forms.moment(instant, true);
      case Types.DATE:
        Date date = rows.getDate(place);
        return date == null ? null : date.toString();
      case Types.TIME:
        Time time = rows.getTime(place);
        return time == null ? null : Forms.time(Instant.ofEpochMilli(time.getTime()).atZone(ZoneId.systemDefault()).toLocalTime());
      default:
        return form(rows.getObject(place));
    }
  }

  private static Object form(Object value) throws SQLException {
    if (value instanceof Array) {
      return items((Object[]) ((Array) value).getArray());
    } else if (value instanceof Struct) {
      return items(((Struct) value).getAttributes());
    } else if (value instanceof List) {
      return items(((List<?>) value).toArray());
    } else if (value instanceof Map) {
      Map<String, Object> found = Main.object();
      for (Map.Entry<?, ?> each : ((Map<?, ?>) value).entrySet()) {
        found.put(each.getKey().toString(), form(each.getValue()));
      }
      return found;
    }
    return Forms.plain(value);
  }

  private static Object items(Object[] items) throws SQLException {
    List<Object> found = new ArrayList<>();
    for (Object item : items) {
      found.add(form(item));
    }
    return found;
  }

  private static Object values(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      String type = rows.getMetaData().getColumnTypeName(1);
      List<Object> values = new ArrayList<>();
      while (rows.next()) {
        values.add(value(rows, 1));
      }
      return Main.object("type", type, "values", values);
    }
  }

  private static Map<String, Object> sums(Connection connection, String sql) throws SQLException {
    long count = 0;
    long sum = 0;
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      while (rows.next()) {
        count++;
        sum += rows.getLong(1);
      }
    }
    return Main.object("rows", String.valueOf(count), "sum", String.valueOf(sum));
  }

  private static void bind(PreparedStatement statement, int place, String type, Object given) throws SQLException {
    String text = String.valueOf(given);
    if (given == null) {
      statement.setNull(place, Types.NULL);
      return;
    }
    switch (type) {
      case "bool": statement.setBoolean(place, (Boolean) given); break;
      case "int8": statement.setByte(place, Byte.parseByte(text)); break;
      case "int16": statement.setShort(place, Short.parseShort(text)); break;
      case "int32": statement.setInt(place, Integer.parseInt(text)); break;
      case "int64": statement.setLong(place, Long.parseLong(text)); break;
      case "float32": statement.setFloat(place, Float.parseFloat(text)); break;
      case "float64": statement.setDouble(place, Double.parseDouble(text)); break;
      case "decimal(9,2)": statement.setBigDecimal(place, new BigDecimal(text)); break;
      case "utf8": statement.setString(place, text); break;
      case Forms.VECTOR: statement.setArray(place, statement.getConnection().createArrayOf("FLOAT", ((List<?>) given).stream().map(each -> Float.parseFloat(each.toString())).toArray())); break;
      case "binary": statement.setBytes(place, HexFormat.of().parseHex(text)); break;
      case "date32": statement.setDate(place, Date.valueOf(text)); break;
      case "time64[us]": statement.setTime(place, new Time(LocalDate.EPOCH.atTime(LocalTime.parse(text)).atZone(ZoneId.systemDefault()).toInstant().toEpochMilli())); break;
      default: statement.setTimestamp(place, Timestamp.from(Forms.instant(text)), UTC);
    }
  }

  private static Object parameters(Connection connection, JsonNode check) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(check.get("sql").asText())) {
      List<Object> values = new ArrayList<>();
      for (JsonNode value : check.get("values")) {
        try {
          bind(statement, 1, check.get("type").asText(), FlightSql.given(value));
          values.add(((List<?>) all(statement.executeQuery()).get(0)).get(0));
        } catch (SQLException | RuntimeException error) {
          values.add(Main.failure(error));
        }
      }
      return Main.object("told", statement.getParameterMetaData().getParameterTypeName(1), "values", values);
    }
  }

  private static Object rows(Connection connection, JsonNode check) throws SQLException {
    update(connection, check.get("before").asText());
    try (PreparedStatement statement = connection.prepareStatement(check.get("sql").asText())) {
      for (JsonNode row : check.get("rows")) {
        for (int i = 0; i < row.size(); i++) {
          bind(statement, i + 1, check.get("types").get(i).asText(), FlightSql.given(row.get(i)));
        }
        statement.addBatch();
      }
      long changed = 0;
      for (int each : statement.executeBatch()) {
        changed += each;
      }
      Map<String, Object> seen = Main.count(changed);
      seen.put("rows", query(connection, check.get("then").asText()));
      return seen;
    }
  }

  private static Object bound(Connection connection, JsonNode step) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(step.get(step.has("update") ? "update" : "query").asText())) {
      for (int i = 0; i < step.get("types").size(); i++) {
        bind(statement, i + 1, step.get("types").get(i).asText(), FlightSql.given(step.get("values").get(i)));
      }
      return step.has("update") ? Main.count(statement.executeUpdate()) : Main.object("rows", all(statement.executeQuery()));
    }
  }

  private static Object script(Connection connection, JsonNode check) {
    List<Object> outcomes = new ArrayList<>();
    for (JsonNode step : check.get("steps")) {
      try {
        outcomes.add(
            step.has("types") ? bound(connection, step) : step.has("update")
                ? Main.count(update(connection, step.get("update").asText()))
                : Main.object("rows", query(connection, step.get("query").asText())));
      } catch (SQLException | RuntimeException error) { // in mid-stream it is the driver's own, no SQLException
        outcomes.add(Main.failure(error));
      }
    }
    return outcomes;
  }

  private static Object cancel(Connection connection, JsonNode check) throws Exception {
    boolean reading = check.get("when").asText().equals("reading");
    Object after = null;
    try (Statement statement = connection.createStatement()) {
      Thread other =
          new Thread(
              () -> {
                try {
                  Thread.sleep(500);
                  statement.cancel();
                } catch (InterruptedException | SQLException failed) {
                  throw new IllegalStateException(failed);
                }
              });
      if (!reading) {
        other.start();
      }
      try (ResultSet rows = statement.executeQuery(check.get("sql").asText())) {
        if (reading && rows.next()) {
          statement.cancel();
        }
        while (rows.next()) {
          // what was read before
        }
      } catch (SQLException | RuntimeException error) {
        after = Main.failure(error);
      }
      other.join();
    }
    return Main.object("after", after, "next", query(connection, "SELECT 1"));
  }
}
