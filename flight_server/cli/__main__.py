"""``python -m flight_server.cli`` is the command `grism`."""

from __future__ import annotations

import sys

from flight_server.cli.main import main

__all__: list[str] = []

sys.exit(main())
