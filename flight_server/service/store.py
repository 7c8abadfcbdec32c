"""What the server keeps for clients between calls: bounded, expiring, shared out, under handles nobody can guess."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.errors import ResourceExhaustedError
from engine.rights import ANONYMOUS, Identity
from flight_server.service.wire import BadRequestError

__all__ = ["EvictedError", "HandleStore", "Holder"]

T = TypeVar("T")

_GONE = ""  # the share of whose connections are gone
_REMEMBERED = 10_000  # handles of which it can be told that they were evicted


class EvictedError(BadRequestError):
    """What the handle stands for was given up, since its holder kept most when room was needed."""


class Holder:
    """For whom something is kept. `owner` may use it; with the end of `origin`, a session or a connection, it ends.

    What has one `share` counts together: all of an identity, and of nobody in particular all of an origin.
    """

    def __init__(self, identity: Identity, origin: str) -> None:
        self.owner = identity.name
        self.origin = origin
        self.share = origin if identity == ANONYMOUS else f"user {identity.name}"


@dataclass(eq=False)
class _Entry(Generic[T]):
    value: T
    holder: Holder
    share: str
    weight: int
    expires_at: float
    spent: bool
    used: int = 0  # when, as a number that grows with each use


@dataclass
class _Share:
    """The handles of one share, those that were not used for longest first."""

    fresh: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    spent: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    weight: int = 0

    def __len__(self) -> int:
        return len(self.fresh) + len(self.spent)

    def first(self, kept: bytes | None) -> bytes | None:
        """The handle that is to go first, which is not `kept`."""
        return next((handle for part in (self.spent, self.fresh) for handle in part if handle != kept), None)


class HandleStore(Generic[T]):
    """Values by handle. A handle belongs to the identity that it was made for and opens for no other.

    A value lives `ttl` seconds from when it was put in or, where `sliding`, last used. At most `max_entries` values of
    together `max_weight` are kept. Over that, what came over connections that are gone is given up first, then a value
    of the share that holds most: one that was marked `spent`, or else the one that was not used for longest. So nobody
    who is there and holds less than an equal part loses anything. What was given up is told from what never was.
    `what` names the values in messages. Thread-safe.
    """

    def __init__(
        self,
        what: str,
        ttl: float,
        max_entries: int,
        max_weight: int,
        *,
        sliding: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._ttl, self._max_entries, self._max_weight = what, ttl, max_entries, max_weight
        self._sliding, self._clock = sliding, clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()  # ordered by expiry
        self._shares: dict[str, _Share] = {}
        self._evicted: OrderedDict[bytes, str] = OrderedDict()  # owners by handle
        self._weight = 0
        self._uses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, value: T, holder: Holder, weight: int = 1, *, spent: bool = False) -> bytes:
        """Keep `value`; returns its handle. ResourceExhaustedError where the holder's share has no room for it."""
        handle = os.urandom(16)
        with self._lock:
            self._expire()
            self._make_room(holder.share, 1, weight)
            entry = _Entry(value, holder, holder.share, weight, self._clock() + self._ttl, spent)
            self._entries[handle] = entry
            self._join(handle, entry)
        return handle

    def get(self, handle: bytes, holder: Holder) -> T:
        """The value; BadRequestError where the handle is not known, is over, or is somebody else's.

        Where `sliding` the value counts for the holder from now on: a client may come back over another connection.
        """
        with self._lock:
            self._expire()
            entry = self._find(handle, holder)
            if self._sliding:
                self._renew(handle, entry, holder)
            return entry.value

    def weigh(self, handle: bytes, holder: Holder, weight: int, *, sparing: bool = False) -> None:
        """Give a value another weight. Raises as `get`, and ResourceExhaustedError as `put`.

        With `sparing` that is raised, too, where other values of the same share would have to go.
        """
        with self._lock:
            self._expire()
            entry = self._find(handle, holder)
            self._make_room(entry.share, 0, weight - entry.weight, handle, sparing)
            self._weight += weight - entry.weight
            self._shares[entry.share].weight += weight - entry.weight
            entry.weight = weight

    def renew(self, handle: bytes, holder: Holder) -> None:
        """Let the value live as long as one that is put in now; BadRequestError as for `get`."""
        with self._lock:
            self._expire()
            self._renew(handle, self._find(handle, holder), holder)

    def spend(self, handle: bytes) -> None:
        """Mark a value as used: it can still be had, and goes first where room is needed."""
        with self._lock:
            entry = self._entries.get(handle)
            if entry is not None and not entry.spent:
                self._leave(handle, entry)
                entry.spent = True
                self._join(handle, entry)

    def discard(self, handle: bytes, holder: Holder) -> None:
        """Forget the value, where there is one that is the holder's."""
        with self._lock:
            entry = self._entries.get(handle)
            if entry is not None and entry.holder.owner == holder.owner:
                self._drop(handle)

    def end(self, origin: str) -> list[T]:
        """Forget all that came from a session or connection; returns it."""
        with self._lock:
            return [self._drop(handle).value for handle in self._of({origin})]

    def disconnect(self, origins: Container[str]) -> None:
        """All that came over connections which are gone is to go first; their clients may come back over others."""
        with self._lock:
            for handle in self._of(origins):
                entry = self._entries[handle]
                self._leave(handle, entry)
                entry.share = _GONE
                self._join(handle, entry)

    def origins(self) -> set[str]:
        """The sessions and connections that hold something, as is known. Asked each second: what is over goes."""
        with self._lock:
            self._expire()
            return {entry.holder.origin for entry in self._entries.values() if entry.share != _GONE}

    def _of(self, origins: Container[str]) -> list[bytes]:
        return [handle for handle, entry in self._entries.items() if entry.holder.origin in origins]

    def _make_room(
        self, share: str, entries: int, weight: int, kept: bytes | None = None, sparing: bool = False
    ) -> None:
        """Let go until `entries` more, of `weight` more, fit in for `share`; `kept` stays, and `sparing` all of it."""
        while len(self._entries) + entries > self._max_entries:
            self._evict(self._first(share, entries, len, kept, sparing))
        while self._weight + weight > self._max_weight:
            possible = weight <= self._max_weight
            self._evict(self._first(share, weight, lambda held: held.weight, kept, sparing) if possible else None)

    def _first(
        self, asking: str, more: int, size: Callable[[_Share], int], kept: bytes | None, sparing: bool
    ) -> bytes | None:
        """The first to go of the share that holds most. `asking` is to have `more`: smaller ones lose nothing."""
        if _GONE in self._shares and (handle := self._shares[_GONE].first(kept)) is not None:
            return handle
        wanted = size(self._shares.get(asking, _Share())) + more
        found: list[tuple[int, int, bytes]] = []
        for name, share in self._shares.items():
            held, handle = wanted if name == asking else size(share), share.first(kept)
            if handle is not None and held >= wanted and not (sparing and name == asking):
                found.append((held, -self._entries[handle].used, handle))
        return max(found)[2] if found else None

    def _evict(self, handle: bytes | None) -> None:
        if handle is None:
            raise ResourceExhaustedError(
                f"Too many {self._what} are open, or they hold too much; close some, or try again later."
            )
        self._evicted[handle] = self._drop(handle).holder.owner
        while len(self._evicted) > _REMEMBERED:
            self._evicted.popitem(last=False)

    def _drop(self, handle: bytes) -> _Entry[T]:
        entry = self._entries.pop(handle)
        self._leave(handle, entry)
        return entry

    def _renew(self, handle: bytes, entry: _Entry[T], holder: Holder) -> None:
        entry.holder, entry.expires_at = holder, self._clock() + self._ttl
        self._entries.move_to_end(handle)
        if entry.share != holder.share:
            self._leave(handle, entry)
            entry.share = holder.share
            self._join(handle, entry)
        else:
            self._use(handle, entry)

    def _join(self, handle: bytes, entry: _Entry[T]) -> None:
        """Let it count for its share, as the one that was used last."""
        if entry.share not in self._shares:
            self._shares[entry.share] = _Share()
        share = self._shares[entry.share]
        (share.spent if entry.spent else share.fresh)[handle] = None
        share.weight += entry.weight
        self._weight += entry.weight
        self._use(handle, entry)

    def _use(self, handle: bytes, entry: _Entry[T]) -> None:
        share = self._shares[entry.share]
        (share.spent if entry.spent else share.fresh).move_to_end(handle)
        entry.used = self._uses = self._uses + 1

    def _leave(self, handle: bytes, entry: _Entry[T]) -> None:
        share = self._shares[entry.share]
        del (share.spent if entry.spent else share.fresh)[handle]
        share.weight -= entry.weight
        self._weight -= entry.weight
        if not share:
            del self._shares[entry.share]

    def _find(self, handle: bytes, holder: Holder) -> _Entry[T]:
        entry = self._entries.get(handle)
        if entry is not None and entry.holder.owner == holder.owner and entry.expires_at > self._clock():
            return entry
        if self._evicted.get(handle) == holder.owner:
            raise EvictedError(
                f"This handle is none of the open {self._what} any more: when room was needed its client held most of "
                "them, or had left, and it was not used for longest. Begin again, and close what is not needed."
            )
        raise BadRequestError(f"This handle is none of the open {self._what}; it was closed or has expired.")

    def _expire(self) -> None:
        now = self._clock()
        while self._entries and next(iter(self._entries.values())).expires_at <= now:
            self._drop(next(iter(self._entries)))
