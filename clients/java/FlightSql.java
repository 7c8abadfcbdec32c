import com.fasterxml.jackson.databind.JsonNode;
import java.io.FileInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.CallOptions;
import org.apache.arrow.flight.CloseSessionRequest;
import org.apache.arrow.flight.FlightCallHeaders;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightEndpoint;
import org.apache.arrow.flight.FlightInfo;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.GetSessionOptionsRequest;
import org.apache.arrow.flight.HeaderCallOption;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.SessionOptionValueFactory;
import org.apache.arrow.flight.SetSessionOptionsRequest;
import org.apache.arrow.flight.client.ClientCookieMiddleware;
import org.apache.arrow.flight.sql.FlightSqlClient;
import org.apache.arrow.flight.sql.impl.FlightSql.CommandStatementIngest.TableDefinitionOptions;
import org.apache.arrow.flight.sql.impl.FlightSql.CommandStatementIngest.TableDefinitionOptions.TableExistsOption;
import org.apache.arrow.flight.sql.impl.FlightSql.CommandStatementIngest.TableDefinitionOptions.TableNotExistOption;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/** The client of `flight-sql`. */
final class FlightSql implements Main.Client, AutoCloseable {
  private final JsonNode config;
  private final BufferAllocator memory = new RootAllocator();

  FlightSql(JsonNode config) {
    this.config = config;
  }

  @Override
  public String name() {
    return "java flight-sql";
  }

  @Override
  public void close() {
    memory.close();
  }

  /** A connection, and the options of its calls. */
  final class Session implements AutoCloseable {
    final FlightClient flight;
    final FlightSqlClient client;
    CallOption[] options = {};

    Session(Location location, String authority) throws Exception {
      FlightClient.Builder builder = FlightClient.builder(memory, location).intercept(new ClientCookieMiddleware.Factory());
      if (authority != null) {
        try (InputStream pem = new FileInputStream(authority)) {
          flight = builder.trustedCertificates(pem).build();
        }
      } else {
        flight = builder.build();
      }
      client = new FlightSqlClient(flight);
    }

    Session login(String user, String password) {
      flight.authenticateBasicToken(user, password).ifPresent(token -> options = new CallOption[] {token});
      return this;
    }

    Session header(String name, String value) {
      FlightCallHeaders headers = new FlightCallHeaders();
      headers.insert(name, value);
      List<CallOption> all = new ArrayList<>(List.of(options));
      all.add(new HeaderCallOption(headers));
      options = all.toArray(CallOption[]::new);
      return this;
    }

    @Override
    public void close() throws Exception {
      client.close();
    }

    /** Gives each batch of all endpoints to a function; gives the schema. */
    Schema read(FlightInfo info, Reader reader) throws Exception {
      Schema schema = info.getSchemaOptional().orElseThrow();
      for (FlightEndpoint endpoint : info.getEndpoints()) {
        Optional<Location> elsewhere = endpoint.getLocations().stream().filter(each -> each.getUri().getScheme().startsWith("grpc")).findFirst();
        if (elsewhere.isPresent()) {
          try (Session other = new Session(elsewhere.get(), null)) {
            other.readOne(endpoint, schema, reader);
          }
        } else {
          readOne(endpoint, schema, reader);
        }
      }
      return schema;
    }

    private void readOne(FlightEndpoint endpoint, Schema schema, Reader reader) throws Exception {
      try (FlightStream stream = client.getStream(endpoint.getTicket(), options)) {
        if (!stream.getSchema().equals(schema)) {
          throw new IllegalStateException("the stream's schema is " + stream.getSchema() + ", that of its FlightInfo " + schema);
        }
        while (stream.next()) {
          reader.take(stream, stream.getRoot());
        }
      }
    }

    List<Object> rows(FlightInfo info) throws Exception {
      List<Object> found = new ArrayList<>();
      read(info, (stream, batch) -> {
        for (int row = 0; row < batch.getRowCount(); row++) {
          List<Object> values = new ArrayList<>();
          for (FieldVector column : batch.getFieldVectors()) {
            values.add(Forms.value(column, row));
          }
          found.add(values);
        }
      });
      return found;
    }

    List<Object> query(String sql) throws Exception {
      return rows(client.execute(sql, options));
    }

    /** How many rows there are, and the sum of their first column. */
    Map<String, Object> sums(FlightInfo info) throws Exception {
      long[] seen = {0, 0};
      read(info, (stream, batch) -> {
        BigIntVector ids = (BigIntVector) batch.getVector(0);
        for (int row = 0; row < batch.getRowCount(); row++) {
          seen[1] += ids.get(row);
        }
        seen[0] += batch.getRowCount();
      });
      return Main.object("rows", String.valueOf(seen[0]), "sum", String.valueOf(seen[1]));
    }
  }

  /** Takes the batches of a stream. */
  interface Reader {
    void take(FlightStream stream, VectorSchemaRoot batch) throws Exception;
  }

  private Session plain() throws Exception {
    String[] parts = config.get("plain").asText().split(":");
    return new Session(Location.forGrpcInsecure(parts[0], Integer.parseInt(parts[1])), null);
  }

  private Session secure(String name, boolean trust) throws Exception {
    String[] parts = config.get(name).asText().split(":");
    return new Session(Location.forGrpcTls(parts[0], Integer.parseInt(parts[1])), trust ? config.get("ca").asText() : null);
  }

  private Session login(Session session) {
    return session.login(config.get("user").asText(), config.get("password").asText());
  }

  @Override
  public Object make(JsonNode check) throws Exception {
    String sql = Main.text(check, "sql");
    if (check.get("kind").asText().equals("connect")) {
      return connect(check.get("how").asText(), sql);
    }
    try (Session session = "tls".equals(Main.text(check, "at")) ? login(secure("tls", true)) : plain()) {
      switch (check.get("kind").asText()) {
        case "values": return values(session, sql);
        case "stream": return stream(session, sql);
        case "parameters": return parameters(session, check);
        case "rows": return rows(session, check);
        case "script": return script(session, check);
        case "metadata": return FlightSqlMetadata.make(session, check);
        case "ingest": return ingest(session, check);
        case "cancel": return cancel(session, check);
        case "deadline":
          session.options = new CallOption[] {CallOptions.timeout(check.get("seconds").asInt(), TimeUnit.SECONDS)};
          return Main.object("rows", session.query(sql));
        case "first values":
          check.get("parameters").fields().forEachRemaining(each -> session.header(each.getKey(), each.getValue().asText()));
          return Main.object("rows", session.query(sql));
        case "options": return options(session, check);
        case "endpoints": return endpoints(session, check);
        case "jdbc": throw new Main.Cannot("it is of java.sql");
        default: throw new IllegalArgumentException(check.toString());
      }
    }
  }

  private Object connect(String how, String sql) throws Exception {
    try (Session session = how.equals("plain") ? plain() : secure(how.equals("token end") ? "brief" : "tls", !how.equals("untrusted"))) {
      switch (how) {
        case "plain": case "nobody": break;
        case "token": session.header("authorization", "Bearer " + config.get("token").asText()); break;
        case "wrong password": session.login(config.get("user").asText(), "another"); break;
        default: login(session);
      }
      List<Object> first = session.query(sql);
      if (!how.equals("token end")) {
        return Main.object("rows", first);
      }
      return Main.object("before", first, "after", untilRefused(() -> session.query(sql)));
    }
  }

  /** A query that may fail. */
  interface Query {
    Object ask() throws Exception;
  }

  /** The error that ends a query which is sent again and again; null where 20 seconds go by without one. */
  static Object untilRefused(Query query) throws InterruptedException {
    for (long start = System.nanoTime(); System.nanoTime() - start < 20_000_000_000L; Thread.sleep(50)) {
      try {
        query.ask();
      } catch (Exception refused) {
        return Main.failure(refused);
      }
    }
    return null;
  }

  private Object values(Session session, String sql) throws Exception {
    FlightInfo info = session.client.execute(sql, session.options);
    List<Object> values = new ArrayList<>();
    Schema schema = session.read(info, (stream, batch) -> {
      for (int row = 0; row < batch.getRowCount(); row++) {
        values.add(Forms.value(batch.getVector(0), row));
      }
    });
    return Main.object("type", Forms.type(schema.getFields().get(0)), "values", values);
  }

  private Object stream(Session session, String sql) throws Exception {
    long before = Main.peak();
    Map<String, Object> seen = session.sums(session.client.execute(sql, session.options));
    seen.put("mb", String.valueOf(Main.peak() - before));
    return seen;
  }

  private VectorSchemaRoot batch(List<String> types, List<List<Object>> rows) {
    List<Field> fields = new ArrayList<>();
    for (int i = 0; i < types.size(); i++) {
      List<Field> items = types.get(i).equals(Forms.VECTOR) ? List.of(Field.nullable("item", Forms.named("float32"))) : null;
      fields.add(new Field("p" + (i + 1), FieldType.nullable(Forms.named(types.get(i))), items));
    }
    VectorSchemaRoot batch = VectorSchemaRoot.create(new Schema(fields), memory);
    batch.allocateNew();
    for (int row = 0; row < rows.size(); row++) {
      for (int i = 0; i < types.size(); i++) {
        Forms.set(batch.getVector(i), row, rows.get(row).get(i));
      }
    }
    batch.setRowCount(rows.size());
    return batch;
  }

  /** A value as a program is given it: a text, a boolean, a list of them or null. */
  static Object given(JsonNode value) {
    if (value.isArray()) {
      return StreamSupport.stream(value.spliterator(), false).map(FlightSql::given).collect(Collectors.toList());
    }
    return value.isNull() ? null : value.isBoolean() ? (Object) value.asBoolean() : value.asText();
  }

  private Object parameters(Session session, JsonNode check) throws Exception {
    try (FlightSqlClient.PreparedStatement statement = session.client.prepare(check.get("sql").asText(), session.options)) {
      List<Field> told = statement.getParameterSchema().getFields();
      List<Object> values = new ArrayList<>();
      for (JsonNode value : check.get("values")) {
        VectorSchemaRoot batch = batch(List.of(check.get("type").asText()), List.of(Main.list(given(value))));
        statement.setParameters(batch); // which closes it
        try {
          values.add(((List<?>) session.rows(statement.execute(session.options)).get(0)).get(0));
        } catch (RuntimeException error) {
          values.add(Main.failure(error));
        }
      }
      return Main.object("told", told.isEmpty() ? null : Forms.type(told.get(0)), "values", values);
    }
  }

  private Object rows(Session session, JsonNode check) throws Exception {
    session.client.executeUpdate(check.get("before").asText(), session.options);
    List<String> types = StreamSupport.stream(check.get("types").spliterator(), false).map(JsonNode::asText).collect(Collectors.toList());
    List<List<Object>> rows = new ArrayList<>();
    for (JsonNode row : check.get("rows")) {
      rows.add(StreamSupport.stream(row.spliterator(), false).map(FlightSql::given).collect(Collectors.toCollection(ArrayList::new)));
    }
    try (FlightSqlClient.PreparedStatement statement = session.client.prepare(check.get("sql").asText(), session.options)) {
      statement.setParameters(batch(types, rows));
      Map<String, Object> seen = Main.count(statement.executeUpdate(session.options));
      seen.put("rows", session.query(check.get("then").asText()));
      return seen;
    }
  }

  private Object bound(Session session, JsonNode step) throws Exception {
    String sql = step.get(step.has("update") ? "update" : "query").asText();
    List<String> types = StreamSupport.stream(step.get("types").spliterator(), false).map(JsonNode::asText).collect(Collectors.toList());
    List<Object> values = StreamSupport.stream(step.get("values").spliterator(), false).map(FlightSql::given).collect(Collectors.toCollection(ArrayList::new));
    try (FlightSqlClient.PreparedStatement statement = session.client.prepare(sql, session.options)) {
      statement.setParameters(batch(types, List.of(values)));
      return step.has("update")
          ? Main.count(statement.executeUpdate(session.options))
          : Main.object("rows", session.rows(statement.execute(session.options)));
    }
  }

  private Object script(Session session, JsonNode check) {
    List<Object> outcomes = new ArrayList<>();
    for (JsonNode step : check.get("steps")) {
      try {
        outcomes.add(
            step.has("types") ? bound(session, step) : step.has("update")
                ? Main.count(session.client.executeUpdate(step.get("update").asText(), session.options))
                : Main.object("rows", session.query(step.get("query").asText())));
      } catch (Exception error) {
        outcomes.add(Main.failure(error));
      }
    }
    return outcomes;
  }

  private Object ingest(Session session, JsonNode check) throws Exception {
    if (check.hasNonNull("before")) {
      session.client.executeUpdate(check.get("before").asText(), session.options);
    }
    String mode = check.get("mode").asText();
    TableDefinitionOptions definition =
        TableDefinitionOptions.newBuilder()
            .setIfNotExist(
                mode.equals("append")
                    ? TableNotExistOption.TABLE_NOT_EXIST_OPTION_FAIL
                    : TableNotExistOption.TABLE_NOT_EXIST_OPTION_CREATE)
            .setIfExists(
                Map.of(
                        "create", TableExistsOption.TABLE_EXISTS_OPTION_FAIL,
                        "replace", TableExistsOption.TABLE_EXISTS_OPTION_REPLACE)
                    .getOrDefault(mode, TableExistsOption.TABLE_EXISTS_OPTION_APPEND))
            .build();
    List<List<Object>> rows = new ArrayList<>();
    for (int id = 0; id < check.get("rows").asInt(); id++) {
      rows.add(Main.list(id, id == 1 ? null : "name " + id));
    }
    try (VectorSchemaRoot unnamed = batch(List.of("int64", "utf8"), rows)) {
      List<Field> fields = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        fields.add(new Field(List.of("id", "name").get(i), unnamed.getVector(i).getField().getFieldType(), null));
      }
      VectorSchemaRoot data = new VectorSchemaRoot(new Schema(fields), unnamed.getFieldVectors(), unnamed.getRowCount());
      FlightSqlClient.ExecuteIngestOptions options =
          new FlightSqlClient.ExecuteIngestOptions(
              check.get("table").asText(), definition, check.get("temporary").asBoolean(), null, null, new HashMap<>());
      Map<String, Object> seen = Main.count(session.client.executeIngest(data, options, session.options));
      if (check.hasNonNull("then")) {
        seen.put("rows", session.query(check.get("then").asText()));
      }
      return seen;
    }
  }

  private Object cancel(Session session, JsonNode check) throws Exception {
    boolean reading = check.get("when").asText().equals("reading");
    FlightInfo info = session.client.execute(check.get("sql").asText(), session.options);
    Object after = null;
    try (FlightStream stream = session.client.getStream(info.getEndpoints().get(0).getTicket(), session.options)) {
      Thread other =
          new Thread(
              () -> {
                try {
                  Thread.sleep(500);
                  stream.cancel("no longer wanted", null);
                } catch (InterruptedException ended) {
                  Thread.currentThread().interrupt();
                }
              });
      if (!reading) {
        other.start();
      }
      try {
        while (stream.next()) {
          if (reading) {
            stream.cancel("no longer wanted", null);
          }
        }
      } catch (Exception error) {
        after = Main.failure(error);
      }
      other.join();
    } catch (Exception closing) {
      after = after == null ? Main.failure(closing) : after;
    }
    return Main.object("after", after, "next", session.query("SELECT 1"));
  }

  private Object options(Session session, JsonNode check) throws Exception {
    Map<String, org.apache.arrow.flight.SessionOptionValue> given = new HashMap<>();
    check.get("set").fields().forEachRemaining(each -> given.put(each.getKey(), SessionOptionValueFactory.makeSessionOptionValue(each.getValue().asText())));
    Map<String, Object> refused = Main.object();
    session.client.setSessionOptions(new SetSessionOptionsRequest(given), session.options).getErrors().forEach((name, error) -> refused.put(name, error.value.name()));
    Map<String, Object> told = Main.object();
    session.client.getSessionOptions(new GetSessionOptionsRequest(), session.options).getSessionOptions().forEach((name, value) -> {
      if (given.containsKey(name)) {
        told.put(name, value.acceptVisitor(new Text()));
      }
    });
    List<Object> rows = session.query(check.get("sql").asText());
    String closed = session.client.closeSession(new CloseSessionRequest(), session.options).getStatus().name();
    return Main.object("refused", refused, "options", told, "rows", rows, "closed", closed);
  }

  /** Takes texts. */
  private static final class Text implements org.apache.arrow.flight.SessionOptionValueVisitor<String> {
    @Override public String visit(String value) { return value; }
    @Override public String visit(boolean value) { return String.valueOf(value); }
    @Override public String visit(long value) { return String.valueOf(value); }
    @Override public String visit(double value) { return String.valueOf(value); }
    @Override public String visit(String[] value) { return String.join(",", value); }
    @Override public String visit(Void value) { return null; }
  }

  private Object endpoints(Session session, JsonNode check) throws Exception {
    session.client.executeUpdate(check.get("set").asText(), session.options);
    FlightInfo info = session.client.execute(check.get("sql").asText(), session.options);
    Map<String, Object> seen = session.sums(info);
    seen.put("endpoints", info.getEndpoints().size() > 1 ? "several" : "1");
    return seen;
  }
}
