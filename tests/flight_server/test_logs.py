"""Log lines: text and JSON, their fields, and text that would break a line."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from flight_server import logs


@pytest.fixture
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, in the form that is the test's parameter; all is as it was afterwards."""
    monkeypatch.setenv("GRPC_VERBOSITY", "ERROR")
    for gathered in ("logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, gathered, True)
    monkeypatch.setattr(logging, "_srcfile", logging._srcfile)
    root, stream = logging.getLogger(), io.StringIO()
    level, handlers, hooks = root.level, root.handlers[:], (sys.excepthook, threading.excepthook)
    for handler in handlers:
        root.removeHandler(handler)
    logs.configure("info", request.param, stream)
    yield stream
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks
    root.setLevel(level)
    root.handlers[:] = handlers


NASTY = 'x\n2026-01-01T00:00:00.000Z INFO grism.audit: login user="root"\u2028\x1b[2J'


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_json_is_one_object_a_line(lines: io.StringIO) -> None:
    logger = logging.getLogger("grism.audit")
    logger.warning("login failed %s", NASTY, extra={"fields": {"user": NASTY, "rows": 3, "level": "x", "ok": None}})
    logger.debug("not shown")
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logger.exception("incident")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert list(first) == ["time", "level", "logger", "message", "user", "rows", "field_level", "ok"]
    assert (first["level"], first["logger"], first["message"]) == ("warning", "grism.audit", f"login failed {NASTY}")
    assert (first["user"], first["rows"], first["field_level"], first["ok"]) == (NASTY, 3, "x", None)
    assert first["time"].endswith("Z")
    assert "ValueError: broken\nin two" in second["exception"]


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_text_prints_fields_and_stays_on_its_line(lines: io.StringIO) -> None:
    fields = {"user": "al ice", "rows": 3, "at": "grpc://h:1", "who": NASTY, "ok": True, "none": None, "empty": ""}
    logging.getLogger("grism.audit").info(NASTY, extra={"fields": fields})
    (line,) = lines.getvalue().splitlines()
    assert " INFO grism.audit: x\\n2026-01-01T" in line
    assert ' user="al ice" rows=3 at=grpc://h:1 who="x\\n2026' in line
    assert line.endswith('\\u2028\\u001b[2J" ok=true none=null empty=""')
    logging.getLogger("x").info("plain")
    assert lines.getvalue().endswith(" INFO x: plain\n")


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_no_line_of_a_traceback_is_like_a_record(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"a\tb\n{NASTY}")
    except ValueError:
        logging.getLogger("x").exception("incident")
    head, *trace = lines.getvalue().splitlines()
    assert head.endswith(" ERROR x: incident")
    assert all(line.startswith("  ") and line.isprintable() for line in trace)
    assert trace[-4:-2] == ["  ValueError: a   b", "  x"]
    assert trace[-2:] == ['  2026-01-01T00:00:00.000Z INFO grism.audit: login user="root"', "  \\x1b[2J"]


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_what_nobody_caught_and_warnings_are_records(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)

    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    warned, uncaught = map(json.loads, lines.getvalue().splitlines())
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert (uncaught["level"], uncaught["message"]) == ("critical", "uncaught RuntimeError")
    assert "in a thread" in uncaught["exception"]
