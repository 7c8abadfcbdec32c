"""How many queries run at once, and who is next."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from engine.context import Cancellation
from engine.errors import ResourceExhaustedError

__all__ = ["Gate"]


class Gate:
    """At most `slots` queries run at once; at most `places` wait for their turn, for at most `timeout` seconds each.

    Turns go round the identities that wait, and round the connections of each: who has a hundred queries waiting lets
    everybody else pass after each of them. Thread-safe.

    >>> gate = Gate(slots=1, places=10, timeout=60.0)
    >>> leave = gate.enter("ann", "ipv4:127.0.0.1:40112", Cancellation())
    >>> gate.running, gate.waiting
    (1, 0)
    >>> leave()
    """

    def __init__(self, slots: int, places: int, timeout: float) -> None:
        self._slots, self._places, self._timeout = slots, places, timeout
        self._lock = threading.Lock()
        self._line = _Line()
        self._running = 0

    @property
    def running(self) -> int:
        """How many have entered and not left."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._line)

    @property
    def full(self) -> bool:
        """Whether the next one has to wait."""
        return self._running >= self._slots

    def enter(self, owner: str, peer: str, cancellation: Cancellation) -> Callable[[], None]:
        """Wait for a slot; returns what gives it back, which may be called more than once and from any thread.

        Raises ResourceExhaustedError where too many wait already, or where the wait was too long, and the cause of
        `cancellation` where that is thrown first.
        """
        cancellation.check()
        waiter = _Waiter(owner, peer)
        with self._lock:
            if self._running < self._slots:  # then nobody waits
                self._running += 1
                return self._leave()
            if len(self._line) >= self._places:
                raise ResourceExhaustedError(
                    f"{self._running} queries run and {len(self._line)} wait, the most that may; try again later."
                )
            self._line.join(waiter)
        forget = cancellation.on_cancel(waiter.called.set)
        began = time.monotonic()
        try:
            waiter.called.wait(self._timeout)
        finally:
            forget()
            with self._lock:
                if not waiter.admitted:
                    self._line.leave(waiter)
        if waiter.admitted:
            leave = self._leave()
            if not cancellation.cancelled:
                return leave
            leave()
        cancellation.check()
        raise ResourceExhaustedError(
            f"The query waited {time.monotonic() - began:.1f} s for its turn behind {self._running} that run; "
            "try again later."
        )

    def _leave(self) -> Callable[[], None]:
        left = False

        def leave() -> None:
            nonlocal left
            with self._lock:
                if left:
                    return
                left = True
                following = self._line.pop()
                if following is None:
                    self._running -= 1
                else:  # the slot passes on
                    following.admitted = True
                    following.called.set()

        return leave


class _Waiter:
    def __init__(self, owner: str, peer: str) -> None:
        self.owner, self.peer = owner, peer
        self.called = threading.Event()
        self.admitted = False


class _Line:
    """Those who wait, by identity and connection; the first of each is the one whose turn it is."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[str, deque[_Waiter]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def join(self, waiter: _Waiter) -> None:
        """Stand behind those of the same connection."""
        peers = self._owners.setdefault(waiter.owner, OrderedDict())
        peers.setdefault(waiter.peer, deque()).append(waiter)
        self._length += 1

    def pop(self) -> _Waiter | None:
        """Whose turn it is; its identity and its connection go to the end."""
        if not self._owners:
            return None
        owner, peers = next(iter(self._owners.items()))
        peer, waiters = next(iter(peers.items()))
        waiter = waiters.popleft()
        self._owners.move_to_end(owner)
        peers.move_to_end(peer)
        self._gone(waiter)
        return waiter

    def leave(self, waiter: _Waiter) -> None:
        """Give up the place."""
        self._owners[waiter.owner][waiter.peer].remove(waiter)
        self._gone(waiter)

    def _gone(self, waiter: _Waiter) -> None:
        self._length -= 1
        peers = self._owners[waiter.owner]
        if not peers[waiter.peer]:
            del peers[waiter.peer]
        if not peers:
            del self._owners[waiter.owner]
