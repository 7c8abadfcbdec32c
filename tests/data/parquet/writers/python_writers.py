"""Writes the rows with the Python writers: pyarrow 26.0.1, polars 2.1.0, datafusion 55.0.0, arro3-io 0.9.1.

Run in tests/data/parquet: python writers/python_writers.py
"""

import sys
from pathlib import Path

import arro3.io
import datafusion
import polars
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path.cwd()))
from rows import rows

table = rows()
labels = table["label"].combine_chunks().dictionary_encode()
table = table.set_column(table.schema.get_field_index("label"), "label", labels)
blooms = {"half": True, "name": True, "price": True}
pq.write_table(table, "pyarrow.parquet", row_group_size=4, write_page_index=True, bloom_filter_options=blooms)

plain = table.set_column(table.schema.get_field_index("label"), "label", labels.cast(pa.string()))
polars.from_arrow(plain).write_parquet("polars.parquet", row_group_size=4)
numbers = polars.DataFrame({"id": [1, 2], "great": [2**100, -5]}, schema={"id": polars.Int32, "great": polars.Int128})
numbers.write_parquet("polars_int128.parquet")

arro3.io.write_parquet(plain.drop_columns("half"), "arro3.parquet", max_row_group_size=4)

options = datafusion.ParquetWriterOptions(max_row_group_size=4, bloom_filter_on_write=True, created_by="datafusion 55")
frame = datafusion.SessionContext().from_arrow(plain.drop_columns("half"))
frame.write_parquet_with_options("datafusion.parquet", options)
