"""The expressions of the suites of queries: nearly all are read, and bound again they are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from engine.sql.plan_reader.not_read import NotRead
from tests.engine.sql.plan_reader.binding import Binder, Rebinder, expressions_of
from tests.harness.slt import SltFile, parse
from tests.tpch import dataset

SUITES = [parse(path) for path in sorted((Path(__file__).parents[3] / "sql").glob("*.slt"))]
SIMPLIFIED = {
    ("at /children/0 ",): "the other side of a comparison with a sum or product is computed",
    (
        'at  ["CONJUNCTION_OR"',
        'became ["CONJUNCTION_AND"',
    ): "what all branches of an OR have in common stands before it",
}
"""Where the kernel's rewrites go a step further when what they made is bound again."""
OF_OPERATORS = {"expression BOUND_COLUMN_REF", "expression BOUND_AGGREGATE"}
"""What stands only in operators that are not taken apart: calls of table functions for each row, recursion by keys."""


LARGE = "range(100000)"  # is computed by the binder, and takes seconds to compare


def _selects(suite: SltFile) -> Iterator[str]:
    return (record.sql for record in suite.records if not record.error and LARGE not in record.sql)


@pytest.fixture(scope="module")
def rebinder() -> Rebinder:
    return Rebinder()


def _check(binder: Binder, rebinder: Rebinder, statements: Iterator[str]) -> tuple[int, Counter[str], dict[str, str]]:
    """How many expressions there are, why some are not read, and what became of those that are bound differently."""
    reasons: Counter[str] = Counter()
    different: dict[str, str] = {}
    count = 0
    for sql in statements:
        try:
            plan = binder.plan(sql)
        except (AssertionError, duckdb.Error, ValueError):
            continue  # no SELECT, or its plan is not written
        for kind, node in expressions_of(plan):
            count += 1
            try:
                difference = rebinder.difference(kind, node)
            except NotRead as error:
                reasons[error.reason] += 1
                continue
            if difference and not any(all(part in difference for part in step) for step in SIMPLIFIED):
                different[sql] = difference
    return count, reasons, different


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.path.stem)
def test_suites_of_statements(suite: SltFile, rebinder: Rebinder) -> None:
    binder = Binder()
    for block in suite.tables:
        binder.connection.execute(f'CREATE TABLE "{block.name}" AS FROM ({block.sql}) LIMIT 0')
    count, reasons, different = _check(binder, rebinder, _selects(suite))
    assert different == {}
    assert sum(number for reason, number in reasons.items() if reason not in OF_OPERATORS) <= count // 20


def test_tpch(rebinder: Rebinder) -> None:
    binder = Binder()
    for name in dataset.TABLES:
        path = dataset.DATA / f"{name}.parquet"
        binder.connection.execute(f"CREATE TABLE {name} AS FROM read_parquet('{path}') LIMIT 0")
    texts = (dataset.query_text(number).strip().rstrip(";") for number in dataset.QUERIES)
    count, reasons, different = _check(binder, rebinder, texts)
    assert count > 400
    assert (reasons, different) == (Counter(), {})
