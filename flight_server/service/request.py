"""One call, as the parts of the service see it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
from google.protobuf.message import Message

from engine.rights import Identity
from engine.runtime import ResultPart
from engine.statements.answers import Answer, TableAnswer
from engine.statements.context import StatementContext
from engine.statements.session import Session
from flight_server.column_metadata import annotate
from flight_server.endpoint.calls import Call
from flight_server.service.store import Holder

__all__ = ["MAX_LOGGED", "Offer", "PlannedAnswer", "Request", "StatementInfo"]

MAX_LOGGED = 500
"""Characters of a statement's text, or an error's, in the log."""


@dataclass(frozen=True)
class Request:
    """A call, who makes it, and in which session.

    `origin` is the session or the connection with whose end all ends that the call leaves behind.
    """

    call: Call
    identity: Identity
    session: Session = field(default_factory=Session)
    origin: str = ""

    @property
    def holder(self) -> Holder:
        """For whom something is kept that the call leaves behind."""
        return Holder(self.identity, self.origin)

    @property
    def context(self) -> StatementContext:
        """A run of a statement for this call, which stops when the call does."""
        return StatementContext(self.session, self.call.cancellation, poll=self.call.poll)


@dataclass(frozen=True)
class StatementInfo:
    """A client's statement: its kind, as ``CREATE TABLE``, its text, and the seconds that planning it took."""

    kind: str
    text: str
    planning: float = 0.0

    @property
    def shown(self) -> str:
        """The text for a log: on one line, and not all of a long one."""
        text = re.sub(r"\s+", " ", self.text[: 4 * MAX_LOGGED]).strip()
        return text if len(text) <= MAX_LOGGED else text[:MAX_LOGGED] + " ..."


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
        return annotate(self.answer.schema)

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
