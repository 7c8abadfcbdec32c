"""A session: what somebody has set, and the temporary tables that go with it."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import ResourceExhaustedError, UnsupportedError
from engine.rights import ALL, Grants
from engine.storage import DirectoryStorage
from engine.storage.locks import held, take_if_free
from engine.storage.protocol import DEFAULT_SCHEMA
from engine.travel_types import Boundary

__all__ = ["TEMPORARY", "Session", "sweep_temporary"]

TEMPORARY = "temp"
"""The schema of temporary tables."""

_FOLDER = ".sessions"


@dataclass(eq=False)
class Session:
    """What a client has set. `timeout` is in seconds; None leaves the server's own, and so for `runtime`. `boundary`
    says in which types results leave.

    It begins with `keep`, and is of no use after its end. `origin` names it for what ends with it.
    """

    schema: str = DEFAULT_SCHEMA
    grants: Grants = ALL
    timeout: float | None = None
    partitions: int | None = None
    runtime: str | None = None
    at_workers: bool = False
    boundary: Boundary = Boundary.CLIENT
    keep: Callable[[], None] = lambda: None
    origin: str = field(default_factory=lambda: f"session {secrets.token_hex(8)}")
    folder: Path | None = None
    _temporary: DirectoryStorage | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cleanup: ExitStack = field(default_factory=ExitStack)
    _ended: bool = False

    @classmethod
    def over(cls, data: Path | None) -> Session:
        """A session over the tables in a folder; None where they are not in one."""
        return cls(folder=None if data is None else data / _FOLDER / secrets.token_hex(8))

    @property
    def temporary(self) -> DirectoryStorage | None:
        """The session's temporary tables, or None where it has made none."""
        return self._temporary

    def make_temporary(self) -> DirectoryStorage:
        """The storage of temporary tables; begins the session."""
        self.keep()
        with self._lock:
            if self._ended:
                raise ResourceExhaustedError("The session has ended; connect again.")
            if self._temporary is None:
                if self.folder is None:
                    raise UnsupportedError("The server's tables are not in a folder; it keeps no temporary tables.")
                self.folder.parent.mkdir(exist_ok=True)
                with held(self.folder.parent):  # else a sweep could come between making and taking it
                    self.folder.mkdir()
                    self._cleanup.enter_context(held(self.folder))
                self._cleanup.callback(shutil.rmtree, self.folder, ignore_errors=True)
                tables = self.folder / "tables"  # writers lock this one
                tables.mkdir()
                self._temporary = DirectoryStorage(tables)
            return self._temporary

    def end(self) -> None:
        """Remove the temporary tables. A second call changes nothing."""
        with self._lock:
            self._ended = True
            self._temporary = None
            self._cleanup.close()


def sweep_temporary(data: Path) -> None:
    """Remove the temporary tables of sessions whose process is gone."""
    sessions = data / _FOLDER
    if not sessions.is_dir():
        return
    with held(sessions):
        for folder in sessions.iterdir():
            with take_if_free(folder) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)
