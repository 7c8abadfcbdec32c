"""What the server logs, on stderr: lines for people, or one JSON object a line.

A record's fields are what the code gives as ``extra={"fields": {...}}``::

    2026-03-01T08:15:30.123Z INFO grism.audit: login event=login user=alice status=ok
    {"time": "2026-03-01T08:15:30.123Z", "level": "info", "logger": "grism.audit", "message": "login", "event": ...}

Whatever stands in a message or a field, a line stays one line. Only a traceback, in the text format, takes more, none
of which begins as a record's does: with a time.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from engine.printable import on_one_line

__all__ = ["JsonFormatter", "TextFormatter", "configure"]

_log = logging.getLogger("grism")
_PLAIN = re.compile(r"[^\s\"=\\]+")


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send the records of all loggers from `level` on to `stream` (stderr), in the form ``text`` or ``json``.

    Warnings, and exceptions that nobody caught, become records too. gRPC and Lance write past all loggers, in lines of
    their own: they are silent beside JSON, and gRPC keeps to errors beside text, unless GRPC_VERBOSITY and LANCE_LOG
    say otherwise. Call this before gRPC is first used, and before Lance is imported.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE" if form == "json" else "ERROR")
    if form == "json":
        os.environ.setdefault("LANCE_LOG", "lance=off")  # and so nothing else; a bare word sets Python loggers, too
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # No line tells from which thread it comes, or from where in the code, for which the stack would be searched each
    # time. How to leave that out stands in Python's logging HOWTO, under "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class TextFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, and the fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join([f" {key}={_value(value)}" for key, value in _fields(record).items()])
        head = f"{_time(record)} {record.levelname} {record.name}: {on_one_line(record.getMessage())}{fields}"
        lines = _trace(self, record).splitlines()
        return "\n".join([head, *(f"  {on_one_line(line.expandtabs(4))}" for line in lines)])


class JsonFormatter(logging.Formatter):
    """A JSON object on one line: time, level, logger, message, the fields, and `exception` where there is one.

    A field that has the name of one of these stands as `field_NAME`.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        trace = _trace(self, record)
        if trace:
            entry["exception"] = trace
        taken = set(entry)
        entry |= {f"field_{key}" if key in taken else key: value for key, value in _fields(record).items()}
        return json.dumps(entry, default=str, ensure_ascii=True)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _time(record: logging.LogRecord) -> str:
    text = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _value(value: object) -> str:
    """As it is where it is one word, else as a JSON string."""
    if type(value) is int or type(value) is float:
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else json.dumps(text)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
