"""How many queries run, or are planned, at once, and who is next."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from functools import partial

from engine.cancellation import Cancellation
from engine.errors import ResourceExhaustedError

__all__ = ["Gate"]

_LOOK_AROUND = 0.25  # seconds between looks for clients that do not read, while others wait


class Gate:
    """At most `slots` queries run at once; at most `places` wait for their turn, for at most `timeout` seconds each.

    A turn goes to the identity that has fewest, and there to the connection that has fewest; where they are equal, to
    each in turn. Who has a hundred queries waiting lets everybody else pass after each of them. Thread-safe.

    While others wait, a query whose client has read nothing for `patience` seconds gives up its turn. It goes on when
    its client reads on. There are at most `slots` of these: beyond, the one that was left for longest is cancelled, of
    the identity that has most. Messages say of those that have a turn what they `do`.

    >>> gate = Gate(slots=1, places=10, timeout=60.0, patience=5.0)
    >>> leave = gate.enter("ann", "ipv4:127.0.0.1:40112", Cancellation())
    >>> gate.running_count, gate.waiting_count
    (1, 0)
    >>> leave()
    """

    def __init__(self, slots: int, places: int, timeout: float, patience: float, do: str = "queries run") -> None:
        self._slots, self._places, self._timeout, self._patience = slots, places, timeout, patience
        self._do = do
        self._lock = threading.Lock()
        self._line = _Line()
        self._running: set[_Turn] = set()
        self._left: OrderedDict[_Turn, None] = OrderedDict()  # whose clients do not read; the first for longest
        self._held: dict[tuple[str, ...], int] = {}  # queries of identities, and of their connections, where some are
        self._looked_at = 0.0

    @property
    def running_count(self) -> int:
        """How many have a turn."""
        return len(self._running)

    @property
    def waiting_count(self) -> int:
        """How many wait for their turn."""
        return len(self._line)

    @property
    def full(self) -> bool:
        """Whether the next one has to wait."""
        return self.running_count >= self._slots

    def enter(
        self,
        owner: str,
        peer: str,
        cancellation: Cancellation,
        unread_since: Callable[[], float | None] = lambda: None,
    ) -> Callable[[], None]:
        """Wait for a slot; returns what gives it back, which may be called more than once and from any thread.

        `unread_since` tells since when the query's client leaves unread what was sent, on the clock of
        `time.monotonic()`. Raises ResourceExhaustedError where too many wait already, or where the wait was too long,
        and the cause of `cancellation` where that is thrown first.
        """
        cancellation.check()
        turn = _Turn(owner, peer, cancellation, unread_since)
        with self._lock:
            if len(self._running) < self._slots:  # then nobody waits
                self._admit(turn)
                return partial(self._leave, turn)
            if len(self._line) >= self._places:
                raise ResourceExhaustedError(
                    f"{self.running_count} {self._do} and {len(self._line)} wait, the most that may; try again later."
                )
            called = turn.called = threading.Event()
            self._line.join(turn)
        forget = cancellation.on_cancel(called.set)
        began = time.monotonic()
        try:
            while not called.wait(min(_LOOK_AROUND, max(0.0, began + self._timeout - time.monotonic()))):
                if time.monotonic() - began >= self._timeout:
                    break
                self._take_back()
        finally:
            forget()
            with self._lock:
                if not turn.is_on:
                    self._line.leave(turn)
        if turn.is_on:
            leave = partial(self._leave, turn)
            if not cancellation.is_cancelled:
                return leave
            leave()
        cancellation.check()
        raise ResourceExhaustedError(
            f"The query waited {time.monotonic() - began:.1f} s for its turn; {self.running_count} {self._do}, "
            "the most that may at once; try again later."
        )

    def _admit(self, turn: _Turn) -> None:
        self._running.add(turn)
        self._count(turn, 1)
        turn.is_on = True

    def _leave(self, turn: _Turn) -> None:
        with self._lock:
            if turn in self._running:
                self._running.discard(turn)
            elif turn in self._left:
                del self._left[turn]
            else:
                return
            self._count(turn, -1)
            self._fill()

    def _fill(self) -> None:
        """Give free slots to those whose turn it is."""
        while len(self._running) < self._slots and (following := self._line.pop(self._held)) is not None:
            self._admit(following)
            if following.called is not None:
                following.called.set()

    def _take_back(self) -> None:
        """Let those go on who wait, as far as others leave unread what was sent to them."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at < _LOOK_AROUND:
                return
            self._looked_at = now
            unread = [(since, turn) for turn in self._running if (since := turn.unread_since()) is not None]
            stalled = sorted((found for found in unread if now - found[0] > self._patience), key=lambda found: found[0])
            for _, turn in stalled[: len(self._line)]:
                self._running.discard(turn)
                self._left[turn] = None
            most = sorted(
                self._left, key=lambda turn: (self._held[turn.owner,], self._held[turn.owner, turn.peer]), reverse=True
            )
            excess = most[: max(0, len(self._left) - self._slots)]
            self._fill()
        for turn in excess:  # who leaves then
            turn.cancellation.expire(
                f"The client read nothing for {self._patience:g} s while others waited; read on, or ask for fewer rows."
            )

    def _count(self, turn: _Turn, by: int) -> None:
        for key in ((turn.owner,), (turn.owner, turn.peer)):
            held = self._held.get(key, 0) + by
            if held:
                self._held[key] = held
            else:
                del self._held[key]


class _Turn:
    """A query's turn, which `is_on` once it has it. One that has to wait for it is `called` then."""

    def __init__(
        self, owner: str, peer: str, cancellation: Cancellation, unread_since: Callable[[], float | None]
    ) -> None:
        self.owner, self.peer = owner, peer
        self.cancellation, self.unread_since = cancellation, unread_since
        self.called: threading.Event | None = None
        self.is_on = False


class _Line:
    """Those who wait, by identity and connection."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[str, deque[_Turn]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def join(self, turn: _Turn) -> None:
        """Stand behind those of the same connection."""
        peers = self._owners.setdefault(turn.owner, OrderedDict())
        peers.setdefault(turn.peer, deque()).append(turn)
        self._length += 1

    def pop(self, held: Mapping[tuple[str, ...], int]) -> _Turn | None:
        """Whose turn it is, by what each holds; its identity and its connection are then the last of their equals."""
        if not self._owners:
            return None
        owner = min(self._owners, key=lambda owner: held.get((owner,), 0))
        peers = self._owners[owner]
        peer = min(peers, key=lambda peer: held.get((owner, peer), 0))
        turn = peers[peer].popleft()
        self._owners.move_to_end(owner)
        peers.move_to_end(peer)
        self._forget(turn)
        return turn

    def leave(self, turn: _Turn) -> None:
        """Give up the place."""
        self._owners[turn.owner][turn.peer].remove(turn)
        self._forget(turn)

    def _forget(self, turn: _Turn) -> None:
        self._length -= 1
        peers = self._owners[turn.owner]
        if not peers[turn.peer]:
            del peers[turn.peer]
        if not peers:
            del self._owners[turn.owner]
