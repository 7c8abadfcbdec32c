import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes the checks of its configuration with two clients, and prints what each saw. */
public final class Main {
  /** Makes checks. */
  interface Client {
    String name();

    /** What was seen; throws an error that is seen, and a {@link Cannot} where there is no call for it. */
    Object make(JsonNode check) throws Exception;
  }

  /** The reason for which a client has no way to make a check. */
  static final class Cannot extends Exception {
    Cannot(String reason) {
      super(reason);
    }
  }

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    ObjectMapper json = new ObjectMapper();
    JsonNode config = json.readTree(new File(arguments[0]));
    try (FlightSql flightSql = new FlightSql(config)) {
      for (Client client : List.of(flightSql, new Jdbc(config))) {
        for (JsonNode check : config.get("checks")) {
          Map<String, Object> line = object("client", client.name(), "check", check.get("name").asText());
          try {
            line.put("seen", client.make(check));
          } catch (Cannot reason) {
            line.put("cannot", reason.getMessage());
          } catch (Exception error) {
            line.put("seen", failure(error));
          }
          System.out.println(json.writeValueAsString(line));
        }
      }
    }
  }

  static Map<String, Object> object(Object... pairs) {
    Map<String, Object> found = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      found.put((String) pairs[i], pairs[i + 1]);
    }
    return found;
  }

  static List<Object> list(Object... items) {
    List<Object> found = new ArrayList<>();
    Collections.addAll(found, items);
    return found;
  }

  static Map<String, Object> count(long rows) {
    return object("count", String.valueOf(rows));
  }

  /** An error in its form. The driver's classes are those of flight-core under other names. */
  static Map<String, Object> failure(Throwable error) {
    String code = null;
    for (Throwable each = error; each != null && code == null; each = each.getCause()) {
      if (each.getClass().getSimpleName().equals("FlightRuntimeException")) {
        try {
          Object status = each.getClass().getMethod("status").invoke(each);
          code = status.getClass().getMethod("code").invoke(status).toString();
        } catch (ReflectiveOperationException impossible) {
          throw new IllegalStateException(impossible);
        }
      }
    }
    if (code != null) {
      code = Map.of("UNAUTHORIZED", "PERMISSION_DENIED", "TIMED_OUT", "DEADLINE_EXCEEDED").getOrDefault(code, code);
    }
    return object("error", object("code", code, "text", String.valueOf(error.getMessage())));
  }

  /** The most memory that the process ever had, in MB. */
  static long peak() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) / 1024;
      }
    }
    throw new IOException("no VmHWM");
  }

  /** The text of an argument, or null. */
  static String text(JsonNode node, String name) {
    return node.hasNonNull(name) ? node.get(name).asText() : null;
  }
}
