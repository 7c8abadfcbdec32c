"""What is made of a plan stays with it, for who made it."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

from engine.logical.nodes import Limit, Rename, walk
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


def test_a_plan_is_walked_while_something_is_made_of_it() -> None:
    plan = Rename(Limit(scan("a b"), 3), ("c", "d"))
    done = threading.Event()

    def make() -> None:
        while not done.is_set():
            MadeOfPlans[int]().put(plan, 1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=make)
    thread.start()
    try:
        for _ in range(20_000):
            assert len(list(walk(plan))) == 3
            assert plan.with_children(plan.children) is plan
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
