"""A context manager for what happens to errors only."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

__all__ = ["OnError"]


class OnError:
    """Around a block: whatever is raised inside is handed to `tell`, and goes on, unless `tell` raises another.

    >>> errors = []
    >>> with OnError(errors.append):
    ...     1 / 0
    Traceback (most recent call last):
        ...
    ZeroDivisionError: division by zero
    >>> errors
    [ZeroDivisionError('division by zero')]
    """

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[BaseException], object]) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        """Nothing happens until something is raised."""

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None:
            self._tell(error)
