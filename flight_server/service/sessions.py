"""Sessions: what a client has set, and its temporary tables, from its first setting to its end.

A client without settings has no session. The first setting, or the first temporary table, begins one and sends its
cookie, as does every answer over its connection to who comes without it; a client that keeps cookies is known by it
from then on. Of a client that keeps none, as ADBC by default, the session is that of its connection: all calls over it
that come from the same identity. It ends with the connection.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import ResourceExhaustedError, UnknownQueryError
from engine.rights import Grants, Identity
from engine.statements.session import Session, sweep_temporary
from flight_server.endpoint.calls import Call
from flight_server.endpoint.connections import connections_of
from flight_server.options import ServiceOptions
from flight_server.service.store import EvictedError, Holder

__all__ = ["COOKIE", "Sessions"]

COOKIE = "grism_session"
_LEAST_WAIT = 0.1


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _SessionEntry:
    session: Session
    owner: str
    share: str
    cookie: str
    peer: str
    connections: frozenset[int]
    used_at: float  # on the clock of `time.monotonic()`
    begun: datetime = field(default_factory=_now)
    used: datetime = field(default_factory=_now)
    calls: int = 0
    bound: bool = True  # to its connection: no call has come with its cookie

    def touch(self) -> None:
        """It is in use now."""
        self.used_at, self.used = time.monotonic(), _now()

    @property
    def origins(self) -> tuple[str, ...]:
        """Of what ends with it."""
        return (self.session.origin, self.peer) if self.bound else (self.session.origin,)


class Sessions:
    """The sessions that are open; each belongs to the identity that began it. Thread-safe.

    One without a call for `options.session_ttl` seconds ends. A thread sees to that, which is there while sessions are.
    Where `options.max_sessions` are open, who has most of them loses the one that was not used for longest.
    `release` is called with the origin of what ends with a session.
    """

    def __init__(
        self, folder: Path | None, options: ServiceOptions, release: Callable[[str], None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._options, self._release = options, release
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._ender: threading.Thread | None = None
        self._by_cookie: dict[str, _SessionEntry] = {}
        self._by_peer: dict[tuple[str, str], _SessionEntry] = {}
        self._ended: OrderedDict[str, tuple[str, str]] = OrderedDict()  # owners, and why, by cookie
        if folder is not None:
            sweep_temporary(folder)

    def __len__(self) -> int:
        return len(self._by_cookie)

    def of(self, call: Call, identity: Identity, closing: bool = False) -> tuple[Session, str]:
        """The session of a call, or a new one that begins when something is kept in it.

        Beside it stands the origin of what the call leaves behind: the session of a cookie, else the connection.
        Raises EvictedError where the session was ended by others: once, and to calls that are `closing` what they had.
        """
        cookie = _cookie(call.headers)
        connections = frozenset[int]()
        if cookie is None and (identity.name, call.peer) in self._by_peer:
            connections = connections_of(call.peer)
        with self._lock:
            found, ended = self._find(call, identity, cookie, connections)
            if found is not None:
                self._enter(found, call)
                found.bound = found.bound and cookie is None
                if cookie is None:  # some lose one that came with the answer to an update
                    _send_cookie(call, found)
            elif cookie is not None and (told := self._ended.get(cookie)) and told[0] == identity.name:
                if not closing:
                    del self._ended[cookie]
                raise EvictedError(told[1])
        if ended is not None:
            self._end(ended)
        if found is None:
            return self._new(call, identity), call.peer
        return found.session, call.peer if found.bound else found.session.origin

    def close(self, session: Session, origin: str) -> None:
        """End a session, and what else has the `origin` of the call."""
        with self._changed:
            kept = next((kept for kept in self._by_cookie.values() if kept.session is session), None)
            if kept is not None:
                self._forget(kept)
                self._changed.notify_all()
        if kept is not None:
            self._end(kept)
        session.end()
        self._release(origin)

    def rows(self, grants: Grants) -> Iterator[Mapping[str, Any]]:
        """The rows of ``system.sessions``: all to an administrator, to others their own."""
        with self._lock:
            kept = list(self._by_cookie.values())
        for each in kept:
            if each.owner != grants.identity.name and not grants.is_administrator:
                continue
            session = each.session
            yield {
                "id": session.id,
                "user": each.owner,
                "client": each.peer,
                "calls": each.calls,
                "begun": each.begun,
                "used": each.used,
                "schema": session.schema,
                "timeout": session.timeout,
                "runtime": session.runtime,
                "temporary_tables": 0 if session.temporary is None else len(session.temporary.tables()),
            }

    def kill(self, identifier: str, grants: Grants) -> None:
        """End a session of one's own, or as an administrator anybody's. Its client is told so at its next call.

        Raises UnknownQueryError where there is none.
        """
        with self._changed:
            kept = next((kept for kept in self._by_cookie.values() if kept.session.id == identifier), None)
            if kept is None or not (kept.owner == grants.identity.name or grants.is_administrator):
                raise UnknownQueryError(
                    f"No session {identifier[:100]!r} is open that you may end; system.sessions has those that are."
                )
            self._forget(kept)
            self._note_end(kept, f'The session was ended by "{grants.identity.name}" with KILL SESSION; begin another.')
            self._changed.notify_all()
        self._end(kept)

    def close_all(self) -> None:
        """End every session."""
        with self._changed:
            ended = [self._forget(kept) for kept in list(self._by_cookie.values())]
            self._changed.notify_all()
        for kept in ended:
            self._end(kept)

    def peers(self) -> set[str]:
        """The connections that sessions end with."""
        with self._lock:
            return {kept.peer for kept in self._by_cookie.values() if kept.bound}

    def disconnect(self, peers: Container[str]) -> None:
        """End the sessions of connections that are gone."""
        with self._changed:
            bound = [kept for kept in self._by_cookie.values() if kept.bound and not kept.calls and kept.peer in peers]
            ended = [self._forget(kept) for kept in bound]
            self._changed.notify_all()
        for kept in ended:
            self._end(kept)

    def _end(self, kept: _SessionEntry) -> None:
        kept.session.end()
        for origin in kept.origins:
            self._release(origin)

    def _end_idle(self) -> None:
        """End each session when its time is over, until none is left."""
        while True:
            with self._changed:
                ended = self._take_idle()
                if not ended:
                    if not self._by_cookie:
                        self._ender = None
                        return
                    self._changed.wait(self._until_next())
            for kept in ended:
                self._end(kept)

    def _take_idle(self) -> list[_SessionEntry]:
        now = time.monotonic()
        idle = [kept for kept in self._by_cookie.values() if not kept.calls and self._ends(kept) <= now]
        return [self._forget(kept) for kept in idle]

    def _until_next(self) -> float:
        """Seconds in which no session can end: one that is in use, or is still to begin, has all of its time."""
        ttl, now = self._options.session_ttl, time.monotonic()
        soonest = min((self._ends(kept) - now for kept in self._by_cookie.values() if not kept.calls), default=ttl)
        return min(max(soonest, _LEAST_WAIT), threading.TIMEOUT_MAX)

    def _ends(self, kept: _SessionEntry) -> float:
        return kept.used_at + self._options.session_ttl

    def _find(
        self, call: Call, identity: Identity, cookie: str | None, connections: frozenset[int]
    ) -> tuple[_SessionEntry | None, _SessionEntry | None]:
        """The session of a call, and one that has ended, since its client's address is another connection's now."""
        if cookie is not None:
            kept = self._by_cookie.get(cookie)
            return (kept if kept is not None and kept.owner == identity.name else None), None
        kept = self._by_peer.get((identity.name, call.peer))
        if kept is not None and kept.connections and connections and not kept.connections & connections:
            return None, self._forget(kept)
        return kept, None

    def _new(self, call: Call, identity: Identity) -> Session:
        session = Session(data=self._folder)

        def keep(session: Session) -> None:
            peer, cookie = call.peer, secrets.token_hex(16)
            share = Holder(identity, peer).share
            kept = _SessionEntry(session, identity.name, share, cookie, peer, connections_of(peer), time.monotonic())
            self._keep(kept, call)

        session.keeper = keep
        return session

    def _keep(self, kept: _SessionEntry, call: Call) -> None:
        with self._lock:
            if kept.session.begun:
                return
            evicted = self._evict(kept.share) if len(self._by_cookie) >= self._options.max_sessions else None
            self._by_cookie[kept.cookie] = kept
            self._by_peer[kept.owner, kept.peer] = kept
            self._enter(kept, call)
            kept.session.begun = True
            if self._ender is None:
                self._ender = threading.Thread(target=self._end_idle, name="grism-sessions", daemon=True)
                self._ender.start()
        if evicted is not None:
            self._end(evicted)
        kept.session.keeper = lambda _: None
        _send_cookie(call, kept)

    def _evict(self, asking: str) -> _SessionEntry:
        """The idle session that goes for a new one of a share: of the share that then has most, the longest unused."""
        counts = Counter([asking, *(kept.share for kept in self._by_cookie.values())])
        idle = [kept for kept in self._by_cookie.values() if not kept.calls and counts[kept.share] >= counts[asking]]
        if not idle:
            raise ResourceExhaustedError(
                f"{len(self._by_cookie)} sessions are open, and the server keeps no more; close some."
            )
        evicted = self._forget(max(idle, key=lambda kept: (counts[kept.share], -kept.used_at)))
        self._note_end(evicted, "The session was ended to make room, as one of many of its client; begin another.")
        return evicted

    def _note_end(self, kept: _SessionEntry, reason: str) -> None:
        """Tell the client at its next call. The lock is held."""
        self._ended[kept.cookie] = kept.owner, reason
        while len(self._ended) > self._options.max_sessions:
            self._ended.popitem(last=False)

    def _enter(self, kept: _SessionEntry, call: Call) -> None:
        kept.calls += 1
        kept.touch()

        def leave() -> None:
            with self._lock:
                kept.calls -= 1
                kept.touch()

        call.on_end(leave)

    def _forget(self, kept: _SessionEntry) -> _SessionEntry:
        self._by_cookie.pop(kept.cookie, None)
        if self._by_peer.get((kept.owner, kept.peer)) is kept:
            del self._by_peer[kept.owner, kept.peer]
        return kept


def _send_cookie(call: Call, kept: _SessionEntry) -> None:
    call.add_header("set-cookie", f"{COOKIE}={kept.cookie}; HttpOnly; SameSite=Strict")


def _cookie(headers: Mapping[str, list[str] | list[bytes]]) -> str | None:
    for value in headers.get("cookie", ()):
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        for part in text.split(";"):
            name, _, content = part.strip().partition("=")
            if name == COOKIE:
                return content.strip('"')
    return None
