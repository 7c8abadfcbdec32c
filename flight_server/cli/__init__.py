"""The command `grism`. The only part of flight_server that knows the runtimes: here the program is put together."""

from __future__ import annotations

from flight_server.cli.main import main

__all__ = ["main"]
