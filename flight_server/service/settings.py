"""SetSessionOptions, GetSessionOptions, CloseSession: the options of a session and their values.

======================  =======================================================================
``catalog``             text; only ``grism``
``schema``              text; where names without a schema are looked for
``timeout``             seconds that a query may run, as a number or a text; 0 is no limit
``runtime``             ``local`` or ``ray``, where the server has both
``partitions``          whole number; partitions of a shuffle on Ray
``endpoints``           ``server``, or ``workers``: results on Ray that have no order are fetched from the workers, in
                        parts beside each other
``dictionaries``        whether an ENUM comes as a dictionary of utf8 and not as utf8
======================  =======================================================================

A value that is not set takes an option back.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from engine.statements.catalog import Catalog
from engine.statements.session import Session
from engine.storage.protocol import CATALOG, DEFAULT_SCHEMA
from engine.travel_types import Boundary
from flight_server.config import parse_duration
from flight_server.proto import flight as messages
from flight_server.service.request import Request
from flight_server.service.sessions import Sessions

__all__ = ["Settings"]

Value = str | bool | int | float | list[str] | None
_MAX_PARTITIONS = 65_535
_SERVER, _WORKERS = "server", "workers"


class Settings:
    """Answers the three actions."""

    def __init__(self, sessions: Sessions, catalog: Catalog, runtimes: Container[str]) -> None:
        self._sessions = sessions
        self._runtimes = runtimes
        self._catalog = catalog
        self._setters: Mapping[str, Callable[[Session, Value], None]] = {
            "catalog": self._set_catalog,
            "schema": self._set_schema,
            "timeout": _set_timeout,
            "partitions": _set_partitions,
            "runtime": self._set_runtime,
            "endpoints": _set_endpoints,
            "dictionaries": _set_dictionaries,
        }

    def set(
        self, request: Request, message: messages.SetSessionOptionsRequest
    ) -> Iterable[messages.SetSessionOptionsResult]:
        """Set what can be set; the answer names what could not. The first option begins the session."""
        result = messages.SetSessionOptionsResult()
        for name, value in sorted(message.session_options.items()):
            setter = self._setters.get(name)
            if setter is None:
                result.errors[name].value = messages.SetSessionOptionsResult.INVALID_NAME
                continue
            request.session.keep()
            try:
                setter(request.session, _plain(value))
            except ValueError:
                result.errors[name].value = messages.SetSessionOptionsResult.INVALID_VALUE
        yield result

    def get(
        self, request: Request, message: messages.GetSessionOptionsRequest
    ) -> Iterable[messages.GetSessionOptionsResult]:
        """The options as they are."""
        del message
        session, result = request.session, messages.GetSessionOptionsResult()
        result.session_options["catalog"].string_value = CATALOG
        result.session_options["schema"].string_value = session.schema
        if session.timeout is not None:
            result.session_options["timeout"].double_value = session.timeout
        if session.partitions is not None:
            result.session_options["partitions"].int64_value = session.partitions
        if session.runtime is not None:
            result.session_options["runtime"].string_value = session.runtime
        if session.in_parts:
            result.session_options["endpoints"].string_value = _WORKERS
        if session.boundary is Boundary.DICTIONARY_CLIENT:
            result.session_options["dictionaries"].bool_value = True
        yield result

    def close(self, request: Request, message: messages.CloseSessionRequest) -> Iterable[messages.CloseSessionResult]:
        """End the session, and what the client has left open in it, or over its connection where it had begun none."""
        del message
        self._sessions.close(request.session, request.holder.origin)
        yield messages.CloseSessionResult(status=messages.CloseSessionResult.CLOSED)

    def _set_catalog(self, session: Session, value: Value) -> None:
        del session
        if value is not None and (not isinstance(value, str) or value.lower() != CATALOG):
            raise ValueError(value)

    def _set_schema(self, session: Session, value: Value) -> None:
        known = {name.lower(): name for name in self._catalog.schemas(session)}
        name = DEFAULT_SCHEMA if value is None else value
        if not isinstance(name, str) or name.lower() not in known:
            raise ValueError(value)
        session.schema = known[name.lower()]

    def _set_runtime(self, session: Session, value: Value) -> None:
        if value is not None and (not isinstance(value, str) or value not in self._runtimes):
            raise ValueError(value)
        session.runtime = value


def _set_endpoints(session: Session, value: Value) -> None:
    if value not in (None, _SERVER, _WORKERS):
        raise ValueError(value)
    session.in_parts = value == _WORKERS


def _set_dictionaries(session: Session, value: Value) -> None:
    if value is not None and str(value).lower() not in ("true", "false"):
        raise ValueError(value)
    wanted = str(value).lower() == "true"
    session.boundary = Boundary.DICTIONARY_CLIENT if wanted else Boundary.CLIENT


def _set_timeout(session: Session, value: Value) -> None:
    seconds = parse_duration(value) if isinstance(value, str) else value
    if isinstance(seconds, bool | list) or (seconds is not None and not 0 <= seconds < 10**9):
        raise ValueError(value)
    session.timeout = None if seconds is None else float(seconds)


def _set_partitions(session: Session, value: Value) -> None:
    count = int(value) if isinstance(value, str) else value
    if isinstance(count, bool | float | list) or (count is not None and not 1 <= count <= _MAX_PARTITIONS):
        raise ValueError(value)
    session.partitions = count


def _plain(value: messages.SessionOptionValue) -> Value:
    match value.WhichOneof("option_value"):
        case None:
            return None
        case "string_list_value":
            return list(value.string_list_value.values)
        case kind:
            found: Value = getattr(value, kind)
            return found
