"""The process of the command `grism`, also as ``python -m flight_server.cli``."""

from __future__ import annotations

import gc
import os
import signal
import sys

__all__ = ["run"]


def run() -> int:
    """What `main` does, in a process that is the command's own; returns its exit status."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    from engine.process_start import leave_frames_out, pause_collector

    leave_frames_out()
    with pause_collector():
        from flight_server.cli.main import main  # which takes a while

    signal.signal(signal.SIGINT, before)
    try:
        return main()
    finally:
        gc.freeze()  # or the interpreter, as it ends, looks for garbage: a tenth of a short command's time


def _leave(*_: object) -> None:
    """End at once: an import that is interrupted fails with any error, and there is nothing yet to let go of."""
    os.write(2, b"grism: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(run())
