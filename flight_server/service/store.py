"""What the server keeps for clients between calls: bounded, expiring, under handles that cannot be guessed."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.errors import ResourceExhaustedError
from flight_server.auth import Identity
from flight_server.service.wire import BadRequestError

__all__ = ["HandleStore"]

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    value: T
    owner: str
    weight: int
    expires_at: float


class HandleStore(Generic[T]):
    """Values by handle. A handle belongs to the identity that it was made for and opens for no other.

    A value lives `ttl` seconds from when it was put in or, where `sliding`, last used. At most `max_entries` values of
    together `max_weight` are kept; over that, values that were marked `spent` go, oldest first, and where none is left
    ResourceExhaustedError is raised. `what` names the values in messages. Thread-safe.
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
        self._fresh: OrderedDict[bytes, _Entry[T]] = OrderedDict()  # ordered by expiry
        self._spent: OrderedDict[bytes, _Entry[T]] = OrderedDict()  # ordered by when they were spent
        self._weight = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._spent)

    def put(self, value: T, owner: Identity, weight: int = 1) -> bytes:
        """Keep `value`; returns its handle."""
        handle = secrets.token_bytes(16)
        with self._lock:
            self._expire()
            self._make_room(1, weight)
            self._fresh[handle] = _Entry(value, owner.name, weight, self._clock() + self._ttl)
            self._weight += weight
        return handle

    def get(self, handle: bytes, owner: Identity) -> T:
        """The value; BadRequestError where the handle is not known, is over, or is somebody else's."""
        with self._lock:
            self._expire()
            entry = self._find(handle, owner)
            if self._sliding:
                entry.expires_at = self._clock() + self._ttl
                self._holder(handle).move_to_end(handle)
            return entry.value

    def weigh(self, handle: bytes, owner: Identity, weight: int) -> None:
        """Give a value that is not spent another weight. Raises as `get`, and ResourceExhaustedError as `put`."""
        with self._lock:
            self._expire()
            entry = self._find(handle, owner)
            self._make_room(0, weight - entry.weight)
            self._weight += weight - entry.weight
            entry.weight = weight

    def renew(self, handle: bytes, owner: Identity) -> None:
        """Let the value live as long as one that is put in now; BadRequestError as for `get`."""
        with self._lock:
            self._expire()
            self._find(handle, owner).expires_at = self._clock() + self._ttl
            self._holder(handle).move_to_end(handle)

    def spend(self, handle: bytes) -> None:
        """Mark a value as used: it can still be had, and goes first where room is needed."""
        with self._lock:
            if handle in self._fresh:
                self._spent[handle] = self._fresh.pop(handle)

    def remove(self, handle: bytes, owner: Identity) -> T:
        """Forget the value and return it; BadRequestError as for `get`."""
        with self._lock:
            self._expire()
            entry = self._find(handle, owner)
            del self._holder(handle)[handle]
            self._weight -= entry.weight
            return entry.value

    def _make_room(self, entries: int, weight: int) -> None:
        while len(self) + entries > self._max_entries or self._weight + weight > self._max_weight:
            if not self._spent:
                raise ResourceExhaustedError(
                    f"Too many {self._what} are open, or they hold too much; close some, or try again later."
                )
            self._weight -= self._spent.popitem(last=False)[1].weight

    def _holder(self, handle: bytes) -> OrderedDict[bytes, _Entry[T]]:
        return self._fresh if handle in self._fresh else self._spent

    def _find(self, handle: bytes, owner: Identity) -> _Entry[T]:
        entry = self._fresh.get(handle) or self._spent.get(handle)
        if entry is None or entry.owner != owner.name or entry.expires_at <= self._clock():
            raise BadRequestError(f"This handle is none of the open {self._what}; it was closed or has expired.")
        return entry

    def _expire(self) -> None:
        now = self._clock()
        for entries in (self._fresh, self._spent):
            while entries and next(iter(entries.values())).expires_at <= now:
                self._weight -= entries.popitem(last=False)[1].weight
