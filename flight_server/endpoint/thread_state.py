"""One thread state of Python for all of a call.

gRPC's threads are not Python's: each time that one of them enters Python, for headers, for a method, for each message,
it is given a new thread state, which goes as it leaves. With its stack, which is mapped and unmapped, that is a good
part of what a short call costs. A thread that holds its state meanwhile finds it again.
"""

from __future__ import annotations

import ctypes
import threading

__all__ = ["HeldThreadState", "held_thread_state", "hold_thread_state"]

_ensure = ctypes.pythonapi.PyGILState_Ensure
_ensure.argtypes, _ensure.restype = (), ctypes.c_int
_release = ctypes.pythonapi.PyGILState_Release
_release.argtypes, _release.restype = (ctypes.c_int,), None


class HeldThreadState:
    """The calling thread keeps its state from here on, until it calls `release`, which it may do once.

    See https://docs.python.org/3/c-api/init.html#c.PyGILState_Ensure: both sides of a pair must be the same thread's,
    as they are where pyarrow calls an auth handler and middleware.
    """

    __slots__ = ("_state", "_thread")

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._state = _ensure()

    def release(self) -> None:
        """Let the state go as the thread leaves Python. Does nothing in another thread than that which holds it."""
        if threading.get_ident() == self._thread:
            _release(self._state)


_MOST_EARLY = 256  # held before their calls have begun, of which each that never does leaves a thread state behind

_early = threading.local()  # what a thread has in it lies in its state, and so is there as long as that is held
_held_early: list[None] = []  # one for each


def hold_thread_state() -> None:
    """Hold the state of the calling thread for the call whose middleware is about to begin.

    That is not sure: pyarrow reads the call's headers in between, and ends it where it cannot.
    """
    if getattr(_early, "state", None) is None and len(_held_early) < _MOST_EARLY:
        _held_early.append(None)
        _early.state = HeldThreadState()


def held_thread_state() -> HeldThreadState:
    """The state that `hold_thread_state` has held, or that is held from here on. It is the caller's to release."""
    state: HeldThreadState | None = getattr(_early, "state", None)
    if state is None:
        return HeldThreadState()
    _early.state = None
    _held_early.pop()
    return state
