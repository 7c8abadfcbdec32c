"""Types come from the kernel's binder, and so agree with what it computes."""

from __future__ import annotations

import pytest

from engine.errors import PlanningError, TypeMismatchError, UnknownColumnError
from engine.kernel import Kernel
from engine.logical.nodes import (
    Aggregate,
    Collect,
    Filter,
    Join,
    Project,
    Rename,
    SqlQuery,
    Values,
    Window,
    col,
)
from engine.operators import TableScanExec
from engine.schema import Column
from engine.schema_inference import (
    build_aggregate_schema,
    build_project_schema,
    infer_expr_type,
    operator_columns,
    plan_columns,
    remember_columns,
)
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.engine.plans import e, items, scan, scan_of
from tests.engine.querying import run

COLUMNS = (
    Column("i", "INTEGER"),
    Column("d", "DECIMAL(15,2)"),
    Column("s", "VARCHAR"),
    Column("l", "INTEGER[]"),
    Column("Odd Name", "TIMESTAMP WITH TIME ZONE"),
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("i", "INTEGER"),
        ("i + 1", "INTEGER"),
        ("i + 1::BIGINT", "BIGINT"),
        ("d + 1", "DECIMAL(16,2)"),
        ("i / 2", "DOUBLE"),
        ("l[1]", "INTEGER"),
        ("[s]", "VARCHAR[]"),
        ("{'a': i, 'b': s}", "STRUCT(a INTEGER, b VARCHAR)"),
        ("MAP {s: i}", "MAP(VARCHAR, INTEGER)"),
        ('"Odd Name" - INTERVAL 1 DAY', "TIMESTAMP WITH TIME ZONE"),
        ("CASE WHEN i > 0 THEN 1 ELSE 2.5 END", "DECIMAL(11,1)"),
        ("i IS NULL", "BOOLEAN"),
        ("s::UUID", "UUID"),
        ("NULL", '"NULL"'),
    ],
)
def test_the_type_of_an_expression(kernel: Kernel, text: str, kind: str) -> None:
    assert infer_expr_type(e(text), COLUMNS, kernel) == kind


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nosuch", UnknownColumnError),
        ("s - l", TypeMismatchError),
        ("nosuch(i)", TypeMismatchError),
        ("sum(i) + i", PlanningError),
    ],
)
def test_expressions_that_do_not_type(kernel: Kernel, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        infer_expr_type(e(text), COLUMNS, kernel)


def test_the_columns_of_a_projection(kernel: Kernel) -> None:
    got = build_project_schema(items(a="i", b="upper(s)"), COLUMNS, kernel)
    assert got == (Column("a", "INTEGER"), Column("b", "VARCHAR"))
    assert build_project_schema((), COLUMNS, kernel) == ()


def test_the_columns_of_an_aggregate(kernel: Kernel) -> None:
    got = build_aggregate_schema(
        items(k="i % 2"), items(n="count(*)", t="sum(i)", a="avg(d)", l="list(s)"), COLUMNS, kernel
    )
    assert got == (
        Column("k", "INTEGER"),
        Column("n", "BIGINT"),
        Column("t", "HUGEINT"),
        Column("a", "DOUBLE"),
        Column("l", "VARCHAR[]"),
    )
    assert build_aggregate_schema((), items(m="max(d)"), COLUMNS, kernel) == (Column("m", "DECIMAL(15,2)"),)


def test_the_columns_of_plans_are_those_of_their_results(local: LocalRuntime, storage: InMemoryStorage) -> None:
    people = scan_of(storage, local.kernel, "people")
    teams = scan_of(storage, local.kernel, "teams")
    plans = [
        people,
        Filter(people, e("age > 20")),
        Project(people, items(n="upper(name)", a="age * 1.5")),
        Aggregate(people, items(t="team"), items(n="count(*)", a="sum(age)")),
        Window(people, items(r="sum(age) OVER (ORDER BY id)")),
        Join(people, teams, "left", e("team = code")),
        Rename(teams, ("x", "x", "y")),
        Collect(teams, "c"),
        Values(("v",), ((e("1"),), (e("2.5"),))),
        SqlQuery("SELECT count(*), max(code) FROM t", ("n", "m"), (("t", teams),)),
    ]
    for plan in plans:
        columns = plan_columns(plan, local.kernel)
        assert tuple(c.name for c in columns) == plan.names
        assert local.kernel.arrow_schema(columns).types == run(local, plan).schema.types


def test_no_table_is_opened_for_types(kernel: Kernel) -> None:
    operator = TableScanExec(scan("a").table, scan("a").columns, ("z",), e("z > 1"), 3)
    assert operator_columns(operator, kernel) == (Column("z", "INTEGER"),)


def test_columns_that_were_told_are_not_asked_for(kernel: Kernel) -> None:
    plan = Filter(scan("a"), col("nosuch") > 1)
    with pytest.raises(UnknownColumnError):
        plan_columns(plan, kernel)
    remember_columns(plan, (Column("a", "DATE"),))
    assert plan_columns(plan, kernel) == (Column("a", "DATE"),)
