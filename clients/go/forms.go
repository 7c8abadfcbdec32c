package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// typeName is the form of a type.
func typeName(kind arrow.DataType) string {
	switch kind := kind.(type) {
	case arrow.ExtensionType:
		return typeName(kind.StorageType())
	case arrow.DecimalType:
		return fmt.Sprintf("decimal(%d,%d)", kind.GetPrecision(), kind.GetScale())
	case *arrow.TimestampType:
		if kind.TimeZone != "" {
			return fmt.Sprintf("timestamp[%s,%s]", kind.Unit, kind.TimeZone)
		}
		return fmt.Sprintf("timestamp[%s]", kind.Unit)
	case *arrow.Time32Type:
		return fmt.Sprintf("time32[%s]", kind.Unit)
	case *arrow.Time64Type:
		return fmt.Sprintf("time64[%s]", kind.Unit)
	case *arrow.MonthDayNanoIntervalType:
		return "interval"
	case *arrow.MapType:
		return fmt.Sprintf("map<%s,%s>", typeName(kind.KeyType()), typeName(kind.ItemType()))
	case *arrow.FixedSizeListType:
		return fmt.Sprintf("fixed_list<%s,%d>", typeName(kind.Elem()), kind.Len())
	case arrow.ListLikeType:
		return fmt.Sprintf("list<%s>", typeName(kind.Elem()))
	case *arrow.StructType:
		var parts []string
		for _, field := range kind.Fields() {
			parts = append(parts, field.Name+":"+typeName(field.Type))
		}
		return "struct<" + strings.Join(parts, ",") + ">"
	case arrow.UnionType:
		var parts []string
		for _, field := range kind.Fields() {
			parts = append(parts, typeName(field.Type))
		}
		return "union<" + strings.Join(parts, ",") + ">"
	default:
		return kind.Name()
	}
}

// typeNamed is the type of such a form; of those that parameters have.
func typeNamed(name string) arrow.DataType {
	var precision, scale int32
	if _, err := fmt.Sscanf(name, "decimal(%d,%d)", &precision, &scale); err == nil {
		return &arrow.Decimal128Type{Precision: precision, Scale: scale}
	}
	return map[string]arrow.DataType{
		"bool": arrow.FixedWidthTypes.Boolean, "int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16,
		"int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64, "float32": arrow.PrimitiveTypes.Float32,
		"float64": arrow.PrimitiveTypes.Float64, "utf8": arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary,
		"date32": arrow.FixedWidthTypes.Date32, "time64[us]": arrow.FixedWidthTypes.Time64us,
		"timestamp[us]":     &arrow.TimestampType{Unit: arrow.Microsecond},
		"timestamp[us,UTC]": arrow.FixedWidthTypes.Timestamp_us,
		vector:              arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float32),
	}[name]
}

// vector is the type of a parameter that is a list of two numbers.
const vector = "fixed_list<float32,2>"

// value is one of an array, in its form.
func value(values arrow.Array, place int) any {
	if values.IsNull(place) {
		return nil
	}
	switch values := values.(type) {
	case *array.Null:
		return nil
	case array.ExtensionArray:
		return value(values.Storage(), place)
	case *array.Boolean:
		return values.Value(place)
	case *array.Float32:
		return float(float64(values.Value(place)), 32)
	case *array.Float64:
		return float(values.Value(place), 64)
	case *array.Decimal128:
		return values.Value(place).ToString(values.DataType().(arrow.DecimalType).GetScale())
	case *array.Binary:
		return hex.EncodeToString(values.Value(place))
	case *array.Date32:
		return values.Value(place).ToTime().Format(time.DateOnly)
	case *array.Time64:
		return values.Value(place).ToTime(values.DataType().(*arrow.Time64Type).Unit).Format("15:04:05.999999999")
	case *array.Timestamp:
		kind := values.DataType().(*arrow.TimestampType)
		return moment(values.Value(place).ToTime(kind.Unit), kind.TimeZone != "")
	case *array.MonthDayNanoInterval:
		found := values.Value(place)
		return fmt.Sprintf("%dm%dd%dns", found.Months, found.Days, found.Nanoseconds)
	case *array.Map:
		pairs := []any{}
		start, end := values.ValueOffsets(place)
		for item := int(start); item < int(end); item++ {
			pairs = append(pairs, []any{value(values.Keys(), item), value(values.Items(), item)})
		}
		return pairs
	case array.ListLike:
		items := []any{}
		start, end := values.ValueOffsets(place)
		for item := int(start); item < int(end); item++ {
			items = append(items, value(values.ListValues(), item))
		}
		return items
	case *array.Struct:
		fields := Object{}
		for field := range values.NumField() {
			fields[values.DataType().(*arrow.StructType).Field(field).Name] = value(values.Field(field), place)
		}
		return fields
	case *array.SparseUnion:
		return value(values.Field(values.ChildID(place)), place)
	case *array.DenseUnion:
		return value(values.Field(values.ChildID(place)), int(values.ValueOffset(place)))
	default:
		return values.ValueStr(place)
	}
}

func float(number float64, bits int) string { return strconv.FormatFloat(number, 'g', -1, bits) }

func moment(instant time.Time, zoned bool) string {
	form := "2006-01-02T15:04:05.999999999"
	if zoned {
		form += "Z"
	}
	return instant.UTC().Format(form)
}

// rows are those of a batch.
func rows(batch arrow.RecordBatch) []any {
	found := []any{}
	for place := range int(batch.NumRows()) {
		row := []any{}
		for _, column := range batch.Columns() {
			row = append(row, value(column, place))
		}
		found = append(found, row)
	}
	return found
}

// batch has rows of texts and booleans as values of the types.
func batch(types []string, rows [][]any) arrow.RecordBatch {
	var fields []arrow.Field
	for place, name := range types {
		fields = append(fields, arrow.Field{Name: fmt.Sprintf("p%d", place+1), Type: typeNamed(name), Nullable: true})
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer builder.Release()
	for _, row := range rows {
		for place, given := range row {
			add(builder.Field(place), given)
		}
	}
	return builder.NewRecordBatch()
}

func add(builder array.Builder, given any) {
	if given == nil {
		builder.AppendNull()
		return
	}
	switch builder := builder.(type) {
	case *array.BinaryBuilder:
		bytes, err := hex.DecodeString(given.(string))
		must(err)
		builder.Append(bytes)
	case *array.FixedSizeListBuilder:
		builder.Append(true)
		for _, item := range given.([]any) {
			add(builder.ValueBuilder(), item)
		}
	default:
		must(builder.AppendValueFromString(fmt.Sprint(given)))
	}
}
