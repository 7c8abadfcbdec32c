"""The process of the command `grism`, also as ``python -m flight_server.cli``."""

from __future__ import annotations

import sys

from engine.process_start import leave_frames_out
from flight_server.cli.main import main

__all__ = ["run"]


def run() -> int:
    """What `main` does, in a process that is the command's own; returns its exit status."""
    leave_frames_out()
    return main()


if __name__ == "__main__":
    sys.exit(run())
