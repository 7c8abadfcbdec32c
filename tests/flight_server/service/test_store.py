"""HandleStore: bounds, expiry and ownership."""

from __future__ import annotations

import pytest

from engine.errors import ResourceExhaustedError
from flight_server.auth import Identity
from flight_server.service.store import HandleStore
from flight_server.service.wire import BadRequestError

ANN, BOB = Identity("ann"), Identity("bob")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def store(clock: Clock, *, entries: int = 3, weight: int = 100, sliding: bool = False) -> HandleStore[str]:
    return HandleStore("things", 10.0, entries, weight, sliding=sliding, clock=clock)


def test_a_value_comes_back_until_it_is_removed() -> None:
    things = store(Clock())
    handle = things.put("a", ANN)
    assert things.get(handle, ANN) == things.get(handle, ANN) == "a"
    assert things.remove(handle, ANN) == "a"
    with pytest.raises(BadRequestError, match="none of the open things"):
        things.get(handle, ANN)
    assert len(things) == 0


def test_a_handle_opens_for_its_owner_only() -> None:
    things = store(Clock())
    handle = things.put("a", ANN)
    for use in (things.get, things.remove):
        with pytest.raises(BadRequestError, match="none of the open things"):
            use(handle, BOB)
    assert things.get(handle, ANN) == "a"


def test_values_expire_from_when_they_were_put_in() -> None:
    clock = Clock()
    things = store(clock)
    handle = things.put("a", ANN)
    clock.now = 9.9
    assert things.get(handle, ANN) == "a"
    clock.now = 10.0
    with pytest.raises(BadRequestError):
        things.get(handle, ANN)


def test_sliding_values_expire_from_their_last_use() -> None:
    clock = Clock()
    things = store(clock, sliding=True)
    used, unused = things.put("used", ANN), things.put("unused", ANN)
    clock.now = 9.0
    assert things.get(used, ANN) == "used"
    clock.now = 18.0
    assert things.get(used, ANN) == "used"
    assert len(things) == 1
    with pytest.raises(BadRequestError):
        things.get(unused, ANN)


def test_a_full_store_refuses_until_something_expires() -> None:
    clock = Clock()
    things = store(clock)
    for name in "abc":
        things.put(name, ANN)
    with pytest.raises(ResourceExhaustedError, match="Too many things are open"):
        things.put("d", BOB)
    clock.now = 10.0
    things.put("d", BOB)
    assert len(things) == 1


def test_the_weight_is_bounded_too() -> None:
    things = store(Clock())
    handle = things.put("a", ANN, 60)
    with pytest.raises(ResourceExhaustedError):
        things.put("b", ANN, 50)
    things.remove(handle, ANN)
    things.put("b", ANN, 100)


def test_a_value_may_become_heavier_as_far_as_there_is_room() -> None:
    things = store(Clock())
    handle = things.put("a", ANN, 60)
    things.put("b", ANN, 30)
    things.weigh(handle, ANN, 70)
    with pytest.raises(ResourceExhaustedError, match="hold too much"):
        things.weigh(handle, ANN, 71)
    with pytest.raises(BadRequestError):
        things.weigh(handle, BOB, 1)
    things.weigh(handle, ANN, 10)
    things.put("c", ANN, 60)


def test_spent_values_make_room_oldest_first() -> None:
    things = store(Clock())
    first, second, third = (things.put(name, ANN) for name in "abc")
    things.spend(second)
    things.spend(first)
    assert things.get(second, ANN) == "b"
    things.put("d", ANN)
    with pytest.raises(BadRequestError):
        things.get(second, ANN)
    assert (things.get(first, ANN), things.get(third, ANN)) == ("a", "c")


def test_a_spent_value_expires_although_a_younger_one_was_spent_before_it() -> None:
    clock = Clock()
    things = store(clock)
    old = things.put("old", ANN)
    clock.now = 5.0
    things.spend(things.put("young", ANN))
    things.spend(old)
    clock.now = 11.0
    with pytest.raises(BadRequestError):
        things.get(old, ANN)
