"""JavaScript: Flight SQL's messages over @grpc/grpc-js, with the data read and written by apache-arrow."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.real_clients.programs import SOURCES, Program, run
from tests.real_clients.wants import Client

__all__ = ["PROGRAM"]

APACHE_ARROW = "javascript apache-arrow"
_MESSAGES = SOURCES.parent / "flight_server" / "proto"


def _build(folder: Path) -> list[str]:
    sources = (SOURCES / "javascript", _MESSAGES)
    for file in (
        file for source in sources for pattern in ("*.js", "*.json", "*.proto") for file in source.glob(pattern)
    ):
        shutil.copy(file, folder)
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", folder=folder)
    return ["node", str(folder / "program.js")]


PROGRAM = Program(
    language="javascript",
    tools=("node", "npm"),
    build=_build,
    clients={APACHE_ARROW: Client()},
)
