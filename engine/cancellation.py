"""What stops a query: a switch that is thrown from any thread, or by a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from functools import partial

from engine.errors import CancelledError, DeadlineExceededError, GrismError, MemoryExceededError

__all__ = ["Cancellation", "Cause", "current_cancellation", "follow", "require_answer"]

Cause = CancelledError | DeadlineExceededError | MemoryExceededError
"""Why a query is stopped before its end."""


class Cancellation:
    """A one-way switch that stops a query, from any thread, with an optional deadline.

    `deadline` is a `time.monotonic()` instant; while somebody listens it throws the switch by itself. Callbacks run
    once, in the thread that cancels, or at once where the switch was thrown already.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._cause: Cause | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._alarm: threading.Timer | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the query is to stop; a passed deadline counts."""
        if self._cause is None and self.deadline is not None and time.monotonic() >= self.deadline:
            self.expire()
        return self._cause is not None

    @property
    def cause(self) -> Cause | None:
        """Why the query was stopped, or None. Each time another error of the same class and text."""
        return None if self._cause is None else _fresh(self._cause)

    def cancel(self, reason: str = "The query was cancelled.") -> None:
        """Stop the query. A second call changes nothing."""
        self.stop(CancelledError(reason))

    def expire(self, reason: str = "The query ran out of time; raise its timeout or narrow the query.") -> None:
        """Stop the query because its time is over."""
        self.stop(DeadlineExceededError(reason))

    def exceed(
        self, reason: str = "The query took most of the memory that the process may have; narrow the query."
    ) -> None:
        """Stop the query because it takes too much memory."""
        self.stop(MemoryExceededError(reason))

    def stop(self, cause: Cause) -> None:
        """Stop the query for `cause`. A second call changes nothing."""
        with self._lock:
            if self._cause is not None:
                return
            self._cause = cause
            callbacks, self._callbacks = self._callbacks, []
            if self.deadline is not None:
                self._set_alarm(self.deadline)
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise the cause where the query is to stop."""
        if self.is_cancelled and self._cause is not None:
            raise _fresh(self._cause)

    def scope(self) -> AbstractContextManager[None]:
        """Around planning: within, in this thread, this is the `current_cancellation`. Raises the cause."""
        return _HeedingScope(self)

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Run `callback` on cancellation; returns a function that takes the callback back."""
        with self._lock:
            if self._cause is None:
                self._callbacks.append(callback)
                if self.deadline is not None:
                    self._set_alarm(self.deadline)
                return partial(self._forget, callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
                if self.deadline is not None:
                    self._set_alarm(self.deadline)

    def _set_alarm(self, deadline: float) -> None:
        """Wait for the deadline while there are callbacks. The lock is held."""
        if self._alarm is None and self._callbacks:
            self._alarm = threading.Timer(max(0.0, deadline - time.monotonic()), self.expire)
            self._alarm.daemon = True
            self._alarm.start()
        elif self._alarm is not None and not self._callbacks:
            self._alarm.cancel()
            self._alarm = None


class _HeedingScope:
    """See `Cancellation.scope`."""

    __slots__ = ("_cancellation", "_token")

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation

    def __enter__(self) -> None:
        self._cancellation.check()
        self._token: Token[Cancellation | None] = _current.set(self._cancellation)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def _fresh(cause: Cause) -> Cause:
    """The same error without what it was raised through.

    The switch keeps the cause, and the frames of who raises it keep the switch, and what they computed.
    """
    made = type(cause).__new__(type(cause), *cause.args)
    vars(made).update(vars(cause))
    return made


_current: ContextVar[Cancellation | None] = ContextVar("current_cancellation", default=None)


def current_cancellation() -> Cancellation:
    """What stops the planning that this thread does; one that nobody throws where there is nothing to stop it."""
    return _current.get() or Cancellation()


def require_answer(error: Exception) -> None:
    """Raise what is no answer, and so not to be told or remembered as one: that planning was stopped, or another
    statement took the kernel that was asked."""
    current_cancellation().check()
    if isinstance(error, GrismError) and error.retryable:
        raise error


def follow(leading: Cancellation, following: Cancellation) -> Callable[[], None]:
    """Stop `following` when `leading` is stopped, for the same cause. Returns a function that ends this."""

    def pass_on() -> None:
        if leading.cause is not None:
            following.stop(leading.cause)

    return leading.on_cancel(pass_on)
