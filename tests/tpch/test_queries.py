"""The 22 queries give the published answers: in process, and through a server process on either runtime."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.harness.compare import schema_difference
from tests.harness.oracle import Oracle
from tests.harness.runtimes import SqlRuntime, Tables, query
from tests.tpch import dataset

QUERIES = pytest.mark.parametrize("number", dataset.QUERIES, ids=lambda number: f"q{number:02}")
STORAGES = ("memory", "parquet", "lance")
TOLERANCE = 1e-9


def assert_answer(number: int, table: pa.Table) -> None:
    """The table is the answer of query `number`: names, order of rows, exact decimals, doubles to 1e-9."""
    names, want = dataset.answer(number)
    assert table.column_names == names
    got = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert len(got) == len(want)
    for row, (g, w) in enumerate(zip(got, want, strict=True)):
        for name, a, b in zip(names, g, w, strict=True):
            assert _agrees(a, b), f"row {row}, {name}: {a!r}, the answer is {b!r}"


def _agrees(got: object, answer: str | None) -> bool:
    if got is None or answer is None:
        return got is None and answer is None
    if isinstance(got, float):
        return math.isclose(got, float(answer), rel_tol=TOLERANCE)
    return got == Decimal(answer) if isinstance(got, Decimal) else str(got) == answer


@pytest.fixture(scope="session")
def oracle(tpch_dir: Path) -> Oracle:
    """The oracle over the TPC-H tables."""
    made = Oracle()
    for name in dataset.TABLES:
        made.put(name, pq.read_table(tpch_dir / f"{name}.parquet"))
    return made


@pytest.fixture(scope="session")
def filled(
    make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]], tpch_dir: Path
) -> Callable[[str, str], SqlRuntime]:
    """Gives a runtime over a kind of storage that holds the TPC-H tables."""
    done: set[tuple[str, str]] = set()

    def get(runtime_name: str, storage: str) -> SqlRuntime:
        runtime, tables = make_runtime(runtime_name, storage)
        if (runtime_name, storage) not in done:
            for name in dataset.TABLES:
                tables.put(name, pq.read_table(tpch_dir / f"{name}.parquet"))
            done.add((runtime_name, storage))
        return runtime

    return get


@QUERIES
def test_the_oracle_itself_gives_the_answer(number: int, oracle: Oracle) -> None:
    assert_answer(number, oracle.run(dataset.query_text(number)))


@pytest.mark.parametrize("storage", STORAGES)
@QUERIES
def test_in_process(number: int, storage: str, filled: Callable[[str, str], SqlRuntime], oracle: Oracle) -> None:
    text = dataset.query_text(number)
    got = query(filled("local", storage), text)
    assert_answer(number, got)
    assert schema_difference(got.schema, oracle.run(text).schema) is None


@QUERIES
def test_through_a_server(number: int, server_uri: Callable[[str], str]) -> None:
    """Over one storage each, in turn: in process each is asked over all of them."""
    with (
        flightsql.connect(server_uri(STORAGES[number % 3]), autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(dataset.query_text(number))
        assert_answer(number, cursor.fetch_arrow_table())


@QUERIES
def test_through_a_server_on_ray(number: int, server_uri: Callable[[str], str]) -> None:
    with flightsql.connect(server_uri("ray"), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(dataset.query_text(number))
        assert_answer(number, cursor.fetch_arrow_table())
