"""ExprEvaluator: one expression on one RecordBatch, by the kernel."""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from engine.cache import LruCache
from engine.errors import UnsupportedError
from engine.kernel import Kernel
from engine.kernel_errors import execution_error
from engine.logical.columns import function_name
from engine.logical.nodes import NamedExpr
from engine.schema_inference import build_project_schema

__all__ = ["ExprEvaluator"]

_BATCH = "__batch"
_ROW = "__row"
_CACHED = 256
_ROW_MAKERS = frozenset({"unnest", "unlist", "generate_subscripts", "regexp_split_to_table", "explode"})
_GROUPING = frozenset({"grouping", "grouping_id"})


class ExprEvaluator:
    """Evaluates expressions over the columns of a batch. Has no side effects; thread-safe.

    Values, types, NULLs and errors are the kernel's, so an expression means here what it means in a query: a
    comparison with NULL is NULL, and AND, OR and NOT know three values.

    >>> ExprEvaluator(kernel).evaluate(col("age") > 21, pa.record_batch({"age": [20, 30, None]})).to_pylist()
    [False, True, None]
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._checked: LruCache[tuple[str, pa.Schema], bool] = LruCache(_CACHED)

    def evaluate(self, expr: exp.Expr, batch: pa.RecordBatch) -> pa.Array:
        """One value for each row of `batch`, in order.

        Raises UnknownColumnError, TypeMismatchError, UnsupportedError for what is not computed row by row (aggregates,
        window functions, subqueries, functions that make rows), and InvalidValueError where a value breaks `expr`.
        """
        data = pa.Table.from_batches([batch]) if batch.num_columns else pa.table({_ROW: pa.nulls(batch.num_rows)})
        text = expr.sql("duckdb")
        key = (text, data.schema)
        if not self._checked.get(key):
            self._check(expr, data)
            self._checked.put(key, True)
        stream = self._kernel.stream(f'SELECT {text} AS value FROM "{_BATCH}"', {_BATCH: data})
        try:
            values = stream.reader.read_all().column(0)
        except (pa.ArrowException, OSError) as error:
            raise execution_error(error) from None
        return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)

    def _check(self, expr: exp.Expr, data: pa.Table) -> None:
        for node in expr.walk():
            what = self._several_rows(node)
            if what:
                raise UnsupportedError(f"{what} has no value for a single row; put it into a query.")
        build_project_schema((NamedExpr("value", expr),), self._kernel.column_types(data), self._kernel)

    def _several_rows(self, node: exp.Expr) -> str:
        """What a part of an expression is that needs or makes several rows; empty for others."""
        if isinstance(node, exp.Window):
            return "A window function"
        if isinstance(node, exp.Query):
            return "A subquery"
        name = function_name(node)
        if isinstance(node, exp.Unnest | exp.Explode) or name in _ROW_MAKERS:
            return "A function that makes rows"
        if isinstance(node, exp.AggFunc) or name in self._kernel.functions.aggregates or name in _GROUPING:
            return "An aggregate"
        return ""
