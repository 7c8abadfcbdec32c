"""What the variable LANCE_LOG says, in words that all of Lance takes; imported before Lance is.

Lance's native code reads filters there (`off`, `warn`, `lance_io`, `lance_io=debug`). Its Python code takes the first
without an equals sign for the level of a logger, and cannot be imported where that is no level of Python's. The native
code goes by what is said last, so a level for Python may stand before it.
"""

from __future__ import annotations

import logging
import os

__all__ = ["for_python_too"]

_VARIABLE = "LANCE_LOG"


def for_python_too(filters: str) -> str:
    """`filters`, with a level for Python's loggers in front where they have none that Python knows.

    >>> for_python_too("off"), for_python_too("lance=off"), for_python_too("warn,lance_io")
    ('error,off,off', 'lance=off', 'warn,lance_io')
    """
    level = next((each for each in filters.upper().split(",") if "=" not in each), "INFO")
    known = not filters or level == "TRACE" or level in logging.getLevelNamesMapping()
    return filters if known else f"error,off,{filters}"


if _VARIABLE in os.environ:
    os.environ[_VARIABLE] = for_python_too(os.environ[_VARIABLE])
