#!/usr/bin/env bash
# flight-sql-jdbc-driver 18.3.0: unsigned integers in the upper half of their range are read as negative ones.
#
# What the driver's own accessor makes of Arrow vectors that hold 200 (uint8) and 3000000000 (uint32). Seen:
#   uint8  200        : getObject -56, getLong -56, getString 18446744073709551560
#   uint32 3000000000 : getObject -1294967296, getLong -1294967296, getString 18446744072414584320
# (to expect: 200 and 3000000000 from each.) No error comes. Who reads such columns over JDBC casts them to a wider type.
#
# Needs Java and Maven. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:copy \
    -Dartifact=org.apache.arrow:flight-sql-jdbc-driver:18.3.0 -DoutputDirectory="$folder" >&2
cat > "$folder/Unsigned.java" <<'JAVA'
import java.util.function.IntSupplier;
import org.apache.arrow.driver.jdbc.accessor.impl.numeric.ArrowFlightJdbcBaseIntVectorAccessor;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.vector.UInt1Vector;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.vector.UInt4Vector;

public class Unsigned {
  public static void main(String[] arguments) throws Exception {
    IntSupplier first = () -> 0;
    try (RootAllocator memory = new RootAllocator();
        UInt1Vector small = new UInt1Vector("small", memory);
        UInt4Vector large = new UInt4Vector("large", memory)) {
      small.setSafe(0, (byte) 200);
      small.setValueCount(1);
      large.setSafe(0, (int) 3_000_000_000L);
      large.setValueCount(1);
      System.out.println("vectors: " + small.getObjectNoOverflow(0) + " " + large.getObjectNoOverflow(0));
      show("uint8  200", new ArrowFlightJdbcBaseIntVectorAccessor(small, first, wasNull -> {}));
      show("uint32 3000000000", new ArrowFlightJdbcBaseIntVectorAccessor(large, first, wasNull -> {}));
    }
  }

  private static void show(String what, ArrowFlightJdbcBaseIntVectorAccessor read) throws Exception {
    System.out.println(what + ": " + read.getObject() + " " + read.getLong() + " " + read.getString());
  }
}
JAVA
java --add-opens=java.base/java.nio=ALL-UNNAMED -cp "$folder/*" "$folder/Unsigned.java" 2>"$folder/log" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
vectors: 200 3000000000
uint8  200: -56 -56 18446744073709551560
uint32 3000000000: -1294967296 -1294967296 18446744072414584320
SEEN
