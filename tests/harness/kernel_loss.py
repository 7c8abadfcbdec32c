"""What a fatal error of the kernel leaves behind: an instance on which nothing runs any more."""

from __future__ import annotations

from itertools import chain

from engine.kernel_cursor import KernelCursor
from engine.kernel_instance import Instance
from engine.kernel_progress import Watch

__all__ = ["lose"]


class _Closed(list[KernelCursor]):
    """Connections that are kept for nothing."""

    def append(self, cursor: KernelCursor) -> None:
        cursor.connection.close()


def lose(instance: Instance) -> None:
    """Let nothing that begins from here on run on `instance`, be it on a new connection or on one that is kept."""
    with instance._lock:
        kept, instance._ready = instance._ready, {watch: _Closed() for watch in Watch}
    instance._database.close()
    for cursor in chain(*kept.values()):
        cursor.connection.close()
