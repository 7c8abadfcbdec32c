"""A server process like `grism serve`, whose kernels are lost when it reads a line: what a fatal error would do."""

from __future__ import annotations

import gc
import sys
import threading

from engine.kernel import Kernel
from flight_server.cli.main import main
from tests.harness.kernel_loss import lose


def _lose_kernels() -> None:
    for _ in sys.stdin:
        gc.unfreeze()  # what a server that serves has left out of the collector's searches
        for kernel in [found for found in gc.get_objects() if isinstance(found, Kernel)]:
            lose(kernel._instance)


if __name__ == "__main__":
    threading.Thread(target=_lose_kernels, daemon=True).start()
    sys.exit(main())
