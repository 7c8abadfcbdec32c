"""Short forms for what nearly every test does: put a table, run a query, run a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from engine.logical.nodes import LogicalPlan
from engine.storage.protocol import Storage, TableName, WriteMode
from local_runtime import LocalRuntime

__all__ = ["put", "result", "rows", "run", "tuples"]


def put(storage: Storage, name: str, table: pa.Table, schema: str = "main") -> None:
    """Store `table`, in the place of one that has the name."""
    storage.write(TableName(schema, name), table.to_reader(), WriteMode.REPLACE)


def run(runtime: LocalRuntime, plan: LogicalPlan) -> pa.Table:
    """The whole result of a logical plan."""
    with runtime.execute(runtime.plan(plan)) as result:
        return result.read_all()


def result(runtime: LocalRuntime, text: str, parameters: Sequence[pa.Scalar] = (), **options: Any) -> pa.Table:
    """The whole result of a statement."""
    return run(runtime, runtime.frontend.plan(text, parameters=list(parameters), **options))


def tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows of a table, whatever its columns are called."""
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def rows(
    runtime: LocalRuntime, text: str, parameters: Sequence[pa.Scalar] = (), **options: Any
) -> list[tuple[Any, ...]]:
    """The rows of a statement's result."""
    return tuples(result(runtime, text, parameters, **options))
