// Writes the rows with arrow-go 18.8.0 and parquet-go 0.32.0.
// Run in tests/data/parquet: (cd writers/go && go mod tidy && go build -o /tmp/writers .) && /tmp/writers
package main

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	apq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/parquet-go/parquet-go"
)

type row struct {
	ID    int32   `json:"id"`
	Price any     `json:"price"`
	Ratio any     `json:"ratio"`
	Name  *string `json:"name"`
	Label string  `json:"label"`
	Raw   *string `json:"raw"`
	Small *uint32 `json:"small"`
	Tag   *string `json:"tag"`
}

type point struct {
	X   *float64 `parquet:"x,optional"`
	Tag *string  `parquet:"tag,optional"`
}

type flat struct {
	ID    int32    `parquet:"id"`
	Price *float64 `parquet:"price,optional"`
	Ratio *float32 `parquet:"ratio,optional"`
	Name  *string  `parquet:"name,optional"`
	Label string   `parquet:"label,dict"`
	Raw   *[]byte  `parquet:"raw,optional"`
	Small *uint32  `parquet:"small,optional"`
	Point point    `parquet:"point"`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func number(value any) *float64 {
	switch v := value.(type) {
	case float64:
		return &v
	case string:
		f := math.NaN()
		if v == "Infinity" {
			f = math.Inf(1)
		}
		return &f
	}
	return nil
}

func writeArrow(rows []row) {
	optional := func(name string, kind arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: kind, Nullable: true} }
	label := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	pair := arrow.StructOf(optional("x", arrow.PrimitiveTypes.Float64), optional("tag", arrow.BinaryTypes.String))
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int32}, optional("price", arrow.PrimitiveTypes.Float64),
		optional("ratio", arrow.PrimitiveTypes.Float32), optional("half", arrow.FixedWidthTypes.Float16),
		optional("name", arrow.BinaryTypes.String), optional("label", label), optional("raw", arrow.BinaryTypes.Binary),
		optional("small", arrow.PrimitiveTypes.Uint32), optional("point", pair),
	}, nil)
	file, err := os.Create("arrow_go.parquet")
	must(err)
	writer, err := pqarrow.NewFileWriter(schema, file, apq.NewWriterProperties(), pqarrow.DefaultWriterProps())
	must(err)
	for start := 0; start < len(rows); start += 4 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for _, r := range rows[start : start+4] {
			b.Field(0).(*array.Int32Builder).Append(r.ID)
			nested := b.Field(8).(*array.StructBuilder)
			nested.Append(true)
			for _, field := range []array.Builder{b.Field(1), nested.FieldBuilder(0)} {
				if f := number(r.Price); f != nil {
					field.(*array.Float64Builder).Append(*f)
				} else {
					field.AppendNull()
				}
			}
			if f := number(r.Ratio); f != nil {
				b.Field(2).(*array.Float32Builder).Append(float32(*f))
				b.Field(3).(*array.Float16Builder).Append(float16.New(float32(*f)))
			} else {
				b.Field(2).AppendNull()
				b.Field(3).AppendNull()
			}
			for _, field := range []array.Builder{b.Field(4), nested.FieldBuilder(1)} {
				if r.Name != nil {
					field.(*array.StringBuilder).Append(*r.Name)
				} else {
					field.AppendNull()
				}
			}
			must(b.Field(5).(*array.BinaryDictionaryBuilder).AppendString(r.Label))
			if r.Raw != nil {
				raw, err := hex.DecodeString(*r.Raw)
				must(err)
				b.Field(6).(*array.BinaryBuilder).Append(raw)
			} else {
				b.Field(6).AppendNull()
			}
			if r.Small != nil {
				b.Field(7).(*array.Uint32Builder).Append(*r.Small)
			} else {
				b.Field(7).AppendNull()
			}
		}
		must(writer.Write(b.NewRecordBatch()))
	}
	must(writer.Close())
}

func writeFlat(rows []row) {
	file, err := os.Create("parquet_go.parquet")
	must(err)
	writer := parquet.NewGenericWriter[flat](file, parquet.BloomFilters(parquet.SplitBlockFilter(10, "name")))
	for i, r := range rows {
		out := flat{ID: r.ID, Price: number(r.Price), Name: r.Name, Label: r.Label, Small: r.Small}
		if f := number(r.Ratio); f != nil {
			ratio := float32(*f)
			out.Ratio = &ratio
		}
		if r.Raw != nil {
			raw, err := hex.DecodeString(*r.Raw)
			must(err)
			out.Raw = &raw
		}
		out.Point = point{out.Price, r.Tag}
		_, err := writer.Write([]flat{out})
		must(err)
		if i%4 == 3 {
			must(writer.Flush())
		}
	}
	must(writer.Close())
	must(file.Close())
}

func main() {
	text, err := os.ReadFile("rows.json")
	must(err)
	var rows []row
	must(json.Unmarshal(text, &rows))
	writeArrow(rows)
	writeFlat(rows)
}
