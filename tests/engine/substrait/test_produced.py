"""Plans of producers of today give what their producers answer; those of TPC-H on both runtimes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.statements.database import Database
from tests.engine.substrait.produced import Produced, assert_same, produced
from tests.harness.runtimes import SqlRuntime, Tables
from tests.tpch import dataset

Opens = Callable[[str], Database]

TPCH = [case for case in produced() if re.fullmatch(r"q\d\d", case.name)]
QUICK = ("q02", "q13", "q18", "q21")  # on Ray in each run of the tests; the others where there is more time
ON_RAY = [pytest.param(case, marks=() if case.name in QUICK else pytest.mark.clients, id=str(case)) for case in TPCH]


@pytest.fixture(scope="module")
def opened(make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]], tpch_dir: Path) -> Opens:
    """Gives a database over the TPC-H tables on a runtime."""

    @cache
    def database(runtime_name: str) -> Database:
        runtime, tables = make_runtime(runtime_name, "memory")
        for name in dataset.TABLES:
            tables.put(name, pq.read_table(tpch_dir / f"{name}.parquet"))
        return Database(runtime)

    return database


def rows(database: Database, plan: bytes) -> pa.Table:
    """The answer to a plan."""
    result = database.sql(plan)
    try:
        return result.reader.read_all()
    finally:
        result.close()


@pytest.mark.parametrize("case", produced(), ids=str)
def test_the_answer_is_the_producers(opened: Opens, case: Produced) -> None:
    assert_same(rows(opened("local"), case.plan), case.answer)


@pytest.mark.parametrize("case", ON_RAY)
def test_plans_are_distributed_like_sql_on_ray(opened: Opens, case: Produced) -> None:
    assert_same(rows(opened("ray"), case.plan), case.answer)


@pytest.mark.parametrize("case", TPCH, ids=str)
def test_the_answers_are_those_of_tpch(case: Produced) -> None:
    """The producer's quotients of decimals are cut to their type's digits."""
    names, want = dataset.answer(int(case.name[1:]))
    assert case.answer.column_names == names
    got = list(zip(*(column.to_pylist() for column in case.answer.columns), strict=True))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert all(map(_agrees, g, w)), f"{g}, the answer is {w}"


def _agrees(got: object, answer: str | None) -> bool:
    if answer is None or got is None:
        return got is None and answer is None
    if isinstance(got, float):
        return math.isclose(got, float(answer), rel_tol=1e-9)
    if isinstance(got, Decimal):
        return abs(got - Decimal(answer)) < Decimal(1).scaleb(int(got.as_tuple().exponent))
    return str(got) == answer
