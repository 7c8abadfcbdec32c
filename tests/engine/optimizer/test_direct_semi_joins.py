"""Semi and anti joins without a copy of their left side's keys."""

from __future__ import annotations

from engine.logical.nodes import Aggregate, Collect, Filter, Join, LogicalPlan, NamedExpr, Project, Rename, col, walk
from engine.optimizer import direct_semi_joins
from tests.engine.plans import e, items, scan

T, U, V = scan("a b", "t"), scan("c d", "u"), scan("f g", "v")
SHARED = Collect(T, "outer")
LEFT = Rename(SHARED, ("a1", "b1"))
KEYS = Aggregate(Rename(SHARED, ("a2", "b2")), (NamedExpr("a2", col("a2")),), ())
SAME = e("a1 IS NOT DISTINCT FROM a2")


def semi(right: LogicalPlan, condition: str = "a1 IS NOT DISTINCT FROM a2", kind: str = "semi") -> Join:
    return Join(LEFT, right, kind, e(condition))


def made(join: Join) -> Join:
    changed = direct_semi_joins(join)
    assert isinstance(changed, Join)
    return changed


def test_the_condition_with_the_keys_is_that_of_the_join() -> None:
    for kind in ("semi", "anti"):
        got = made(semi(Join(U, KEYS, "inner", e("c > a2")), kind=kind))
        assert got.kind == kind
        assert got.condition is not None
        assert got.condition.sql() == '"c" > "a1"'
        assert got.right is U
        # The left side has one reader now, and stands where it is read.
        assert not [node for node in walk(got) if isinstance(node, Collect)]
        assert got.left == Project(T, (NamedExpr("a1", col("a")), NamedExpr("b1", col("b"))))


def test_projections_filters_and_further_joins_are_passed() -> None:
    inside = Join(Filter(Join(U, V, "cross"), e("d = f")), KEYS, "inner", e("c > a2 AND g < 3"))
    got = made(semi(Project(inside, items(k="a2", x="d")), "a1 IS NOT DISTINCT FROM k"))
    assert got.condition is not None
    assert got.condition.sql() == '"c" > "a1"'
    assert isinstance(got.right, Filter)
    assert got.right.predicate.sql() == '"d" = "f" AND "g" < 3'
    assert got.right.input == Join(U, V, "cross")


def test_without_a_condition_on_the_keys_any_row_will_do() -> None:
    got = made(semi(Join(U, KEYS, "cross")))
    assert got.condition is not None
    assert got.condition.sql() == "TRUE"


def test_what_asks_for_something_else_stays() -> None:
    joined = Join(U, KEYS, "inner", e("c > a2"))
    other = Aggregate(Rename(Collect(U, "other"), ("a2", "b2")), (NamedExpr("a2", col("a2")),), ())
    counted = Aggregate(Rename(SHARED, ("a2", "b2")), (NamedExpr("a2", col("a2")),), items(n="count(*)"))
    for join in (
        semi(joined, "b1 IS NOT DISTINCT FROM a2"),  # another column than the key
        semi(joined, "a1 IS NOT DISTINCT FROM a2 AND b1 < d"),  # more than the keys
        semi(joined, "a1 = a2"),  # which leaves NULL out
        semi(Join(U, KEYS, "left", e("c > a2"))),  # rows without a key
        semi(Join(U, other, "inner", e("c > a2"))),  # keys of something else
        semi(Join(U, counted, "inner", e("c > a2"))),
        semi(KEYS),  # nothing but the keys
        Join(LEFT, joined, "inner", SAME),
    ):
        assert direct_semi_joins(join) == join


def test_other_readers_keep_the_shared_part() -> None:
    join = semi(Join(U, KEYS, "inner", e("c > a2")))
    both = Join(join, Rename(SHARED, ("a3", "b3")), "inner", e("a1 = a3"))
    changed = direct_semi_joins(both)
    shared = {id(node) for node in walk(changed) if isinstance(node, Collect)}
    assert len(shared) == 1
