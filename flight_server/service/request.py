"""One call, as the parts of the service see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
from google.protobuf.message import Message

from engine.runtime import ResultPart, ResultParts
from flight_server.auth import Identity
from flight_server.endpoint.calls import Call
from flight_server.endpoint.streams import ResultStream
from flight_server.service.queries import Asked, Query
from flight_server.service.sessions import Session
from flight_server.service.store import Holder

__all__ = ["Offer", "Planned", "Request"]


@dataclass(frozen=True)
class Request:
    """A call, who makes it, and in which session. `query` is the statement that runs for it, once one does.

    `origin` is the session or the connection with whose end all ends that the call leaves behind.
    """

    call: Call
    identity: Identity
    session: Session = field(default_factory=Session)
    query: Query | None = None
    origin: str = ""

    @property
    def holder(self) -> Holder:
        """For whom something is kept that the call leaves behind."""
        return Holder(self.identity, self.origin)


@dataclass(frozen=True)
class Planned:
    """A result that is ready to be fetched: its schema, and `open`, which starts it anew each time.

    What is not `is_query` is a table that is there already. Without `asked` its fetching is no query of its own: what
    it tells of has run, and is in the log. `spread` runs it so that its rows stay at the workers, where that can be.
    """

    schema: pa.Schema
    open: Callable[[Request], ResultStream]
    asked: Asked | None
    is_query: bool = True
    spread: Callable[[Request], ResultParts] | None = None


@dataclass(frozen=True)
class Offer:
    """What get_flight_info answers: the schema, and the message that fetches the rows when it comes back as ticket.

    With `parts` the rows are there already, and are fetched from where these say.
    """

    schema: pa.Schema
    ticket: Message
    rows: int = -1
    parts: tuple[ResultPart, ...] = ()
