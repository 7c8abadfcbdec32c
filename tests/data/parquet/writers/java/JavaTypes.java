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

/** Files of two rows with columns of types that few writers have. */
public class JavaTypes {
  public static void main(String[] arguments) throws Exception {
    write(arguments[0], "message types { required int32 id;"
        + " optional group loose (MAP) { repeated group key_value { optional binary key (UTF8); optional int32 value; } }"
        + " optional group records (LIST) { repeated group array { required int32 field; } } }");
    write("parquet_java_bson.parquet", "message types { required int32 id; optional binary doc (BSON); }");
  }

  @SuppressWarnings("deprecation")
  private static void write(String file, String text) throws Exception {
    MessageType schema = MessageTypeParser.parseMessageType(text);
    Configuration configuration = new Configuration();
    GroupWriteSupport.setSchema(schema, configuration);
    try (ParquetWriter<Group> writer = new ParquetWriter<>(new Path(file), new GroupWriteSupport(),
        CompressionCodecName.UNCOMPRESSED, 1 << 20, 1 << 20, 1 << 20, true, false,
        ParquetProperties.WriterVersion.PARQUET_1_0, configuration)) {
      for (int id = 0; id < 2; id++) {
        Group group = new SimpleGroup(schema).append("id", id);
        if (schema.containsField("doc")) {
          group.add("doc", Binary.fromConstantByteArray(new byte[] {5, 0, 0, 0, 0}));
        } else {
          group.addGroup("loose").addGroup("key_value").append("key", "k" + id).append("value", id);
          group.addGroup("records").addGroup("array").append("field", id);
        }
        writer.write(group);
      }
    }
  }
}
