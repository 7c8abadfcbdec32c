"""What Rust has besides clients: the command line of arrow-flight, and DataFusion over tables of a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.real_clients.programs import CACHE, SOURCES, run

__all__ = ["command_line", "datafusion"]

_ARROW_FLIGHT = "60.1.0"
_SECONDS = 1800  # cold; DataFusion takes eight minutes of CPU
_QUICK = {"CARGO_PROFILE_DEV_DEBUG": "false", "CARGO_INCREMENTAL": "0"}


def command_line() -> str:
    """The path of `flight_sql_client`, which is installed where it is not there yet."""
    folder = _folder(f"rust-flight_sql_client-{_ARROW_FLIGHT}")
    program = folder / "bin" / "flight_sql_client"
    if not program.exists():
        package = ("arrow-flight", "--version", f"={_ARROW_FLIGHT}", "--bin", program.name)
        options = ("--locked", "--debug", "--quiet", "--features", "cli,flight-sql,tls-ring", "--root", str(folder))
        target = {"CARGO_TARGET_DIR": str(folder / "target")}
        run("cargo", "install", *package, *options, seconds=_SECONDS, **_QUICK, **target)
    return str(program)


def datafusion() -> str:
    """The path of the program in `clients/datafusion`, which is built."""
    target = _folder("rust-datafusion") / "target"
    sources = SOURCES / "datafusion"
    run("cargo", "build", "--locked", "--quiet", folder=sources, CARGO_TARGET_DIR=str(target), seconds=_SECONDS)
    return str(target / "debug" / "datafusion-program")


def _folder(name: str) -> Path:
    if not any(Path(path, "cargo").exists() for path in os.get_exec_path()):
        if os.environ.get("CI") != "true":
            pytest.skip("left out: there is no cargo")
        raise AssertionError("the programs in Rust need cargo")
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
