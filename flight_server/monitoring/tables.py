"""The tables of the schema `system` that tell of a server; ``system.tables`` is there without one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from engine.rights import Grants
from engine.runtime import Runtime
from engine.statements.system_tables import Rows, SystemTables
from flight_server.config import ServerConfig, shown_options
from flight_server.monitoring.registry import QueryRegistry

__all__ = ["offer_server_tables", "offer_settings"]


def offer_server_tables(
    system: SystemTables, registry: QueryRegistry, sessions: Rows, runtimes: Collection[Runtime]
) -> None:
    """Let what runs tell of itself."""
    system.offer("queries", registry.rows)
    system.offer("stages", registry.stages)
    system.offer("tasks", registry.tasks)
    system.offer("sessions", sessions)
    system.offer("workers", partial(_workers, runtimes))


def offer_settings(system: SystemTables, config: ServerConfig) -> None:
    """Let administrators see with which options the server was started."""
    system.offer("settings", partial(_settings, config))


def _workers(runtimes: Collection[Runtime], grants: Grants) -> Iterator[Mapping[str, Any]]:
    if grants.is_administrator:
        for runtime in runtimes:
            yield from map(asdict, runtime.workers())


def _settings(config: ServerConfig, grants: Grants) -> Iterator[Mapping[str, Any]]:
    if grants.is_administrator:
        yield from map(asdict, shown_options(config))
