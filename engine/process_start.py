"""What makes a process of ours (a server, a worker, a command) start in less time and memory."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["leave_frames_out", "pause_collector"]


class _NoFrames(Loader):
    """Finds pandas and polars, and fails to load them, as where they are not installed."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in ("pandas", "polars") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        raise ModuleNotFoundError(f"{spec.name} is left out of this process", name=spec.name)

    def exec_module(self, module: ModuleType) -> None: ...


def leave_frames_out() -> None:
    """Keep pandas and polars out of this process, which has to hold no frame ever.

    pyarrow imports pandas with the first array that it makes of a Python value, and the ADBC driver imports polars, to
    learn whether a value is one of theirs: 0.2 s and 30 MB for each.
    """
    sys.meta_path.insert(0, _NoFrames())


@contextmanager
def pause_collector() -> Iterator[None]:
    """For imports, a tenth of whose time the garbage collector takes without finding much."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
