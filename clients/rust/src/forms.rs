//! The forms of types and values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, BinaryArray, FixedSizeListArray, Int64Array, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use serde_json::{Map, Value, json};

const UNITS: [(TimeUnit, &str); 4] = [
    (TimeUnit::Second, "s"),
    (TimeUnit::Millisecond, "ms"),
    (TimeUnit::Microsecond, "us"),
    (TimeUnit::Nanosecond, "ns"),
];

fn unit_word(unit: &TimeUnit) -> &'static str {
    UNITS.iter().find(|(found, _)| found == unit).expect("a unit").1
}

/// The form of a type.
pub fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "bool".into(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("decimal({p},{s})")
        }
        DataType::Timestamp(unit, None) => format!("timestamp[{}]", unit_word(unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp[{},{zone}]", unit_word(unit)),
        DataType::Time32(unit) => format!("time32[{}]", unit_word(unit)),
        DataType::Time64(unit) => format!("time64[{}]", unit_word(unit)),
        DataType::Interval(_) => "interval".into(),
        DataType::List(item) => format!("list<{}>", type_name(item.data_type())),
        DataType::FixedSizeList(item, size) => format!("fixed_list<{},{size}>", type_name(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => {
                format!("map<{},{}>", type_name(parts[0].data_type()), type_name(parts[1].data_type()))
            }
            other => format!("map of {other}"),
        },
        DataType::Struct(fields) => {
            let parts = fields.iter().map(|field| format!("{}:{}", field.name(), type_name(field.data_type())));
            format!("struct<{}>", parts.collect::<Vec<_>>().join(","))
        }
        DataType::Union(fields, _) => {
            let parts = fields.iter().map(|(_, field)| type_name(field.data_type()));
            format!("union<{}>", parts.collect::<Vec<_>>().join(","))
        }
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The type of such a form; of those that parameters have.
fn type_named(name: &str) -> DataType {
    if let Some(inner) = name.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = inner.split_once(',').expect("a precision and a scale");
        return DataType::Decimal128(precision.parse().expect("a number"), scale.parse().expect("a number"));
    }
    match name {
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "binary" => DataType::Binary,
        "date32" => DataType::Date32,
        "time64[us]" => DataType::Time64(TimeUnit::Microsecond),
        "timestamp[us]" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp[us,UTC]" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "fixed_list<float32,2>" => DataType::new_fixed_size_list(DataType::Float32, 2, true),
        _ => DataType::Utf8,
    }
}

/// One of an array's values, in its form.
pub fn value(values: &dyn Array, place: usize) -> Value {
    if values.is_null(place) {
        return Value::Null;
    }
    let items = |found: ArrayRef| (0..found.len()).map(|item| value(&found, item)).collect::<Vec<_>>();
    match values.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => json!(values.as_boolean().value(place)),
        DataType::Binary => {
            let bytes = values.as_binary::<i32>().value(place);
            json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        DataType::Interval(_) => {
            let found = values.as_primitive::<IntervalMonthDayNanoType>().value(place);
            json!(format!("{}m{}d{}ns", found.months, found.days, found.nanoseconds))
        }
        DataType::List(_) => json!(items(values.as_list::<i32>().value(place))),
        DataType::FixedSizeList(_, _) => json!(items(values.as_fixed_size_list().value(place))),
        DataType::Map(_, _) => {
            let pairs = values.as_map().value(place);
            let pair = |item| json!([value(pairs.column(0), item), value(pairs.column(1), item)]);
            json!((0..pairs.len()).map(pair).collect::<Vec<_>>())
        }
        DataType::Struct(fields) => {
            let found = values.as_struct();
            let pair = |(at, field): (usize, &Arc<Field>)| (field.name().clone(), value(found.column(at), place));
            Value::Object(fields.iter().enumerate().map(pair).collect::<Map<_, _>>())
        }
        DataType::Union(_, _) => value(&values.as_union().value(place), 0),
        DataType::Time32(_) | DataType::Time64(_) => json!(without_zeros(shown(values, place))),
        DataType::Timestamp(_, None) => json!(without_zeros(shown(values, place))),
        DataType::Timestamp(_, Some(_)) => json!(without_zeros(shown(values, place)) + "Z"),
        _ => json!(shown(values, place)),
    }
}

fn shown(values: &dyn Array, place: usize) -> String {
    let options = FormatOptions::default()
        .with_time_format(Some("%H:%M:%S%.f"))
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.f"));
    ArrayFormatter::try_new(values, &options).expect("a type that has a form").value(place).to_string()
}

/// A time without the zeros at the end of its fraction.
fn without_zeros(time: String) -> String {
    match time.contains('.') {
        true => time.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => time,
    }
}

/// The rows of a batch.
pub fn rows(batch: &RecordBatch) -> Vec<Value> {
    let row = |place| json!(batch.columns().iter().map(|column| value(column, place)).collect::<Vec<_>>());
    (0..batch.num_rows()).map(row).collect()
}

/// The first values of rows.
pub fn firsts(rows: &[Value]) -> Vec<Value> {
    rows.iter().map(|row| row[0].clone()).collect()
}

/// The sum of a batch's first column.
pub fn sum(batch: &RecordBatch) -> i64 {
    batch.column(0).as_primitive::<Int64Type>().values().iter().sum()
}

/// Rows of texts and booleans as values of the types.
pub fn batch(types: &[&str], rows: &[Vec<Value>]) -> RecordBatch {
    let column = |(at, name): (usize, &&str)| {
        let text = |row: &Vec<Value>| match &row[at] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let texts: Vec<Option<String>> = rows.iter().map(text).collect();
        let kind = type_named(name);
        let array: ArrayRef = match kind {
            DataType::FixedSizeList(_, _) => {
                let items = |row: &Vec<Value>| {
                    let number = |item: &Value| item.as_str().and_then(|text| text.parse::<f32>().ok());
                    row[at].as_array().map(|items| items.iter().map(number).collect::<Vec<_>>())
                };
                Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(items), 2))
            }
            DataType::Binary => Arc::new(BinaryArray::from_iter(texts.into_iter().map(|text| text.map(bytes)))),
            _ => arrow_cast::cast(&StringArray::from(texts), &kind).expect("values of the type"),
        };
        (Field::new(format!("p{}", at + 1), kind, true), array)
    };
    let (fields, columns): (Vec<_>, Vec<_>) = types.iter().enumerate().map(column).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

fn bytes(hex: String) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// The rows of an upload.
pub fn upload(number: i64) -> RecordBatch {
    let names = (0..number).map(|id| (id != 1).then(|| format!("name {id}")));
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(0..number)), Arc::new(StringArray::from_iter(names))];
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length")
}

/// The columns of a table's schema.
pub fn columns(schema: &Schema) -> Vec<Value> {
    let column = |field: &Arc<Field>| json!([field.name(), type_name(field.data_type()), field.is_nullable()]);
    schema.fields().iter().map(column).collect()
}

/// A list in the arguments of a check.
pub fn list(check: &Value, name: &str) -> Vec<Value> {
    check[name].as_array().cloned().unwrap_or_default()
}

/// A list of lists in the arguments of a check.
pub fn lists(check: &Value, name: &str) -> Vec<Vec<Value>> {
    list(check, name).iter().map(|row| row.as_array().cloned().unwrap_or_default()).collect()
}
