"""What processes of ours leave out as they start."""

from __future__ import annotations

import gc
import subprocess
import sys

from engine.process_start import pause_collector

ARRAYS = """
import sys
from engine.process_start import leave_frames_out
leave_frames_out()
import adbc_driver_flightsql.dbapi, lance, pyarrow as pa
print(pa.array([1, None]).to_pylist(), pa.array(["x"]).to_pylist(), *sorted({"pandas", "polars"} & sys.modules.keys()))
"""


def test_arrays_and_drivers_do_without_frames() -> None:
    ran = subprocess.run([sys.executable, "-c", ARRAYS], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[1, None] ['x']\n"


def test_garbage_is_collected_again_after_the_imports() -> None:
    with pause_collector():
        assert not gc.isenabled()
        with pause_collector():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
