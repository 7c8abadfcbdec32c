"""What Ray runs: an actor that imports what this process imports, and a Worker in it.

Ray puts this process's current folder, and that of its script, in front of its workers' search path. There may be
packages called like ours. So the actor's class travels as code, not by the name of a module, and the worker in it comes
from where this process has its packages from, before anything else is imported.
"""

from __future__ import annotations

import os
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ray_runtime.worker import WorkerConfig

__all__ = ["actor_arguments", "actor_class"]

_PACKAGES = ("engine", "flight_server", "ray_runtime")


def actor_class() -> type:
    """The class of the actors. It is made in here so that Ray sends its code: nothing of ours is imported for it."""

    class Actor:
        def __init__(
            self, name: str, incarnation: int, config: bytes, roots: list[str], packages: list[str], foreign: list[str]
        ) -> None:
            """Import `packages` from `roots`, where they are, and begin a Worker with the pickled `config`.

            `foreign` are folders of the search path in which the coordinator's process does not look.
            """
            import importlib
            import pickle
            import sys
            import traceback

            self.failure: str | None = None
            try:
                kept = [path for path in sys.path if path not in foreign]
                sys.path[:] = [*roots, *kept]
                for package in packages:
                    importlib.import_module(package)
                sys.path[:] = kept  # what is in a package is found through it
                start = importlib.import_module("engine.process_start")
                start.leave_frames_out()
                with start.pause_collector():
                    module = importlib.import_module("ray_runtime.worker")
                worker = module.WorkerId(name, incarnation)
                self.worker = module.Worker(worker, pickle.loads(config))  # noqa: S301 - from our coordinator
            except Exception as error:
                traceback.print_exc()
                self.failure = f"{type(error).__name__}: {error}"

        def describe(self) -> Any:
            """Where the worker is; where it could not begin, text that says why."""
            return self.failure or self.worker.describe()

        def call(self, method: str, *arguments: Any) -> Any:
            """Call a method of the worker, which has begun."""
            return getattr(self.worker, method)(*arguments)

    return Actor


def actor_arguments(config: WorkerConfig) -> tuple[bytes, list[str], list[str], list[str]]:
    """What every actor is begun with, after its worker's name and incarnation."""
    added_by_ray = {str(Path.cwd()), str(Path(os.path.realpath(sys.argv[0])).parent)}
    own = {found for path in sys.path for found in (str(Path(path).absolute()), os.path.realpath(path))}
    specs = (find_spec(package) for package in _PACKAGES)
    places = (place for spec in specs if spec for place in spec.submodule_search_locations or ())
    roots = list(dict.fromkeys(str(Path(place).parent) for place in places))
    return pickle.dumps(config), roots, list(_PACKAGES), sorted(added_by_ray - own)
