"""docs/sql.md names every error that a client may be told, with its status, and every setting of a session."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import ExecutionError, GrismError, PlanningError
from engine.statements import settings
from flight_server.endpoint.status import STATUS_BY_ERROR, code_of, to_flight
from flight_server.service.store import EvictedError
from flight_server.service.wire import BadRequestError

TEXT = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(text)


def test_each_error_has_its_status() -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| (\w+) \|(?: .+)? \|$", _section("Errors"), re.MULTILINE)
    roots: set[type[GrismError]] = {PlanningError, ExecutionError}  # of which no error is itself
    kinds = {*STATUS_BY_ERROR, BadRequestError, EvictedError} - roots
    assert dict(rows) == {kind.__name__: code_of(to_flight(kind.__new__(kind, "text"))) for kind in kinds}
    assert len(rows) == len(kinds)


def test_each_setting_is_there() -> None:
    names = re.findall(r"^\| `(\w+)` \| .+ \|$", _section("Settings of a session"), re.MULTILINE)
    assert settings.__doc__ is not None
    assert sorted(names) == sorted(re.findall(r"^``(\w+)`` ", settings.__doc__, re.MULTILINE))
