// The forms of types and values.
"use strict";

const arrow = require("apache-arrow");

const UNITS = ["s", "ms", "us", "ns"];
const PER_SECOND = [1n, 1_000n, 1_000_000n, 1_000_000_000n];

function typeName(type) {
  const { Type } = arrow;
  const name = (field) => typeName(field.type);
  switch (type.typeId) {
    case Type.Null: return "null";
    case Type.Bool: return "bool";
    case Type.Int: return `${type.isSigned ? "" : "u"}int${type.bitWidth}`;
    case Type.Float: return ["float16", "float32", "float64"][type.precision];
    case Type.Decimal: return `decimal(${type.precision},${type.scale})`;
    case Type.Utf8: return "utf8";
    case Type.Binary: return "binary";
    case Type.Date: return type.unit === 0 ? "date32" : "date64";
    case Type.Time: return `time${type.bitWidth}[${UNITS[type.unit]}]`;
    case Type.Timestamp: return `timestamp[${UNITS[type.unit]}${type.timezone ? "," + type.timezone : ""}]`;
    case Type.Interval: return "interval";
    case Type.List: return `list<${name(type.children[0])}>`;
    case Type.FixedSizeList: return `fixed_list<${name(type.children[0])},${type.listSize}>`;
    case Type.Map: return `map<${type.children[0].type.children.map(name).join(",")}>`;
    case Type.Struct: return `struct<${type.children.map((field) => `${field.name}:${name(field)}`).join(",")}>`;
    case Type.Union: return `union<${type.children.map(name).join(",")}>`;
    default: return type.toString();
  }
}

/** A value of one piece of a column. What the package rounds is read off its buffers. */
function value(data, at) {
  const { Type } = arrow;
  const { type } = data;
  if (type.typeId === Type.Null || (type.typeId !== Type.Union && !data.getValid(at))) return null;
  const plain = () => new arrow.Vector([data]).get(at);
  const wide = () => BigInt(data.values[at]);
  const items = (start, end) => Array.from({ length: end - start }, (_, item) => value(data.children[0], start + item));
  switch (type.typeId) {
    case Type.Int: case Type.Float: return String(plain());
    case Type.Binary: return Buffer.from(plain()).toString("hex");
    case Type.Decimal: return decimal(data.values.subarray(4 * at, 4 * at + 4), type.scale);
    case Type.Date: return new Date(Number(data.values[at]) * 86_400_000).toISOString().slice(0, 10);
    case Type.Time: return instant(wide(), type.unit).slice("1970-01-01T".length);
    case Type.Timestamp: return instant(wide(), type.unit) + (type.timezone ? "Z" : "");
    case Type.Interval: {
      const parts = new DataView(data.values.buffer, data.values.byteOffset + 16 * at, 16);
      return `${parts.getInt32(0, true)}m${parts.getInt32(4, true)}d${parts.getBigInt64(8, true)}ns`;
    }
    case Type.List: return items(data.valueOffsets[at], data.valueOffsets[at + 1]);
    case Type.FixedSizeList: return items(at * type.listSize, (at + 1) * type.listSize);
    case Type.Map: return items(data.valueOffsets[at], data.valueOffsets[at + 1]).map(Object.values);
    case Type.Struct:
      return Object.fromEntries(type.children.map((field, child) => [field.name, value(data.children[child], at)]));
    case Type.Union: {
      const child = type.typeIdToChildIndex[data.typeIds[at]];
      return value(data.children[child], data.valueOffsets ? data.valueOffsets[at] : at);
    }
    default: return plain();
  }
}

function decimal(words, scale) {
  const unscaled = BigInt.asIntN(128, words.reduceRight((found, word) => (found << 32n) | BigInt(word >>> 0), 0n));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return (unscaled < 0n ? "-" : "") + digits.slice(0, point) + (scale ? "." + digits.slice(point) : "");
}

/** A point in time, of so many units since 1970. */
function instant(count, unit) {
  const per = PER_SECOND[unit];
  const rest = ((count % per) + per) % per;
  const seconds = new Date(Number((count - rest) / per) * 1000).toISOString().slice(0, 19);
  const fraction = unit ? String(rest).padStart(3 * unit, "0").replace(/0+$/, "") : "";
  return fraction ? `${seconds}.${fraction}` : seconds;
}

/** The rows of a batch. */
function rows(batch) {
  return Array.from({ length: batch.numRows }, (_, row) => batch.data.children.map((column) => value(column, row)));
}

const TYPES = {
  bool: new arrow.Bool(), int8: new arrow.Int8(), int16: new arrow.Int16(), int32: new arrow.Int32(),
  int64: new arrow.Int64(), float32: new arrow.Float32(), float64: new arrow.Float64(), utf8: new arrow.Utf8(),
  binary: new arrow.Binary(), date32: new arrow.DateDay(), "time64[us]": new arrow.TimeMicrosecond(),
  "timestamp[us]": new arrow.TimestampMicrosecond(), "timestamp[us,UTC]": new arrow.TimestampMicrosecond("UTC"),
};

/** The type of a parameter that is a list of two numbers. */
const VECTOR = "fixed_list<float32,2>";

/** Rows of texts and booleans as values of the types. */
function table(types, given) {
  const columns = types.map((name, at) => [`p${at + 1}`, column(name, given.map((row) => row[at]))]);
  return new arrow.Table(Object.fromEntries(columns));
}

function column(name, values) {
  if (name === VECTOR) {
    const items = column("float32", values.flat());
    const type = new arrow.FixedSizeList(2, new arrow.Field("item", new arrow.Float32(), true));
    return new arrow.Vector([arrow.makeData({ type, length: values.length, nullCount: 0, child: items.data[0] })]);
  }
  const scales = /^decimal\((\d+),(\d+)\)$/.exec(name);
  const type = scales ? new arrow.Decimal(Number(scales[2]), Number(scales[1]), 128) : TYPES[name];
  const raw = values.map((value) => (value === null ? null : plain(name, value)));
  if (name === "bool" || name === "utf8" || name === "binary") return arrow.vectorFromArray(raw, type);
  const Buffers = type.ArrayType;
  const data = scales
    ? Buffers.from(raw.flatMap((value) => [0n, 32n, 64n, 96n].map((bits) => Number(BigInt.asUintN(32, (value ?? 0n) >> bits)))))
    : Buffers.from(raw.map((value) => value ?? (Buffers === BigInt64Array ? 0n : 0)));
  const valid = new Uint8Array(8 * Math.ceil(values.length / 64));
  raw.forEach((value, at) => (valid[at >> 3] |= value === null ? 0 : 1 << at % 8));
  const nullCount = raw.filter((value) => value === null).length;
  return new arrow.Vector([arrow.makeData({ type, length: raw.length, nullCount, nullBitmap: valid, data })]);
}

function plain(name, value) {
  if (name === "bool" || name === "utf8") return value;
  if (name === "binary") return Buffer.from(value, "hex");
  if (name === "int64") return BigInt(value);
  if (name.startsWith("decimal")) return BigInt(value.replace(".", ""));
  if (name === "date32") return Date.parse(value) / 86_400_000;
  if (name.startsWith("time")) {
    const [whole, fraction = ""] = (name === "time64[us]" ? `1970-01-01T${value}` : value).replace("Z", "").split(".");
    return BigInt(Date.parse(whole + "Z")) * 1000n + BigInt(fraction.padEnd(6, "0"));
  }
  return Number(value);
}

/** The rows of an upload. */
function upload(number) {
  const names = Array.from({ length: number }, (_, id) => (id === 1 ? null : `name ${id}`));
  const ids = arrow.makeVector(BigInt64Array.from({ length: number }, (_, id) => BigInt(id)));
  return new arrow.Table({ id: ids, name: arrow.vectorFromArray(names, new arrow.Utf8()) });
}

module.exports = { rows, table, typeName, upload };
