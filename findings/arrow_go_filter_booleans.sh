#!/usr/bin/env bash
# arrow-go 18.8.0: `compute.Filter` of a boolean column that has a NULL, or by a mask that has one, answers NULL for nearly all rows.
#
# The number of rows comes out right, and the first of them may be; the writer of booleans does not move on after each value, so
# all others are the NULL of a buffer that nobody wrote. Without NULL in both it takes another way, which is right, and so do the
# other types, `compute.Take`, and `FilterRecordBatch`, which is made of that. So who filters a batch column by column loses its
# booleans, and keeps the numbers beside them; no error. Seen, of true, NULL, true, false, NULL, false, true and a mask that leaves
# the fourth out:
#                                        booleans                                  int64 of the same
#   compute.FilterArray                  true NULL NULL NULL NULL NULL             0 NULL 2 NULL 5 6
#   compute.TakeArray                    true NULL true NULL false true
#   compute.FilterRecordBatch            true NULL true NULL false true            0 NULL 2 NULL 5 6
#   NULL in the mask alone               true NULL NULL NULL                       0 1 3 5
#   no NULL                              true false false true                     0 1 3 5
# (to expect: what Take gives.) Who filters booleans takes the indices of the mask, or casts them to int8 before. No report of it
# was found among arrow-go's public issues.
#
# Needs Go. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func column[T any, B interface{ AppendValues([]T, []bool) }](builder B, values []T, valid []bool, finish func() arrow.Array) arrow.Array {
	builder.AppendValues(values, valid)
	return finish()
}

func booleans(values, valid []bool) arrow.Array {
	builder := array.NewBooleanBuilder(memory.DefaultAllocator)
	return column(builder, values, valid, builder.NewArray)
}

func numbers(values []int64, valid []bool) arrow.Array {
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	return column(builder, values, valid, builder.NewArray)
}

func filter(values, mask arrow.Array) arrow.Array {
	return must(compute.FilterArray(context.Background(), values, mask, compute.FilterOptions{}))
}

func main() {
	_, n := true, false // n: no value
	valid := []bool{true, n, true, true, n, true, true}
	b := booleans([]bool{true, false, true, false, false, false, true}, valid)
	i := numbers([]int64{0, 1, 2, 3, 4, 5, 6}, valid)
	mask := booleans([]bool{true, true, true, false, true, true, true}, nil)
	fmt.Println("FilterArray:", filter(b, mask), filter(i, mask))
	taken := numbers([]int64{0, 1, 2, 4, 5, 6}, nil)
	fmt.Println("TakeArray:", must(compute.TakeArray(context.Background(), b, taken)))
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "b", Type: b.DataType(), Nullable: true}, {Name: "i", Type: i.DataType(), Nullable: true},
	}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{b, i}, int64(b.Len()))
	filtered := must(compute.FilterRecordBatch(context.Background(), batch, mask, &compute.FilterOptions{}))
	fmt.Println("FilterRecordBatch:", filtered.Column(0), filtered.Column(1))
	b = booleans([]bool{true, false, true, false, false, true, true}, nil)
	i = numbers([]int64{0, 1, 2, 3, 4, 5, 6}, nil)
	chosen := []bool{true, true, false, true, false, true, false}
	half := booleans(chosen, []bool{true, true, true, true, n, true, true})
	fmt.Println("NULL in the mask:", filter(b, half), filter(i, half))
	mask = booleans(chosen, nil)
	fmt.Println("no NULL:", filter(b, mask), filter(i, mask))
}
GO
export GOFLAGS=-mod=mod
go mod init example.org/seen 2>"$folder/log" && go get github.com/apache/arrow-go/v18@v18.8.0 2>>"$folder/log" || { cat "$folder/log"; exit 1; }
go run . | tee seen
diff seen - <<'SEEN'
FilterArray: [true (null) (null) (null) (null) (null)] [0 (null) 2 (null) 5 6]
TakeArray: [true (null) true (null) false true]
FilterRecordBatch: [true (null) true (null) false true] [0 (null) 2 (null) 5 6]
NULL in the mask: [true (null) (null) (null)] [0 1 3 5]
no NULL: [true false false true] [0 1 3 5]
SEEN
