"""Internal errors that tests cause. Each is a fault of ours, but where a test causes one on purpose.

They are told by the line that the log has for each, in this process and in the servers that tests start.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["INCIDENTS", "Incidents"]

_INCIDENT = re.compile(r"incident [0-9a-f]{8}\b")
_LOGGERS = ("flight_server.endpoint.status", "ray_runtime")
_SHOWN = 3000  # characters of a log behind an incident


class Incidents(logging.Handler):
    """Collects the internal errors that were logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._found: list[str] = []
        self._read: dict[Path, int] = {}

    def listen(self) -> None:
        """Collect those of this process from now on."""
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record that tells of an internal error."""
        if _INCIDENT.search(record.getMessage()):
            self._found.append(logging.Formatter().format(record)[:_SHOWN])

    @contextmanager
    def watch(self, log: Path) -> Iterator[None]:
        """Within, collect what is written to a server's log."""
        self._read[log] = 0
        try:
            yield
        finally:
            self._look(log)
            del self._read[log]

    def take(self) -> list[str]:
        """What was logged since this was asked last, with what stands behind it in the log."""
        for log in self._read:
            self._look(log)
        found, self._found = self._found, []
        return found

    def _look(self, log: Path) -> None:
        if not log.exists() or log.stat().st_size == self._read[log]:
            return
        with log.open("rb") as file:
            file.seek(self._read[log])
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read[log] += len(whole)
        text = whole.decode(errors="replace")
        self._found += [text[found.start() :][:_SHOWN] for found in _INCIDENT.finditer(text)]


INCIDENTS = Incidents()
"""Those of the whole run."""
