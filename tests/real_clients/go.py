"""Go: the client of arrow-go's `flightsql`, and its driver of `database/sql`."""

from __future__ import annotations

from pathlib import Path

from tests.real_clients.programs import SOURCES, Program, run
from tests.real_clients.wants import Client

__all__ = ["PROGRAM"]

FLIGHTSQL = "go flightsql"
DATABASE_SQL = "go database/sql"


def _build(folder: Path) -> list[str]:
    program = folder / "program"
    run("go", "build", "-o", str(program), ".", folder=SOURCES / "go")
    return [str(program)]


PROGRAM = Program(
    language="go",
    tools=("go",),
    build=_build,
    clients={FLIGHTSQL: Client(parameters=None), DATABASE_SQL: Client(types=None, parameters=None)},
)
