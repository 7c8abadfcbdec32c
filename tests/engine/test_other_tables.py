"""OtherTables: what differs between plans is written out where the nodes have to be known."""

from __future__ import annotations

from engine.logical.nodes import Filter, LogicalPlan, Scan, SetOp, SqlQuery, walk
from engine.other_tables import OtherTables, written_out
from engine.schema import Column
from engine.schema_inference import known_columns, plan_origins, remember_columns, remember_origins
from tests.engine.plans import e, handle, scan

T, U = scan("a b", "t"), scan("x y", "u")


def tables_of(plan: LogicalPlan) -> list[str]:
    return [node.table.name.table for node in walk(plan) if isinstance(node, Scan)]


def test_only_the_very_tables_that_are_named_are_others() -> None:
    alike = scan("c d", "t")
    plan = SetOp(Filter(T, e("a > 1")), alike, "union", True, ("a", "b"))
    found = written_out(OtherTables(plan, {id(T.table): handle("other")}))
    assert tables_of(found) == ["other", "t"]
    assert tables_of(plan) == ["t", "t"]


def test_what_several_places_share_stays_shared() -> None:
    plan = SqlQuery("SELECT * FROM t, u", ("a", "b"), (("t", T), ("u", T)))
    found = written_out(OtherTables(plan, {id(T.table): handle("other")}))
    first, second = found.children
    assert first is second


def test_operators_have_the_others_too_and_what_is_known_of_the_plan_stays() -> None:
    plan = SqlQuery("SELECT * FROM t", ("a", "b"), (("t", T),), operators=Filter(T, e("a > 1")))
    remember_columns(plan, (Column("a", "INTEGER"), Column("b", "INTEGER")))
    remember_origins(plan, (T.table.name, T.table.name))
    other = OtherTables(plan, {id(T.table): handle("other"), id(U.table): handle("u")})
    assert other.names == plan.names
    found = written_out(other)
    assert isinstance(found, SqlQuery)
    assert found.operators is not None
    assert (tables_of(found), tables_of(found.operators)) == (["other"], ["other"])
    assert known_columns(found) == known_columns(plan)
    assert plan_origins(found) == plan_origins(plan)


def test_another_plan_is_as_it_is() -> None:
    assert written_out(T) is T
