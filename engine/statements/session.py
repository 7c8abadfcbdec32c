"""A session: what somebody has set, and the temporary tables that go with it."""

from __future__ import annotations

import itertools
import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.errors import ResourceExhaustedError
from engine.rights import ALL, Grants
from engine.statements.temporary import TEMPORARY, TemporaryTables
from engine.storage.locks import exclusive_lock, take_if_free
from engine.storage.protocol import DEFAULT_SCHEMA
from engine.travel_types import Boundary

__all__ = ["TEMPORARY", "Session", "sweep_temporary"]

_FOLDER = ".sessions"
_SERVER = secrets.token_hex(8)  # ids, and folders, differ from those of other servers and of this one's last run
_numbers = itertools.count(1)


@dataclass(eq=False)
class Session:
    """What a client has set. `timeout` is in seconds; None leaves the server's own, and so for `runtime`. `boundary`
    says in which types results leave. `changes` counts the statements that changed something since BEGIN;
    None where there was none, or COMMIT has come. `data` is the folder of the tables; None where they are in none.

    It begins with `keep`, and is of no use after its end.
    """

    schema: str = DEFAULT_SCHEMA
    grants: Grants = ALL
    timeout: float | None = None
    partitions: int | None = None
    runtime: str | None = None
    in_parts: bool = False
    ignores_transactions: bool | None = None
    changes: int | None = None
    boundary: Boundary = Boundary.CLIENT
    keeper: Callable[[Session], None] = lambda _: None
    begun: bool = False
    id: str = field(default_factory=lambda: f"{_SERVER}{next(_numbers):08x}")
    data: Path | None = None
    _temporary: TemporaryTables | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    @property
    def folder(self) -> Path | None:
        """Where its temporary tables lie, once it has some."""
        return None if self.data is None else self.data / _FOLDER / self.id

    @property
    def origin(self) -> str:
        """Names it for what ends with it."""
        return f"session {self.id}"

    def keep(self) -> None:
        """Begin, by way of the `keeper`, which is no closure over the session: most never begin, and each of them would
        wait for the garbage collector, with the call that it was made for.
        """
        self.keeper(self)

    @property
    def temporary(self) -> TemporaryTables | None:
        """The session's temporary tables, or None where it has made none."""
        return self._temporary

    def make_temporary(self) -> TemporaryTables:
        """The temporary tables; begins the session."""
        self.keep()
        with self._lock:
            if self._ended:
                raise ResourceExhaustedError("The session has ended; connect again.")
            if self._temporary is None:
                self._temporary = TemporaryTables(self.folder)
            return self._temporary

    def note_change(self) -> None:
        """Count a statement that is about to change something, where BEGIN came before it."""
        if self.changes is not None:
            self.changes += 1

    def overlaid(self) -> Session:
        """The same session, but what is held in its temporary tables is seen by it alone."""
        return replace(self, _temporary=TemporaryTables(None, self.make_temporary()), keeper=lambda _: None)

    def end(self) -> None:
        """Remove the temporary tables. A second call changes nothing."""
        with self._lock:
            self._ended = True
            temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.close()


def sweep_temporary(data: Path) -> None:
    """Remove the temporary tables of sessions whose process is gone."""
    sessions = data / _FOLDER
    if not sessions.is_dir():
        return
    with exclusive_lock(sessions):
        for folder in sessions.iterdir():
            with take_if_free(folder) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)
