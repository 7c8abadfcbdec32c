"""Tables of Parquet files, read in place by the kernel.

`tables` has handles, splits and sources; `footers` what is read of each file; `inspection` the kernel's view of files
of one kind, with `trust` in what their writer left beside the values; `common_types` and `layout` make one table of
files that differ; `partitions` and `sources` write what the kernel is asked.
"""

from engine.storage.parquet.tables import KIND, ParquetTables

__all__ = ["KIND", "ParquetTables"]
