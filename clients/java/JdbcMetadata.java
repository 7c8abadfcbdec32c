import com.fasterxml.jackson.databind.JsonNode;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** DatabaseMetaData. */
final class JdbcMetadata {
  private JdbcMetadata() {}

  static Object make(DatabaseMetaData told, JsonNode check) throws SQLException {
    String schema = Main.text(check, "schema");
    String table = Main.text(check, "table");
    switch (check.get("of").asText()) {
      case "catalogs": return columns(told.getCatalogs(), "TABLE_CAT");
      case "schemas": return columns(told.getSchemas(Main.text(check, "catalog"), schema), "TABLE_CATALOG", "TABLE_SCHEM");
      case "tables":
        List<String> types = new ArrayList<>();
        check.get("types").forEach(type -> types.add(type.asText()));
        String[] wanted = types.isEmpty() ? null : types.toArray(String[]::new);
        return columns(told.getTables(null, schema, table, wanted), "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE");
      case "columns":
        List<Object> found = new ArrayList<>();
        try (ResultSet rows = told.getColumns(null, schema, table, null)) {
          while (rows.next()) {
            boolean nullable = rows.getInt("NULLABLE") == DatabaseMetaData.columnNullable;
            found.add(Main.list(rows.getString("COLUMN_NAME"), rows.getString("TYPE_NAME"), nullable));
          }
        }
        return found;
      case "table types": return columns(told.getTableTypes(), "TABLE_TYPE");
      case "primary keys": return columns(told.getPrimaryKeys(null, schema, table), "TABLE_NAME", "COLUMN_NAME");
      case "imported keys": return columns(told.getImportedKeys(null, schema, table), "PKTABLE_NAME", "PKCOLUMN_NAME");
      case "exported keys": return columns(told.getExportedKeys(null, schema, table), "PKTABLE_NAME", "PKCOLUMN_NAME");
      case "cross reference":
        return columns(told.getCrossReference(null, schema, table, null, schema, table), "PKTABLE_NAME", "PKCOLUMN_NAME");
      case "type names": return columns(told.getTypeInfo(), "TYPE_NAME");
      case "sql info":
        Map<String, Object> values = Main.object();
        for (JsonNode code : check.get("codes")) {
          values.put(code.asText(), info(told, code.asInt()));
        }
        return values;
      default: throw new IllegalArgumentException(check.toString());
    }
  }

  private static String info(DatabaseMetaData told, int code) throws SQLException {
    switch (code) {
      case 0: return told.getDatabaseProductName();
      case 8: return told.supportsTransactions() ? "1" : "0";
      case 504: return told.getIdentifierQuoteString();
      default: throw new IllegalArgumentException(String.valueOf(code));
    }
  }

  static List<Object> columns(ResultSet rows, String... names) throws SQLException {
    List<Object> found = new ArrayList<>();
    try (rows) {
      while (rows.next()) {
        List<Object> row = new ArrayList<>();
        for (String name : names) {
          row.add(rows.getString(name));
        }
        found.add(row);
      }
    }
    return found;
  }
}
