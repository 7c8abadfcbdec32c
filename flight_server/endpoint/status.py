"""The one table from our errors to what a Flight client sees, and the guard that stands around every RPC.

What pyarrow's server can send is decided by the class of the Python exception: ValueError gives INVALID_ARGUMENT,
KeyError NOT_FOUND, NotImplementedError UNIMPLEMENTED, and the Flight errors their own codes. ALREADY_EXISTS,
RESOURCE_EXHAUSTED and DATA_LOSS cannot be sent; the nearest code that can be stands in for them. Every failed call also
carries the class of the error in the trailer `grism-error`, and, where the code leaves room, in the message's detail.

pyarrow appends the formatted traceback of a Python exception to the message, and only the exception's class name where
it cannot be formatted. So what is raised here cannot be formatted.
"""

from __future__ import annotations

import logging
import secrets
import string
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NoReturn

import pyarrow as pa
from pyarrow import flight

from engine import errors

__all__ = [
    "ERROR_TRAILER",
    "STATUS_BY_ERROR",
    "DrainingError",
    "LoginUnavailableError",
    "ShutdownError",
    "UnauthenticatedError",
    "code_of",
    "flight_errors",
    "to_flight",
    "to_sent",
]

log = logging.getLogger(__name__)

ERROR_TRAILER = "grism-error"
_PLAIN = frozenset(string.ascii_letters + string.digits + string.punctuation + " ") - {"%"}
_MAX_TRAILER = 6_000  # bytes of a message; clients refuse calls with more than 8 KB of metadata


class UnauthenticatedError(errors.GrismError):
    """The caller did not prove who they are, or what they hold is not valid."""


class LoginUnavailableError(errors.GrismError):
    """Nobody can be told who they are: what logins are checked against cannot be read."""


class DrainingError(errors.GrismError):
    """The server is about to stop and begins nothing new."""

    def __init__(self) -> None:
        super().__init__("The server is draining and begins nothing new; connect to another, or try again later.")


class ShutdownError(errors.CancelledError):
    """The server stops, and what runs with it."""

    def __init__(self) -> None:
        super().__init__("The server is shutting down; run it again at another, or later.")


_INVALID_ARGUMENT = ValueError
_NOT_FOUND = pa.ArrowKeyError
_UNIMPLEMENTED = NotImplementedError
_INTERNAL = flight.FlightInternalError

STATUS_BY_ERROR: dict[type[errors.GrismError], type[Exception]] = {
    UnauthenticatedError: flight.FlightUnauthenticatedError,
    DrainingError: flight.FlightUnavailableError,
    ShutdownError: flight.FlightUnavailableError,
    LoginUnavailableError: flight.FlightUnavailableError,
    errors.PlanningError: _INVALID_ARGUMENT,
    errors.SqlSyntaxError: _INVALID_ARGUMENT,
    errors.UnknownTableError: _NOT_FOUND,
    errors.UnknownQueryError: _NOT_FOUND,
    errors.UnknownColumnError: _NOT_FOUND,
    errors.UnknownIndexError: _NOT_FOUND,
    errors.TypeMismatchError: _INVALID_ARGUMENT,
    errors.SchemaMismatchError: _INVALID_ARGUMENT,
    errors.ForbiddenError: flight.FlightUnauthorizedError,
    errors.TableExistsError: _INVALID_ARGUMENT,
    errors.IndexExistsError: _INVALID_ARGUMENT,
    errors.InvalidPlanError: _INVALID_ARGUMENT,
    errors.UnsupportedError: _UNIMPLEMENTED,
    errors.ExecutionError: _INTERNAL,
    errors.InvalidValueError: _INVALID_ARGUMENT,
    errors.DataCorruptError: _INTERNAL,
    errors.InvalidDataError: _INVALID_ARGUMENT,
    errors.StorageError: _INTERNAL,
    errors.ConflictError: flight.FlightUnavailableError,
    errors.StorageFullError: flight.FlightUnavailableError,
    errors.MemoryExceededError: flight.FlightUnavailableError,
    errors.ResourceExhaustedError: flight.FlightUnavailableError,
    errors.CancelledError: flight.FlightCancelledError,
    errors.DeadlineExceededError: flight.FlightTimedOutError,
    errors.KernelFailedError: _INTERNAL,
    errors.KernelLostError: flight.FlightUnavailableError,
    errors.StageFailedError: _INTERNAL,
    errors.ExchangeFailedError: _NOT_FOUND,
    errors.WorkerLostError: flight.FlightUnavailableError,
}


_CODES: tuple[tuple[type[BaseException], str], ...] = (
    (flight.FlightUnauthenticatedError, "UNAUTHENTICATED"),
    (flight.FlightUnauthorizedError, "PERMISSION_DENIED"),
    (flight.FlightUnavailableError, "UNAVAILABLE"),
    (flight.FlightCancelledError, "CANCELLED"),
    (flight.FlightTimedOutError, "DEADLINE_EXCEEDED"),
    (flight.FlightInternalError, "INTERNAL"),
    (KeyError, "NOT_FOUND"),
    (NotImplementedError, "UNIMPLEMENTED"),
    (ValueError, "INVALID_ARGUMENT"),
)


def code_of(error: BaseException) -> str:
    """The gRPC code with which pyarrow's server ends a call in which `error` was raised."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "UNKNOWN")


def to_flight(error: BaseException) -> Exception:
    """The exception that makes pyarrow's server send `error`; what is not ours becomes an incident in the log.

    The message loses its full stop, since pyarrow goes on with ". Detail: ", and is cut to what a trailer holds.
    """
    if isinstance(error, flight.FlightError):
        return _unformattable(type(error), type(error).__name__)(*error.args, extra_info=error.extra_info)
    for kind in type(error).__mro__:
        if isinstance(error, errors.GrismError) and kind in STATUS_BY_ERROR:
            return _unformattable(STATUS_BY_ERROR[kind], type(error).__name__)(_shorten(error.message))
    return _unformattable(_INTERNAL, "InternalError")(_incident(error))


def to_sent(error: BaseException, add_trailer: Callable[[str, str], None] | None) -> Exception:
    """As `to_flight`, told in the trailers, too, by the call context's method `add_trailer`."""
    translated = to_flight(error)
    if add_trailer is not None:
        add_trailer(ERROR_TRAILER, type(translated).__name__)
    return translated


def _shorten(message: str) -> str:
    """`message` without its full stop; a long one without its middle, so that its status fits into the trailers.

    They hold it twice: as bytes in base 64, and with three characters for each byte that is not plain ASCII.
    """
    text = message.rstrip(".")
    sizes = [7 / 3 if c in _PLAIN else 13 / 3 * len(c.encode(errors="replace")) for c in text]
    if sum(sizes) <= _MAX_TRAILER:
        return text
    head = _longest(sizes, _MAX_TRAILER / 2)
    tail = _longest(sizes[::-1], _MAX_TRAILER / 2)
    return f"{text[:head]} ... {text[len(text) - tail :]}"


def _longest(sizes: Sequence[float], limit: float) -> int:
    """How many of the first `sizes` come to `limit` together."""
    return sum(1 for total in accumulate(sizes) if total <= limit)


def _incident(error: BaseException) -> str:
    incident = secrets.token_hex(4)
    log.error("incident %s", incident, exc_info=error)
    return f"An internal error occurred; the log has it as {incident}"


class flight_errors:
    """Around everything that pyarrow's server calls: whatever is raised leaves as `to_flight` has it.

    `add_trailer` is the call context's method of that name.
    """

    __slots__ = ("_add_trailer",)

    def __init__(self, add_trailer: Callable[[str, str], None] | None = None) -> None:
        self._add_trailer = add_trailer

    def __enter__(self) -> None:
        """Nothing happens until something is raised."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, GeneratorExit):
            return
        translated = to_sent(error, self._add_trailer)  # a panic in native code, too, which is no Exception
        try:
            raise translated from None
        finally:
            del translated  # or it would hold this frame, and all that it came through, until the garbage is collected


def _no_cause(_: BaseException) -> NoReturn:
    raise AttributeError("__cause__")


def _unformattable(base: type[Exception], name: str) -> Callable[..., Exception]:
    if (base, name) not in _UNFORMATTABLE:
        _UNFORMATTABLE[base, name] = type(name, (base,), {"__cause__": property(_no_cause), "__module__": __name__})
    return _UNFORMATTABLE[base, name]


_UNFORMATTABLE: dict[tuple[type[Exception], str], type[Exception]] = {}
