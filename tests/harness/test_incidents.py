"""An internal error in a log is found, once, and only whole lines are read."""

from __future__ import annotations

import logging
from pathlib import Path

from tests.harness.incidents import Incidents


def test_lines_of_a_log_are_found_once(tmp_path: Path) -> None:
    incidents, log = Incidents(), tmp_path / "log"
    with incidents.watch(log):
        assert incidents.take() == []
        log.write_text("2026 ERROR x: incident 0a1b2c3d\nTraceback: reason\nan incident by another name\n")
        [found] = incidents.take()
        assert found.startswith("incident 0a1b2c3d\nTraceback: reason")
        assert incidents.take() == []
        with log.open("a") as more:
            more.write('{"message": "incident 00000')
            more.flush()
            assert incidents.take() == []
            more.write('000"}\n')
    assert len(incidents.take()) == 1


def test_records_of_this_process_are_found() -> None:
    incidents, logger = Incidents(), logging.getLogger("flight_server.endpoint.status")
    for message in ("incident %s", "no such thing %s"):
        incidents.handle(logger.makeRecord(logger.name, logging.ERROR, "", 0, message, ("0a1b2c3d",), None))
    assert [found.splitlines()[0] for found in incidents.take()] == ["incident 0a1b2c3d"]
