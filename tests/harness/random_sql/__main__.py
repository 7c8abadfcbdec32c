"""``python -m tests.harness.random_sql [--runtime NAME] [--seed N] [--worlds N]``: random queries by hand.

Prints each query that the runtime answers in another way than the kernel, made small, and what was run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.harness.random_sql.differ import Run, run_world
from tests.harness.runtimes import RUNTIMES, make_tables

__all__ = ["main"]


def main() -> int:
    """Returns 1 where anything differed."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.random_sql")
    parser.add_argument("--runtime", choices=list(RUNTIMES), default="local")
    parser.add_argument("--seed", type=int, default=0, help="the first world")
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--queries", type=int, default=50, help="in each world")
    parser.add_argument("--reduce", type=float, default=20.0, help="seconds to make a failure small")
    options = parser.parse_args()
    run, begun = Run(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tables = make_tables("memory", Path(folder))
        runtime = RUNTIMES[options.runtime](tables.storage)
        try:
            for seed in range(options.seed, options.seed + options.worlds):
                known = len(run.drifts)
                run_world(run, seed, options.queries, runtime, tables, options.reduce)
                for drift in run.drifts[known:]:
                    print(f"{drift}\n", flush=True)
        finally:
            runtime.close()
    print(f"{time.monotonic() - begun:.0f} s: {run.summary}")
    print(f"refused by the kernel: {sum(run.refused.values())} {dict(run.refused.most_common(8))}")
    print(f"with several answers: {len(run.undetermined)} {run.undetermined[:3]}")
    return 1 if run.drifts else 0


if __name__ == "__main__":
    raise SystemExit(main())
