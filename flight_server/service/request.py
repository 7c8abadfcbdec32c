"""One call, as the parts of the service see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from google.protobuf.message import Message

from engine.cache import LruCache
from engine.rights import Identity
from engine.runtime import ResultPart
from engine.statements.answers import Answer, QueryAnswer, TableAnswer
from engine.statements.context import StatementContext
from engine.statements.session import Session
from engine.storage.protocol import Origins
from flight_server.column_metadata import annotate
from flight_server.endpoint.calls import Call
from flight_server.monitoring.query import Caller
from flight_server.monitoring.statement import StatementInfo
from flight_server.service.store import Holder

__all__ = ["Offer", "PlannedAnswer", "Request"]


@dataclass(frozen=True)
class Request:
    """A call, who makes it, and in which session. What the call leaves behind is kept for its `holder`."""

    call: Call
    identity: Identity
    session: Session
    holder: Holder

    @property
    def caller(self) -> Caller:
        """Who asks, for those who watch what runs."""
        return Caller(self.identity.name, self.session, self.call)

    @property
    def context(self) -> StatementContext:
        """A run of a statement for this call, which stops when the call does."""
        return StatementContext(self.session, self.call.cancellation, poll=self.call.poll)


@dataclass(frozen=True)
class PlannedAnswer:
    """An answer that is ready to be fetched, and the statement that it answers.

    Without a `statement` its fetching is no query of its own: what it tells of has run, and is in the log.
    """

    answer: Answer
    statement: StatementInfo | None = None

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the answer's rows, with what drivers read of its columns."""
        return _annotate(self.answer.schema, self.answer.origins)

    @property
    def tells_of_server(self) -> bool:
        """Whether all that it reads tells of the running server."""
        return isinstance(self.answer, QueryAnswer) and self.answer.tells_of_server

    @property
    def is_query(self) -> bool:
        """Whether a query is still to run; otherwise the rows are there already."""
        return not isinstance(self.answer, TableAnswer)


@dataclass(frozen=True)
class Offer:
    """What get_flight_info answers: the schema, and the message that fetches the rows when it comes back as ticket.

    With `parts` the rows are there already, and are fetched from where these say.
    """

    schema: pa.Schema
    ticket: Message
    rows: int = -1
    parts: tuple[ResultPart, ...] = ()


_known: LruCache[int, tuple[pa.Schema, Origins, pa.Schema]] = LruCache(256, lambda _, known: len(known[0]), 50_000)


def _annotate(schema: pa.Schema, origins: Origins) -> pa.Schema:
    """As `annotate`, which is remembered for the very objects: a statement that is asked again has the same."""
    known = _known.get(id(schema))
    if known is None or known[0] is not schema or known[1] is not origins:
        known = schema, origins, annotate(schema, origins)
        _known.put(id(schema), known)
    return known[2]
