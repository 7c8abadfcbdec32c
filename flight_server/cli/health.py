"""`grism health`: what a server's health port says, as a line and an exit status."""

from __future__ import annotations

import argparse
import os
import re

from flight_server.health import check_health
from flight_server.options import ConfigError

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the status; returns 0 where it is SERVING, else 1."""
    if not re.fullmatch(r"\S+:\d{1,5}", arguments.address):
        raise ConfigError(f"{arguments.address!r} is no HOST:PORT.")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else it tells of a server that stops, beside our own line
    status = check_health(arguments.address, timeout=arguments.timeout)
    print(status)
    return 0 if status == "SERVING" else 1
