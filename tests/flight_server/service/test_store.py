"""HandleStore: bounds, expiry, ownership and shares."""

from __future__ import annotations

import pytest

from engine.errors import ResourceExhaustedError
from engine.rights import ANONYMOUS, Identity
from flight_server.service.store import EvictedError, HandleStore, Holder
from flight_server.service.wire import BadRequestError

ANN, BOB = (Holder(Identity(name), f"ipv4:127.0.0.1:{name}") for name in ("ann", "bob"))


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
    things.discard(handle, ANN)
    things.discard(handle, ANN)
    with pytest.raises(BadRequestError, match="none of the open things"):
        things.get(handle, ANN)
    assert len(things) == 0


def test_a_handle_opens_for_its_owner_only() -> None:
    things = store(Clock())
    handle = things.put("a", ANN)
    things.discard(handle, BOB)
    with pytest.raises(BadRequestError, match="none of the open things"):
        things.get(handle, BOB)
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


def test_values_that_expired_go_though_nobody_asks_for_any() -> None:
    """Of the clients that hold something the server is told each second; a value may keep versions of tables."""
    clock = Clock()
    things = store(clock)
    things.put("a", ANN)
    clock.now = 9.9
    assert things.origins() == {ANN.origin}
    clock.now = 10.0
    assert things.origins() == set()
    assert len(things) == 0


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


def left(things: HandleStore[str], handles: dict[str, bytes], holder: Holder) -> str:
    """The names of the values that are left, in order; the others are told to have been evicted."""
    found = ""
    for name, handle in handles.items():
        try:
            found += things.get(handle, holder)
        except EvictedError:
            continue
        assert found.endswith(name)
    return found


def test_who_holds_most_loses_what_was_not_used_for_longest() -> None:
    things = store(Clock(), entries=4, sliding=True)
    anns = {name: things.put(name, ANN) for name in "abcd"}
    things.get(anns["a"], ANN)
    bobs = {name: things.put(name, BOB) for name in "xy"}
    assert left(things, anns, ANN) == "ad"
    bobs["z"] = things.put("z", BOB)
    assert (left(things, bobs, BOB), left(things, anns, ANN)) == ("yz", "ad")
    anns["e"] = things.put("e", ANN)
    assert (left(things, bobs, BOB), left(things, anns, ANN)) == ("yz", "de")
    with pytest.raises(BadRequestError) as caught:
        things.get(anns["b"], BOB)
    assert type(caught.value) is BadRequestError


def test_of_equal_shares_the_one_goes_that_was_not_used_for_longest() -> None:
    things = store(Clock(), entries=3, sliding=True)
    holders = [Holder(ANONYMOUS, f"ipv4:127.0.0.1:{port}") for port in range(4)]
    handles = [things.put(str(i), holder) for i, holder in enumerate(holders[:3])]
    things.get(handles[0], holders[0])
    things.put("3", holders[3])
    with pytest.raises(EvictedError):
        things.get(handles[1], holders[1])
    assert (things.get(handles[0], holders[0]), things.get(handles[2], holders[2])) == ("0", "2")


def test_anonymous_shares_are_those_of_sessions_and_connections() -> None:
    things = store(Clock(), entries=3, sliding=True)
    one, other = Holder(ANONYMOUS, "session 1"), Holder(ANONYMOUS, "ipv4:127.0.0.1:2")
    kept = things.put("other", other)
    for _ in range(9):
        things.put("one", one)
    assert things.get(kept, other) == "other"
    assert things.get(kept, one) == "other"  # a handle is the identity's; now it counts for who used it last
    things.put("two", other)
    for _ in range(3):
        things.put("more", one)
    with pytest.raises(EvictedError, match="none of the open things any more"):
        things.get(kept, one)


def test_the_weight_is_shared_out_too() -> None:
    things = store(Clock())
    heavy, light = things.put("a", ANN, 60), things.put("b", BOB, 10)
    with pytest.raises(ResourceExhaustedError, match="hold too much"):
        things.put("c", BOB, 101)
    assert (things.get(heavy, ANN), things.get(light, BOB)) == ("a", "b")
    things.put("c", BOB, 40)
    with pytest.raises(EvictedError):
        things.get(heavy, ANN)
    with pytest.raises(ResourceExhaustedError):
        things.put("d", ANN, 60)
    assert things.get(light, BOB) == "b"


def test_the_end_of_a_session_gives_back_what_came_from_it() -> None:
    things = store(Clock())
    handle = things.put("a", ANN)
    other = things.put("b", Holder(Identity("ann"), "session 1"))
    assert things.end(ANN.origin) == ["a"]
    assert things.end(ANN.origin) == []
    with pytest.raises(BadRequestError, match="was closed"):
        things.get(handle, ANN)
    assert things.get(other, ANN) == "b"


def test_what_came_over_a_lost_connection_goes_first_unless_it_is_used_again() -> None:
    things = store(Clock(), sliding=True)
    handles = [things.put(name, ANN) for name in "abc"]
    assert things.origins() == {ANN.origin}
    things.disconnect({ANN.origin})
    assert things.origins() == set()
    back = Holder(Identity("ann"), "ipv4:127.0.0.1:2")
    assert things.get(handles[0], back) == "a"
    assert things.origins() == {back.origin}
    things.put("d", back)
    with pytest.raises(EvictedError):
        things.get(handles[1], back)
    assert things.get(handles[0], back) == "a"


def test_a_value_may_become_heavier_as_far_as_there_is_room() -> None:
    things = store(Clock())
    handle = things.put("a", ANN, 60)
    things.put("b", ANN, 30)
    things.weigh(handle, ANN, 70)
    with pytest.raises(ResourceExhaustedError, match="hold too much"):
        things.weigh(handle, ANN, 71, sparing=True)
    with pytest.raises(BadRequestError):
        things.weigh(handle, BOB, 1)
    things.weigh(handle, ANN, 10)
    things.put("c", ANN, 60)
    assert len(things) == 3
    things.weigh(handle, ANN, 11)
    assert len(things) == 2


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
