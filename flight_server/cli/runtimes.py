"""Storage and runtime from the configuration."""

from __future__ import annotations

from importlib.util import find_spec

from engine.runtime import Runtime
from engine.storage import DirectoryStorage
from flight_server.config import ConfigError, ServerConfig
from local_runtime import LocalRuntime

__all__ = ["open_runtime"]


def open_runtime(config: ServerConfig) -> Runtime:
    """The runtime that `config` names over the folder that it names; close it after use. Raises ConfigError."""
    if config.runtime.runtime == "ray":
        if find_spec("ray") is None:
            raise ConfigError("--runtime ray needs Ray, which is not installed: pip install 'grism[ray]'.")
        raise ConfigError("--runtime ray is not part of this version; use --runtime local.")
    if config.data.data is None:
        raise ConfigError("No folder is named.")
    resources = config.resources
    return LocalRuntime(
        DirectoryStorage(config.data.data),
        memory_limit=resources.memory_limit,
        threads=resources.threads,
        spill_directory=str(resources.spill_dir) if resources.spill_dir else None,
    )
