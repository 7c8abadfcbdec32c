"""What a long statement is at, told to who started it in this thread and wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Tell", "tell_progress", "telling_progress"]

Tell = Callable[[str], None]

_current: ContextVar[Tell | None] = ContextVar("current_progress", default=None)


def tell_progress(text: str) -> None:
    """Say what the statement of this thread is at, in a few words; it is heard by nobody where nobody wants to know."""
    tell = _current.get()
    if tell is not None:
        tell(text)


@contextmanager
def telling_progress(tell: Tell) -> Iterator[None]:
    """Within, in this thread, `tell` is given what statements are at, a few times a second."""
    token = _current.set(tell)
    try:
        yield
    finally:
        _current.reset(token)
