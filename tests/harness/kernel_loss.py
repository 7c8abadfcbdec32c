"""What a fatal error of the kernel leaves behind: an instance on which nothing runs any more."""

from __future__ import annotations

from itertools import chain

from engine.kernel_instance import Instance

__all__ = ["lose"]


def lose(instance: Instance) -> None:
    """Let nothing that begins from here on run on `instance`, be it on a new connection or on one that is kept."""
    instance._database.close()
    for cursor in chain(*instance._ready.values()):
        cursor.connection.close()
