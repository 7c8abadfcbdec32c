"""Connections of the kernel that serve one statement after the other, and know those from before."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.errors import InvalidValueError, TypeMismatchError
from engine.kernel import Kernel
from engine.schema import Column
from tests.engine.test_kernel import connections, read


def test_cursors_serve_one_statement_after_the_other(kernel: Kernel) -> None:
    for stream in [kernel.stream(f"SELECT {i} AS i FROM range(10)") for i in range(20)]:
        stream.reader.close()
    kept = connections(kernel)
    for i in range(20):
        assert read(kernel, "SELECT range FROM range(1)") == [{"range": 0}]
        with pytest.raises(InvalidValueError):
            read(kernel, f"SELECT error('{i}')")
        assert kernel.describe(f"SELECT {i} AS i") == (Column("i", "INTEGER"),)
    assert connections(kernel) == kept < 15


def test_a_statement_that_runs_again_sees_what_it_reads_as_it_is_now(kernel: Kernel) -> None:
    text = "SELECT a FROM rows"
    for rows in (pa.table({"a": [1, 2]}), pa.table({"b": [0], "a": ["x"]}), pa.table({"a": [{"c": None}]})):
        for columns in (None, kernel.column_types(rows.select(["a"]))):
            for _ in range(2):
                found = kernel.stream(text, {"rows": rows}, columns=columns).reader.read_all()
                assert found.to_pydict() == {"a": rows["a"].to_pylist()}
    for sources in ({}, {"rows": pa.table({"b": [1]})}):
        with pytest.raises(TypeMismatchError, match=r"rows|a"):
            kernel.stream(text, sources, columns=(Column("a", "BIGINT"),))
    assert read(kernel, "SELECT 1 AS a") == [{"a": 1}]
