"""The instant of a statement: `now()` and its kin tell the same in all that is planned for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

__all__ = ["current_instant", "one_instant"]

_INSTANT: ContextVar[datetime | None] = ContextVar("instant", default=None)


def current_instant() -> datetime:
    """The instant of the statement that is planned here, in UTC; that of now where there is none."""
    return _INSTANT.get() or datetime.now(UTC)


@contextmanager
def one_instant(instant: datetime | None = None) -> Iterator[None]:
    """Within, all that is planned by this thread is planned for one `instant`, that of now where none is given."""
    token = _INSTANT.set(instant or current_instant())
    try:
        yield
    finally:
        _INSTANT.reset(token)
