"""What a statement gives: how many rows it changed, or rows, as Arrow data or as a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.runtime import QueryResult

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Result"]


class Result:
    """The answer to one statement.

    The rows of a query are those of the moment in which it was asked. They are computed when they are read, each time
    anew, batch by batch. `changed` is how many rows a statement with effects has changed, which has run; None of what
    gives rows.
    """

    def __init__(self, schema: pa.Schema, start: Callable[[], QueryResult], changed: int | None = None) -> None:
        self.schema = schema
        self.changed = changed
        self._start = start

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows in batches. Raises the execution errors."""
        with self._start() as result:
            yield from result

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows for whoever takes an Arrow C stream, as `pyarrow.table` and `polars.DataFrame` do."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def to_reader(self) -> pa.RecordBatchReader:
        """A stream of the rows. Raises the execution errors while it is read."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def to_arrow(self) -> pa.Table:
        """All rows."""
        return pa.Table.from_batches(self, self.schema)

    def to_pandas(self) -> pd.DataFrame:
        """All rows, as `pyarrow.Table.to_pandas` gives them."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """All rows. Raises ModuleNotFoundError where polars is not installed."""
        import polars

        frame = polars.from_arrow(self.to_arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def to_pylist(self) -> list[dict[str, object]]:
        """All rows as dictionaries; of columns with the same name the last."""
        rows: list[dict[str, object]] = self.to_arrow().to_pylist()
        return rows

    def __repr__(self) -> str:
        if self.changed is not None:
            return f"<grism.Result: {self.changed} {'row' if self.changed == 1 else 'rows'} changed>"
        columns = ", ".join(f"{field.name} {field.type}" for field in self.schema)
        return f"<grism.Result: {columns}>"
