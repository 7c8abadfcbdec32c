import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.Period;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.DateDayVector;
import org.apache.arrow.vector.DecimalVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.PeriodDuration;
import org.apache.arrow.vector.SmallIntVector;
import org.apache.arrow.vector.TimeMicroVector;
import org.apache.arrow.vector.TimeStampVector;
import org.apache.arrow.vector.TinyIntVector;
import org.apache.arrow.vector.UInt1Vector;
import org.apache.arrow.vector.UInt2Vector;
import org.apache.arrow.vector.UInt4Vector;
import org.apache.arrow.vector.UInt8Vector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.complex.StructVector;
import org.apache.arrow.vector.complex.DenseUnionVector;
import org.apache.arrow.vector.complex.UnionVector;
import org.apache.arrow.vector.types.DateUnit;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;

/** The forms of types and values of Arrow. */
final class Forms {
  private static final DateTimeFormatter TIME =
      new DateTimeFormatterBuilder()
          .appendPattern("HH:mm:ss")
          .appendFraction(ChronoField.NANO_OF_SECOND, 0, 9, true)
          .toFormatter();

  /** The type of a parameter that is a list of two numbers. */
  static final String VECTOR = "fixed_list<float32,2>";

  private Forms() {}

  static String type(Field field) {
    ArrowType type = field.getType();
    List<String> inner = field.getChildren().stream().map(Forms::type).collect(Collectors.toList());
    if (type instanceof ArrowType.ExtensionType) {
      type = ((ArrowType.ExtensionType) type).storageType();
    }
    if (type instanceof ArrowType.Int) {
      ArrowType.Int integer = (ArrowType.Int) type;
      return (integer.getIsSigned() ? "int" : "uint") + integer.getBitWidth();
    } else if (type instanceof ArrowType.FloatingPoint) {
      return ((ArrowType.FloatingPoint) type).getPrecision() == FloatingPointPrecision.SINGLE ? "float32" : "float64";
    } else if (type instanceof ArrowType.Decimal) {
      return "decimal(" + ((ArrowType.Decimal) type).getPrecision() + "," + ((ArrowType.Decimal) type).getScale() + ")";
    } else if (type instanceof ArrowType.Date) {
      return ((ArrowType.Date) type).getUnit() == DateUnit.DAY ? "date32" : "date64";
    } else if (type instanceof ArrowType.Time) {
      ArrowType.Time time = (ArrowType.Time) type;
      return "time" + time.getBitWidth() + "[" + unit(time.getUnit()) + "]";
    } else if (type instanceof ArrowType.Timestamp) {
      ArrowType.Timestamp stamp = (ArrowType.Timestamp) type;
      String zone = stamp.getTimezone() == null ? "" : "," + stamp.getTimezone();
      return "timestamp[" + unit(stamp.getUnit()) + zone + "]";
    } else if (type instanceof ArrowType.Map) {
      return "map<" + inner.get(0).replaceFirst("struct<[^:]*:(.*),[^:]*:(.*)>", "$1,$2") + ">";
    } else if (type instanceof ArrowType.FixedSizeList) {
      return "fixed_list<" + inner.get(0) + "," + ((ArrowType.FixedSizeList) type).getListSize() + ">";
    } else if (type instanceof ArrowType.List) {
      return "list<" + inner.get(0) + ">";
    } else if (type instanceof ArrowType.Struct) {
      return field.getChildren().stream().map(each -> each.getName() + ":" + type(each)).collect(Collectors.joining(",", "struct<", ">"));
    } else if (type instanceof ArrowType.Union) {
      return "union<" + String.join(",", inner) + ">";
    }
    return type.getTypeID().name().toLowerCase();
  }

  private static String unit(TimeUnit unit) {
    return Map.of(TimeUnit.SECOND, "s", TimeUnit.MILLISECOND, "ms", TimeUnit.MICROSECOND, "us", TimeUnit.NANOSECOND, "ns").get(unit);
  }

  /** The type of such a form; of those that parameters have. */
  static ArrowType named(String name) {
    switch (name) {
      case "bool": return new ArrowType.Bool();
      case "int8": return new ArrowType.Int(8, true);
      case "int16": return new ArrowType.Int(16, true);
      case "int32": return new ArrowType.Int(32, true);
      case "int64": return new ArrowType.Int(64, true);
      case "float32": return new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
      case "float64": return new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE);
      case "utf8": return new ArrowType.Utf8();
      case "binary": return new ArrowType.Binary();
      case "date32": return new ArrowType.Date(DateUnit.DAY);
      case "time64[us]": return new ArrowType.Time(TimeUnit.MICROSECOND, 64);
      case "timestamp[us]": return new ArrowType.Timestamp(TimeUnit.MICROSECOND, null);
      case "timestamp[us,UTC]": return new ArrowType.Timestamp(TimeUnit.MICROSECOND, "UTC");
      case "decimal(9,2)": return new ArrowType.Decimal(9, 2, 128);
      case VECTOR: return new ArrowType.FixedSizeList(2);
      default: throw new IllegalArgumentException(name);
    }
  }

  /** One value of a vector. */
  static Object value(FieldVector vector, int place) {
    if (vector.isNull(place)) {
      return null;
    }
    if (vector instanceof DateDayVector) {
      return LocalDate.ofEpochDay(((DateDayVector) vector).get(place)).toString();
    } else if (vector instanceof TimeMicroVector) {
      return time(LocalTime.ofNanoOfDay(((TimeMicroVector) vector).get(place) * 1000));
    } else if (vector instanceof TimeStampVector) {
      ArrowType.Timestamp type = (ArrowType.Timestamp) vector.getField().getType();
      long perSecond = Map.of("s", 1L, "ms", 1000L, "us", 1000_000L, "ns", 1000_000_000L).get(unit(type.getUnit()));
      long units = ((TimeStampVector) vector).get(place);
      long nanos = Math.floorMod(units, perSecond) * (1000_000_000L / perSecond);
      return moment(Instant.ofEpochSecond(Math.floorDiv(units, perSecond), nanos), type.getTimezone() != null);
    } else if (vector instanceof UInt1Vector) {
      return String.valueOf(((UInt1Vector) vector).getObjectNoOverflow(place));
    } else if (vector instanceof UInt2Vector) {
      return String.valueOf((int) ((UInt2Vector) vector).get(place));
    } else if (vector instanceof UInt4Vector) {
      return String.valueOf(((UInt4Vector) vector).getObjectNoOverflow(place));
    } else if (vector instanceof UInt8Vector) {
      return String.valueOf(((UInt8Vector) vector).getObjectNoOverflow(place));
    } else if (vector instanceof MapVector) {
      MapVector map = (MapVector) vector;
      StructVector pairs = (StructVector) map.getDataVector();
      List<Object> found = new ArrayList<>();
      for (int i = map.getElementStartIndex(place); i < map.getElementEndIndex(place); i++) {
        found.add(Main.list(value(pairs.getChildrenFromFields().get(0), i), value(pairs.getChildrenFromFields().get(1), i)));
      }
      return found;
    } else if (vector instanceof ListVector) {
      ListVector list = (ListVector) vector;
      return items(list.getDataVector(), list.getElementStartIndex(place), list.getElementEndIndex(place));
    } else if (vector instanceof FixedSizeListVector) {
      FixedSizeListVector list = (FixedSizeListVector) vector;
      return items(list.getDataVector(), place * list.getListSize(), (place + 1) * list.getListSize());
    } else if (vector instanceof StructVector) {
      Map<String, Object> found = Main.object();
      for (FieldVector child : ((StructVector) vector).getChildrenFromFields()) {
        found.put(child.getName(), value(child, place));
      }
      return found;
    } else if (vector instanceof UnionVector) {
      return plain(((UnionVector) vector).getObject(place));
    } else if (vector instanceof DenseUnionVector) {
      return plain(((DenseUnionVector) vector).getObject(place));
    }
    return plain(vector.getObject(place));
  }

  private static List<Object> items(FieldVector values, int start, int end) {
    List<Object> found = new ArrayList<>();
    for (int i = start; i < end; i++) {
      found.add(value(values, i));
    }
    return found;
  }

  /** An object of Java in its form. */
  static Object plain(Object value) {
    if (value == null || value instanceof Boolean) {
      return value;
    } else if (value instanceof BigDecimal) {
      return ((BigDecimal) value).toPlainString();
    } else if (value instanceof byte[]) {
      return HexFormat.of().formatHex((byte[]) value);
    } else if (value instanceof PeriodDuration) {
      PeriodDuration interval = (PeriodDuration) value;
      return interval(interval.getPeriod(), interval.getDuration());
    }
    return value.toString();
  }

  static String interval(Period period, Duration duration) {
    return period.toTotalMonths() + "m" + period.getDays() + "d" + duration.toNanos() + "ns";
  }

  static String time(LocalTime time) {
    return time.format(TIME);
  }

  static String moment(Instant instant, boolean zoned) {
    LocalDateTime stamp = LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
    return stamp.toLocalDate() + "T" + time(stamp.toLocalTime()) + (zoned ? "Z" : "");
  }

  /** Puts what a form says into a vector. */
  static void set(FieldVector vector, int place, Object given) {
    if (given == null) {
      vector.setNull(place);
      return;
    }
    if (vector instanceof FixedSizeListVector) {
      FixedSizeListVector list = (FixedSizeListVector) vector;
      int at = list.startNewValue(place);
      for (Object item : (List<?>) given) {
        set(list.getDataVector(), at++, item);
      }
      return;
    }
    String text = given.toString();
    if (vector instanceof BitVector) {
      ((BitVector) vector).setSafe(place, (Boolean) given ? 1 : 0);
    } else if (vector instanceof TinyIntVector) {
      ((TinyIntVector) vector).setSafe(place, Byte.parseByte(text));
    } else if (vector instanceof SmallIntVector) {
      ((SmallIntVector) vector).setSafe(place, Short.parseShort(text));
    } else if (vector instanceof IntVector) {
      ((IntVector) vector).setSafe(place, Integer.parseInt(text));
    } else if (vector instanceof BigIntVector) {
      ((BigIntVector) vector).setSafe(place, Long.parseLong(text));
    } else if (vector instanceof Float4Vector) {
      ((Float4Vector) vector).setSafe(place, Float.parseFloat(text));
    } else if (vector instanceof Float8Vector) {
      ((Float8Vector) vector).setSafe(place, Double.parseDouble(text));
    } else if (vector instanceof DecimalVector) {
      ((DecimalVector) vector).setSafe(place, new BigDecimal(text));
    } else if (vector instanceof VarCharVector) {
      ((VarCharVector) vector).setSafe(place, text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    } else if (vector instanceof VarBinaryVector) {
      ((VarBinaryVector) vector).setSafe(place, HexFormat.of().parseHex(text));
    } else if (vector instanceof DateDayVector) {
      ((DateDayVector) vector).setSafe(place, (int) LocalDate.parse(text).toEpochDay());
    } else if (vector instanceof TimeMicroVector) {
      ((TimeMicroVector) vector).setSafe(place, LocalTime.parse(text).toNanoOfDay() / 1000);
    } else if (vector instanceof TimeStampVector) {
      Instant instant = instant(text);
      ((TimeStampVector) vector).setSafe(place, instant.getEpochSecond() * 1000_000 + instant.getNano() / 1000);
    } else {
      throw new IllegalArgumentException(vector.getField().toString());
    }
  }

  static Instant instant(String text) {
    return text.endsWith("Z") ? OffsetDateTime.parse(text).toInstant() : LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
  }
}
