import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.arrow.flight.FlightInfo;
import org.apache.arrow.flight.sql.FlightSqlClient;
import org.apache.arrow.flight.sql.FlightSqlProducer.Schemas;
import org.apache.arrow.flight.sql.util.TableRef;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ReadChannel;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/** The calls for metadata of `flight-sql`, whose schemas have to be those that it has for them. */
final class FlightSqlMetadata {
  private FlightSqlMetadata() {}

  static Object make(FlightSql.Session session, JsonNode check) throws Exception {
    FlightSqlClient client = session.client;
    String schema = Main.text(check, "schema");
    String name = Main.text(check, "table");
    TableRef table = TableRef.of(null, schema, name);
    switch (check.get("of").asText()) {
      case "catalogs": return told(session, Schemas.GET_CATALOGS_SCHEMA, client.getCatalogs(session.options));
      case "schemas":
        return told(session, Schemas.GET_SCHEMAS_SCHEMA, client.getSchemas(Main.text(check, "catalog"), schema, session.options));
      case "tables": return told(session, Schemas.GET_TABLES_SCHEMA_NO_SCHEMA, client.getTables(null, schema, name, types(check), false, session.options));
      case "columns": return columns(session, client.getTables(null, schema, name, null, true, session.options));
      case "table types": return told(session, Schemas.GET_TABLE_TYPES_SCHEMA, client.getTableTypes(session.options));
      case "primary keys": return told(session, Schemas.GET_PRIMARY_KEYS_SCHEMA, client.getPrimaryKeys(table, session.options));
      case "imported keys": return told(session, Schemas.GET_IMPORTED_KEYS_SCHEMA, client.getImportedKeys(table, session.options));
      case "exported keys": return told(session, Schemas.GET_EXPORTED_KEYS_SCHEMA, client.getExportedKeys(table, session.options));
      case "cross reference": return told(session, Schemas.GET_CROSS_REFERENCE_SCHEMA, client.getCrossReference(table, table, session.options));
      case "type names":
        List<Object> names = new ArrayList<>();
        for (Object row : told(session, Schemas.GET_TYPE_INFO_SCHEMA, client.getXdbcTypeInfo(session.options))) {
          names.add(((List<?>) row).subList(0, 1));
        }
        return names;
      case "sql info":
        List<Integer> codes = new ArrayList<>();
        check.get("codes").forEach(code -> codes.add(code.asInt()));
        Map<String, Object> found = Main.object();
        for (Object row : session.rows(client.getSqlInfo(codes, session.options))) {
          found.put((String) ((List<?>) row).get(0), ((List<?>) row).get(1));
        }
        return found;
      default: throw new IllegalArgumentException(check.toString());
    }
  }

  private static List<String> types(JsonNode check) {
    List<String> types = new ArrayList<>();
    check.get("types").forEach(type -> types.add(type.asText()));
    return types;
  }

  private static List<Object> told(FlightSql.Session session, Schema schema, FlightInfo info) throws Exception {
    Schema found = info.getSchemaOptional().orElseThrow();
    if (!found.equals(schema)) {
      throw new IllegalStateException("the schema is " + found + ", not " + schema);
    }
    return session.rows(info);
  }

  private static Object columns(FlightSql.Session session, FlightInfo info) throws Exception {
    List<Object> columns = new ArrayList<>();
    session.read(info, (stream, batch) -> add(columns, batch));
    return columns;
  }

  private static void add(List<Object> columns, VectorSchemaRoot tables) throws Exception {
    for (int row = 0; row < tables.getRowCount(); row++) {
      byte[] bytes = ((VarBinaryVector) tables.getVector("table_schema")).get(row);
      Schema schema = MessageSerializer.deserializeSchema(new ReadChannel(Channels.newChannel(new ByteArrayInputStream(bytes))));
      for (Field field : schema.getFields()) {
        columns.add(Main.list(field.getName(), Forms.type(field), field.isNullable()));
      }
    }
  }
}
