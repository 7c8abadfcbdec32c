import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.math.BigDecimal;
import java.util.HexFormat;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.column.ParquetProperties;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.GroupWriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;

public class JavaWriter {
  @SuppressWarnings("deprecation") // the one constructor that every version has
  public static void main(String[] arguments) throws Exception {
    MessageType schema = MessageTypeParser.parseMessageType("message rows { required int32 id; optional double price;"
        + " optional float ratio; optional binary name (UTF8); required binary label (UTF8); optional binary raw;"
        + " optional binary amount (DECIMAL(20,2)); optional int32 small (UINT_32); optional int32 day (DATE);"
        + " optional group point { optional double x; optional binary tag (UTF8); }"
        + " optional group tags (LIST) { repeated group list { optional binary element (UTF8); } } }");
    Configuration configuration = new Configuration();
    GroupWriteSupport.setSchema(schema, configuration);
    try (ParquetWriter<Group> writer = new ParquetWriter<>(new Path(arguments[0]), new GroupWriteSupport(),
        CompressionCodecName.UNCOMPRESSED, 1 << 20, 1 << 20, 1 << 20, true, false,
        ParquetProperties.WriterVersion.PARQUET_1_0, configuration)) {
      for (JsonNode row : new ObjectMapper().readTree(new File("rows.json"))) {
        Group group = new SimpleGroup(schema);
        group.add("id", row.get("id").intValue());
        Group point = group.addGroup("point");
        if (!row.get("price").isNull()) {
          double price = row.get("price").isTextual() ? Double.parseDouble(row.get("price").textValue()) : row.get("price").doubleValue();
          group.add("price", price);
          point.add("x", price);
        }
        if (!row.get("ratio").isNull()) {
          group.add("ratio", row.get("ratio").isTextual() ? Float.NaN : row.get("ratio").floatValue());
        }
        if (!row.get("name").isNull()) group.add("name", row.get("name").textValue());
        if (!row.get("tag").isNull()) point.add("tag", row.get("tag").textValue());
        group.add("label", row.get("label").textValue());
        if (!row.get("raw").isNull()) {
          group.add("raw", Binary.fromByteArray(HexFormat.of().parseHex(row.get("raw").textValue())));
        }
        if (!row.get("amount").isNull()) {
          byte[] digits = new BigDecimal(row.get("amount").textValue()).unscaledValue().toByteArray();
          group.add("amount", Binary.fromByteArray(digits));
        }
        if (!row.get("small").isNull()) group.add("small", (int) row.get("small").longValue());
        if (!row.get("day").isNull()) group.add("day", row.get("day").intValue());
        if (!row.get("tags").isNull()) {
          Group tags = group.addGroup("tags");
          for (JsonNode tag : row.get("tags")) {
            Group item = tags.addGroup("list");
            if (!tag.isNull()) item.add("element", tag.textValue());
          }
        }
        writer.write(group);
      }
    }
  }
}
