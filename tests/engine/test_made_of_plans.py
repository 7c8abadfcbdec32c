"""What is made of a plan stays with it, for who made it."""

from __future__ import annotations

import gc
import weakref

from engine.made_of_plans import MadeOfPlans
from tests.engine.plans import scan


class _Made:
    pass


def test_what_was_made_is_found_by_its_maker_for_the_very_plan_and_key() -> None:
    plan, same = scan("a b"), scan("a b")
    ours, others = MadeOfPlans[_Made](), MadeOfPlans[_Made]()
    made, other = _Made(), _Made()
    ours.put(plan, made)
    ours.put(plan, other, 3)
    assert (ours.get(plan), ours.get(plan, 3), ours.get(plan, 4)) == (made, other, None)
    assert (ours.get(same), others.get(plan)) == (None, None)
    assert plan == same


def test_it_goes_with_its_plan_and_with_many_keys() -> None:
    plan, ours = scan("a b"), MadeOfPlans[_Made]()
    first = _Made()
    seen = weakref.ref(first)
    ours.put(plan, first, 0)
    del first
    for key in range(1, 9):
        ours.put(plan, _Made(), key)
    gc.collect()
    assert seen() is None
    assert ours.get(plan, 8) is not None
    last = weakref.ref(ours.get(plan, 8))
    del plan
    gc.collect()
    assert last() is None
