"""What the page shows of a server, and may do to it, by the rights of who looks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import GrismError
from engine.rights import Grants, Identity, Rights
from engine.statements.descriptions import Kill
from engine.statements.system_tables import SystemTables
from flight_server.monitoring.query import QueryPlan
from flight_server.monitoring.registry import QueryRegistry

__all__ = ["LIVE", "ServerView"]

LIVE = ("planning", "queued", "running", "sending")
"""The states of queries that have not ended."""

_audit = logging.getLogger("grism.audit")


@dataclass(frozen=True)
class ServerView:
    """The tables of the schema `system`, the plans of queries, and KILL. Nothing here waits for a turn."""

    system: SystemTables
    registry: QueryRegistry
    rights: Rights

    def grants(self, identity: Identity) -> Grants:
        """What somebody may see and do."""
        return Grants(self.rights, identity)

    def queries(self, grants: Grants) -> list[Mapping[str, Any]]:
        """The rows of ``system.queries``: first those that run, then those that ended, the newest first."""
        rows = sorted(self.system.rows("queries", grants), key=lambda row: row["begun"], reverse=True)
        return [row for row in rows if row["state"] in LIVE] + [row for row in rows if row["state"] not in LIVE]

    def query(self, identifier: str, grants: Grants) -> tuple[Mapping[str, Any], QueryPlan]:
        """One of them, with its plan. Raises UnknownQueryError."""
        return self.registry.find(identifier, grants)

    def rows(self, table: str, grants: Grants) -> Sequence[Mapping[str, Any]]:
        """The rows of another table of the schema `system`."""
        return self.system.rows(table, grants)

    def kill(self, kind: Literal["QUERY", "SESSION"], identifier: str, grants: Grants, peer: str) -> None:
        """Stop a query, or end a session, as KILL does; audited. Raises UnknownQueryError."""
        told: dict[str, object] = {"event": "kill", "user": grants.identity.name, "peer": peer, "by": "page"}
        told |= {"kind": f"KILL {kind}", "id": identifier[:100]}
        try:
            self.system.kill(grants, Kill(kind, identifier))
        except GrismError as error:
            _audit.warning("kill", extra={"fields": {**told, "status": type(error).__name__}})
            raise
        _audit.info("kill", extra={"fields": {**told, "status": "ok"}})
