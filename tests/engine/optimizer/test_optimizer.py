"""Whatever the rules do to a plan, it gives the same rows under the same names and types."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel import Kernel
from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Filter,
    Join,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    Scan,
    SetOp,
    Window,
    col,
    walk,
)
from engine.lowering import lower
from engine.optimizer import RULES, optimize
from engine.schema_inference import plan_columns
from engine.storage import InMemoryStorage
from local_runtime import LocalExecutionContext
from tests.engine.plans import e, scan_of
from tests.engine.querying import tuples

TABLES = {
    "t": pa.table(
        {
            "a": pa.array([1, 2, 2, None, 3], pa.int32()),
            "b": pa.array([1, None, 2, 2, 3], pa.int32()),
            "f": [True, False, None, True, True],
        }
    ),
    "u": pa.table(
        {
            "a": pa.array([2, 3, 3, None], pa.int32()),
            "b": pa.array([None, 1, 2, 3], pa.int32()),
            "f": [False, True, True, None],
        }
    ),
}


@dataclass
class Maker:
    """Draws plans of INTEGER and BOOLEAN columns; every name is new, as the builder has it."""

    draw: st.DrawFn
    scans: dict[str, Scan]
    numbers: Any = field(default_factory=count)

    def choose(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def fresh(self) -> str:
        return f"n{next(self.numbers)}"

    def plan(self, depth: int) -> tuple[LogicalPlan, dict[str, str]]:
        """A plan, and the kinds of its columns: ``i`` or ``b``."""
        makers = (
            [self.scan]
            if depth == 0
            else [self.filter, self.filter, self.project, self.join, self.join, self.aggregate, self.others]
        )
        return self.choose(makers)(depth)

    def scan(self, _: int) -> tuple[LogicalPlan, dict[str, str]]:
        table = self.scans[self.choose(self.scans)]
        names = tuple(self.fresh() for _ in table.columns)
        return Scan(table.table, table.columns, names), dict(zip(names, "iib", strict=True))

    def number(self, columns: dict[str, str]) -> str:
        numbers = [name for name, kind in columns.items() if kind == "i"] or ["1"]
        one, other = self.choose(numbers), self.choose([*numbers, "2", "NULL"])
        return self.choose(
            [
                one,
                one,
                other,
                f"{one} + {other}",
                f"-{one}",
                f"coalesce({one}, {other})",
                f"CASE WHEN {one} > 1 THEN {other} END",
            ]
        )

    def truth(self, columns: dict[str, str], depth: int = 2) -> str:
        truths = [name for name, kind in columns.items() if kind == "b"] or ["true"]
        if depth and self.draw(st.booleans()):
            one, other = self.truth(columns, depth - 1), self.truth(columns, depth - 1)
            return self.choose(
                [
                    f"({one} AND {other})",
                    f"({one} OR {other})",
                    f"NOT ({one})",
                    f"({one}) IS NULL",
                    f"({one}) = ({other})",
                ]
            )
        one, other = self.number(columns), self.number(columns)
        return self.choose(
            [
                self.choose(truths),
                f"{one} = {other}",
                f"{one} < {other}",
                f"{one} IS NULL",
                f"{one} IN (1, 3)",
                f"{one} BETWEEN 1 AND 2",
            ]
        )

    def filter(self, depth: int) -> tuple[LogicalPlan, dict[str, str]]:
        plan, columns = self.plan(depth - 1)
        return Filter(plan, e(self.truth(columns))), columns

    def project(self, depth: int) -> tuple[LogicalPlan, dict[str, str]]:
        plan, columns = self.plan(depth - 1)
        kinds = {self.fresh(): self.choose("iib") for _ in range(self.draw(st.integers(1, 4)))}
        exprs = tuple(
            NamedExpr(n, e(self.number(columns) if k == "i" else self.truth(columns))) for n, k in kinds.items()
        )
        return Project(plan, exprs), kinds

    def join(self, depth: int) -> tuple[LogicalPlan, dict[str, str]]:
        (left, lefts), (right, rights) = self.plan(depth - 1), self.plan(depth - 1)
        kind = self.choose(["inner", "inner", "left", "right", "full", "semi", "anti", "cross", "mark"])
        if kind == "mark":
            compared = f"{self.number(lefts)} {self.choose(['=', '<', 'IS NOT DISTINCT FROM'])} {self.number(rights)}"
            mark = self.fresh()
            return Join(left, right, kind, e(compared), mark), {**lefts, mark: "b"}
        condition = None if kind == "cross" else e(self.truth({**lefts, **rights}))
        return Join(left, right, kind, condition), lefts if kind in ("semi", "anti") else {**lefts, **rights}

    def aggregate(self, depth: int) -> tuple[LogicalPlan, dict[str, str]]:
        plan, columns = self.plan(depth - 1)
        keys = {self.fresh(): self.number(columns) for _ in range(self.draw(st.integers(0, 2)))}
        calls = {
            self.fresh(): f"{self.choose(['max', 'min', 'count'])}({self.number(columns)})::INT"
            for _ in range(self.draw(st.integers(1, 2)))
        }
        made = Aggregate(plan, *(tuple(NamedExpr(n, e(x)) for n, x in part.items()) for part in (keys, calls)))
        return made, dict.fromkeys([*keys, *calls], "i")

    def others(self, depth: int) -> tuple[LogicalPlan, dict[str, str]]:
        plan, columns = self.plan(depth - 1)
        match self.choose(["distinct", "rename", "window", "union", "shared"]):
            case "distinct":
                return Distinct(plan), columns
            case "rename":
                renamed = {self.fresh(): kind for kind in columns.values()}
                return Rename(plan, tuple(renamed)), renamed
            case "window":
                name = self.fresh()
                call = f"max({self.number(columns)}) OVER (PARTITION BY {self.number(columns)})"
                return Window(plan, (NamedExpr(name, e(call)),)), {**columns, name: "i"}
            case "union":
                names = {self.fresh(): kind for kind in columns.values()}
                kind = self.choose(["union", "intersect", "except"])
                return SetOp(plan, plan, kind, self.draw(st.booleans()), tuple(names)), names
        shared = Collect(plan, f"cte_{self.fresh()}")
        one, other = ({self.fresh(): kind for kind in columns.values()} for _ in range(2))
        sides = [Rename(shared, tuple(names)) for names in (one, other)]
        return Join(sides[0], sides[1], "inner", e(self.truth({**one, **other}))), {**one, **other}


@st.composite
def plans(draw: st.DrawFn, scans: dict[str, Scan]) -> LogicalPlan:
    maker = Maker(draw, scans)
    plan, columns = maker.plan(draw(st.integers(1, 4)))
    kept = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=4, unique=True)) if columns else []
    return Project(plan, tuple(NamedExpr(maker.fresh(), col(name)) for name in kept)) if kept else plan


@pytest.fixture(scope="module")
def context(kernel: Kernel) -> LocalExecutionContext:
    return LocalExecutionContext(InMemoryStorage(TABLES), kernel)


@pytest.fixture(scope="module")
def scans(context: LocalExecutionContext) -> dict[str, Scan]:
    return {name: scan_of(context.storage, context.kernel, name) for name in TABLES}


def rows(plan: LogicalPlan, context: LocalExecutionContext) -> list[tuple[Any, ...]]:
    return sorted(tuples(lower(plan).execute(context).read_all()), key=repr)


@settings(max_examples=100)
@given(data=st.data())
def test_an_optimised_plan_gives_the_same_rows(
    scans: dict[str, Scan], context: LocalExecutionContext, data: st.DataObject
) -> None:
    plan = data.draw(plans(scans))
    want = rows(plan, context)
    for rule in RULES:
        changed = rule(plan)
        assert changed.names == plan.names, rule.__name__
        assert changed == plan or rows(changed, context) == want, rule.__name__
    best = optimize(plan)
    assert rows(best, context) == want
    assert plan_columns(best, context.kernel) == plan_columns(plan, context.kernel)


@settings(max_examples=30)
@given(data=st.data())
def test_rules_leave_their_input_alone(scans: dict[str, Scan], data: st.DataObject) -> None:
    plan = data.draw(plans(scans))
    before = [repr(node) for node in walk(plan)]
    optimize(plan)
    assert [repr(node) for node in walk(plan)] == before


def test_the_rules_in_their_order() -> None:
    assert [rule.__name__ for rule in RULES] == ["direct_semi_joins", "push_filters", "prune_columns", "push_limits"]
