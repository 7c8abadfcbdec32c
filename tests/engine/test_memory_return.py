"""When memory that nobody uses goes back to the system."""

from __future__ import annotations

import ctypes
from contextlib import closing

from engine.memory_return import MemoryReturn, memory_returner
from engine.memory_watch import resident_bytes

MB = 1 << 20


class Process:
    """The bytes that a process has; `kept` of them are nobody's."""

    def __init__(self) -> None:
        self.used = self.kept = 0
        self.returns = 0
        self.memory_return = MemoryReturn(self.give_back, lambda: self.used)

    def give_back(self) -> None:
        self.used, self.kept = self.used - self.kept, 0
        self.returns += 1

    def look(self, *megabytes: int) -> int:
        """See one after the other; how often memory went back so far."""
        for each in megabytes:
            self.used = each * MB
            self.memory_return.look()
        return self.returns


def test_what_stays_above_the_least_for_a_while_goes_back() -> None:
    process = Process()
    assert process.look(300, 900, 900) == 0
    process.kept = 550 * MB
    assert process.look(850) == 1
    assert process.used == 300 * MB
    assert process.look(300, 310, 320, 330, 340, 350, 360) == 1, "too little to be worth it"


def test_a_short_peak_is_left_alone() -> None:
    assert Process().look(300, 900, 310, 900, 900, 310, 310) == 0


def test_what_is_in_use_is_asked_for_once() -> None:
    process = Process()
    assert process.look(300, 900, 900, 900) == 1
    assert process.look(*[900] * 10, *[950] * 10) == 1
    assert process.look(970, 970, 970) == 2, "what came in addition may be nobody's"
    assert process.look(500, *[600] * 3) == 3, "and the least is less by now"


def test_holes_between_what_is_in_use_go_back() -> None:
    """The C library gives back by itself only what lies above all that is in use."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    size = 64 << 10  # below what gets a mapping of its own
    blocks = [library.malloc(size) for _ in range(4000)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    every = blocks[::20]
    for block in set(blocks) - set(every):
        library.free(block)
    before = resident_bytes()
    memory_returner()()
    assert before - resident_bytes() > 150 * MB
    for block in every:
        library.free(block)


def test_its_thread_ends_once_it_is_closed() -> None:
    returns = MemoryReturn(lambda: None)
    with closing(returns):
        returns.start()
    returns._thread.join(10)
    assert not returns._thread.is_alive()
