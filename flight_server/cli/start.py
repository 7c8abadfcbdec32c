"""`grism serve`: its options are read, and the log begins, before anything is imported that writes into it."""

from __future__ import annotations

import argparse
import logging
from importlib import import_module
from pathlib import Path

from engine.errors import GrismError
from engine.process_start import pause_collector
from flight_server import logs
from flight_server.cli.failures import CommandError
from flight_server.config import load, options
from flight_server.options import ConfigError

__all__ = ["run"]

_log = logging.getLogger("grism")


def run(arguments: argparse.Namespace) -> int:
    """Serve, as these arguments, variables and a file say, until the process is told to stop."""
    flags = {option.name: getattr(arguments, option.name) for option in options()}
    config = load(flags, file=Path(arguments.config) if arguments.config else None)
    config.check()
    logs.configure(config.log.log_level, config.log.log_format)
    with pause_collector():
        server = import_module("flight_server.cli.serve")  # Lance reads its variable for logs when it is imported
    try:
        status: int = server.serve(config)
    except (GrismError, CommandError, ConfigError) as error:
        if config.log.log_format != "json":
            raise
        _log.critical("%s", error.message if isinstance(error, GrismError) else error)
        return 2 if isinstance(error, ConfigError) else 1
    return status
