"""The kernel's errors as ours, told by the kind and the message in their text.

The text has the same form whether it comes as an exception of the kernel or through an Arrow stream:
``Kind Error: message``, with JSON in the place of the message where the kernel gives details.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from engine.arrow_input.guard import stored_value_error
from engine.errors import (
    CancelledError,
    DataCorruptError,
    ExecutionError,
    ForbiddenError,
    GrismError,
    InvalidDataError,
    InvalidValueError,
    KernelFailedError,
    KernelLostError,
    MemoryExceededError,
    PlanningError,
    ResourceExhaustedError,
    SqlSyntaxError,
    StorageError,
    TypeMismatchError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
    nearest,
)
from engine.full_disk import full_error
from engine.hidden_columns import STORED, is_hidden
from engine.place import Place
from engine.travel_types import CAST_FROM
from engine.value_bounds import TOO_LARGE

__all__ = [
    "bind_error",
    "execution_error",
    "is_fatal",
    "is_unread_form",
    "planning_error",
    "require_text",
    "syntax_error",
    "too_deep",
]

_log = logging.getLogger(__name__)

_FORBIDDEN = "The statement reaches for files or settings that a client may not touch."
_UNREADABLE = "A file of a table could not be read; check the table's files."
_NOT_SPILLED = "The query's spill files could not be written"
# Of the disk of the spill files it uses nine tenths of what was free when it first wrote one, whatever is free later.
_NO_ROOM = re.compile(r"failed to offload data block of size .{1,40} \(.{1,40}/(.{1,40}) used\)")
_GONE = "A file of the version that the query reads is not there: another tool removed it, or lost it. Run it again."
_DEPTH_EXCEEDED = ("Max expression depth limit", "Serialized JSON exceeds the maximum nesting depth")
_SETTING_ADVICE = re.compile(r'(?:,? or|\.?\s{1,3}(?:Use|You can use|\*)) "?SET \w+[^.]*')  # settings are locked
_NO_ORDER = re.compile(r"([A-Z ]{1,40}) non-integer literal has no effect")
# The kernel quotes some names as SQL does, and others only puts between quotes, whatever is in them.
_QUOTED = r'"(?:[^"]|"")*"'
_MISSING_COLUMN = re.compile(
    rf"^Column (?:{_QUOTED}\.)*({_QUOTED}) (?:does not exist|in \w+ list not found)"
    rf'|^[^"]*{_QUOTED} does not have a column (?:named|with name) ({_QUOTED})(?:\n|$)'
)
_MISSING_UNQUOTED = re.compile(
    r'^Referenced (?:update )?column "?(.+?)"? (?:was not found because|not found in)'
    r'|^Column "(.+?)" was selected but was not found in',
    re.DOTALL,
)
_TOO_LONG = re.compile(r"Could not cast value (-?[0-9]{39}) to DECIMAL\(38,0\)")
_MISSING_TABLE = re.compile(r'^Referenced table "(.+?)" not found!(?:\nCandidate tables: |$)', re.DOTALL)
_CANDIDATES = re.compile(r"\n(?:Candidate (?:bindings|tables): |Did you mean: )[: ]*(.+)$", re.DOTALL)
_AFTERWARDS = "has been invalidated because of a previous fatal error"
_LOCATION = re.compile(r"\[(\d{1,18}),(\d{1,18})\]")  # the kernel tells the largest number where it knows none
_MAX_MESSAGE = 600
# Messages of these kinds hold names and values of the statement, and none is of a file.
_OF_THE_STATEMENT = frozenset({"binder", "catalog", "parser", "syntax", "conversion"})
# What the kernel tells by any other kind is wrong with a statement's values; these are its own troubles.
_NO_VALUE_S_FAULT = frozenset(
    {"transaction", "scheduler", "planner", "optimizer", "nullpointer", "stat"}
    | {"index", "dependency", "network", "http"}
)
# Behind these come candidates in the kernel's own words, or advice on settings and extensions, which are locked.
_ADVICE = ("\n\tCandidate functions:", "\nThe coordinate system definition may", "\n\nPlease try installing")

_OF_A_FILE = (
    "Failed to read file",
    "TProtocolException",
    "TTransportException",
    "Parquet metadata is corrupt",
    "Incorrect stats size",
    "don't know what type",
    "invalid TType",
    "No more data to read",
    "Invalid Parquet",
)
# What Arrow says of files that it reads for the kernel.
_OF_A_STREAM = re.compile(r"^reading the stream registered as '\w+' failed: IOError: ")
# Lance tells the place in its source where something failed, of all that fails while its rows are read.
_OF_LANCE = re.compile(r"/lance[\w-]{0,40}/src/[\w/]{1,100}\.rs:\d")
# And that it does not read what lies there, which may be whole.
_UNREAD_BY_LANCE = re.compile(
    r"not yet implemented|[Nn]ot (?:yet )?supported|Unsupported|by this version of Lance|of differing lengths"
    r"|have differing lengths|requires a positive bit width"
)
_UNREAD = (
    "A table has columns that Lance does not read in the form in which they are stored; leave them out, or read them "
    "with the tool that wrote them. The log of the server has which."
)
_OF_A_VARIANT = ("Corrupted VARIANT", "Data corruption detected, read of")
_WHILE_PLANNING = (PlanningError, CancelledError, MemoryExceededError, KernelFailedError, KernelLostError)


def too_deep() -> UnsupportedError:
    """The error for a statement that is nested more deeply than it can be taken in."""
    return UnsupportedError("The statement is nested too deeply; break it into CTEs.")


def is_fatal(error: BaseException) -> bool:
    """Whether the kernel may be invalid from this error on."""
    return _parts(error)[0] in ("fatal", "internal", "connection")


def is_unread_form(message: str) -> bool:
    """Whether Lance says that it does not read a form of data, which need not be damaged."""
    return _UNREAD_BY_LANCE.search(message) is not None


def require_text(text: str) -> None:
    """Raise SqlSyntaxError for half a surrogate pair, and for NUL, where the kernel would take the text to end."""
    try:
        text.encode()
        position, what = text.find("\0"), "a NUL character stands here; write chr(0)"
    except UnicodeEncodeError as error:
        position, what = error.start, "the text is not valid Unicode; half a surrogate pair stands here"
    if position >= 0:
        raise SqlSyntaxError(what, Place(text, position, 1))


def syntax_error(text: str, answer: Mapping[str, Any]) -> GrismError:
    """The error for `text`, which the parser refused with this `answer`."""
    message = str(answer["error_message"])
    return too_deep() if message.startswith(_DEPTH_EXCEEDED) else SqlSyntaxError(message, _place(text, answer))


def bind_error(error: BaseException, columns: Iterable[str], prefix: str, text: str) -> GrismError:
    """As `planning_error`, for `text` that was bound behind a `prefix`, with the place in it."""
    found = planning_error(error, columns)
    found.place = _place(text, _details(str(error)), len(prefix.encode()))
    return found


def planning_error(error: BaseException, columns: Iterable[str] = ()) -> GrismError:
    """The planning error that a failed bind stands for; `columns` are names that it may have meant."""
    kind, message = _parts(error)
    if message.startswith(_DEPTH_EXCEEDED):
        return too_deep()
    damaged = None if kind in _OF_THE_STATEMENT else _error_of_file(message)
    if damaged is not None:
        return damaged
    column = _missing_column(error, message)
    if column:
        return _unknown_column(column, message, columns)
    missing = _MISSING_TABLE.search(message)
    if missing is not None:
        near = nearest(missing[1], _candidates(message))
        hint = f'did you mean "{near}"?' if near else "name a table or an alias of the FROM clause."
        return UnknownTableError(f'There is no table "{_shorten_name(missing[1])}" in reach; {hint}')
    if (constant := _NO_ORDER.match(message)) is not None:
        return TypeMismatchError(
            f"{constant[1]} has a constant here, by which all rows are equal: name a column, or its number. A text, "
            "also one that is bound to a parameter, is no name."
        )
    match kind:
        case "parser" | "syntax":
            return SqlSyntaxError(_shorten(message))
        case "conversion":
            return TypeMismatchError(_shorten(message))
        case "notimplemented" if message.startswith("Cannot combine types "):
            return TypeMismatchError(_shorten(message))
    found = execution_error(error)
    return found if isinstance(found, _WHILE_PLANNING) else PlanningError(_shorten(message))


def execution_error(error: BaseException) -> GrismError:
    """The error that a failed statement or stream stands for; an error of ours is returned as it is."""
    if isinstance(error, GrismError):
        return error
    kind, message = _parts(error)
    return _error_of_message(kind, message) or _error_of_kind(kind, message)


def _error_of_message(kind: str, message: str) -> GrismError | None:
    """What the kernel's text tells better than its kind; None where the kind is to tell."""
    found = stored_value_error(message) or (None if kind in _OF_THE_STATEMENT else _error_of_file(message))
    if found is not None:
        return found
    cause, _, stored = message.rpartition(f"{CAST_FROM}{STORED}")
    if cause:
        return InvalidDataError(f'A stored value of column "{stored}" is not of its type, {_shorten(cause)}.')
    if message.startswith(_DEPTH_EXCEEDED):
        return too_deep()
    too_long = _TOO_LONG.match(message)
    if too_long is not None:
        return InvalidValueError(
            f"{too_long[1]} has more than the 38 digits of a number in a result; cast it to VARCHAR."
        )
    if message.startswith(TOO_LARGE):
        return MemoryExceededError(TOO_LARGE)
    if message.startswith(_OF_A_VARIANT):
        return InvalidValueError(f"A VARIANT is none, its bytes are malformed: {_shorten(message)}")
    if message.startswith("Arrow Appender: The maximum total"):
        return ResourceExhaustedError(
            "The values of a column are too large: those of a few rows together have more than 2 GB."
        )
    return None


def _error_of_file(message: str) -> GrismError | None:
    if _OF_LANCE.search(message):
        _log.warning("A Lance table could not be read: %s", message)
        if "Not found: " in message:
            return StorageError(_GONE)
        return UnsupportedError(_UNREAD) if is_unread_form(message) else DataCorruptError(_UNREADABLE)
    if message.startswith(_OF_A_FILE) or "Parquet file" in message or _OF_A_STREAM.match(message):
        return DataCorruptError(_UNREADABLE)
    return None


def _error_of_kind(kind: str, message: str) -> GrismError:
    text = _shorten(message)
    match kind:
        case "parser" | "syntax":
            return SqlSyntaxError(text)
        case "connection" | "fatal" if kind == "connection" or _AFTERWARDS in message:
            return KernelLostError("The kernel was lost to another statement and is replaced; run the statement again.")
        case "fatal" | "internal":
            return KernelFailedError("The statement met a fault of the kernel itself; do not run it again.")
        case "outofmemory" if (room := _NO_ROOM.match(message)) is not None:
            return MemoryExceededError(
                "The query needs more memory than its limit, and more room for spill files than there is: the disk on "
                f"which they lie had {room[1]} to spare when the first was written. Free space on it, or name a folder "
                "on another (--spill-dir), and start grism again; or raise the memory limit or narrow the query."
            )
        case "outofmemory":
            return MemoryExceededError(
                "The query needs more memory than its limit and the spill space give; "
                "raise the memory limit or narrow the query."
            )
        case "interrupt":
            return CancelledError("The query was cancelled.")
        case "permission":
            return ForbiddenError(_FORBIDDEN)
        case "io" if full := full_error(_NOT_SPILLED, message, "give the query more memory (--memory-limit)"):
            return full
        case "io" if message.startswith("Could not write"):
            return StorageError(f"{_NOT_SPILLED}; the log of the server has why.")
        case "io" | "serialization" | "invalid":
            return DataCorruptError(_UNREADABLE)
        case "binder" | "catalog":
            return TypeMismatchError(text)
        case "notimplemented" | "missingextension" | "autoload" | "settings" | "invalidconfiguration":
            return UnsupportedError(text)
        case kind if not kind or kind in _NO_VALUE_S_FAULT:
            return ExecutionError(text or "The query failed in the kernel.")
    return InvalidValueError(text)


def _place(text: str, details: Mapping[str, Any], shift: int = 0) -> Place | None:
    """Where in `text` an error stands whose place the kernel counts from `shift` bytes before it."""
    found = _LOCATION.fullmatch(str(details.get("location", "")))
    start, length = (int(found[1]) - shift, int(found[2])) if found is not None else (-1, 0)
    if not 0 <= start <= start + length <= len(text.encode()):  # one in the text of a macro may be beyond
        return None
    return Place.of_bytes(text, start, length)


def _parts(error: BaseException) -> tuple[str, str]:
    """The kind, folded to small letters, and the message without the excerpt of the statement."""
    # The bytes of a message that is not whole characters are in the error that its reading gave.
    text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
    fields = _details(text)
    if fields:
        return _fold_type(str(fields["exception_type"])), str(fields.get("exception_message", "")).strip()
    kind = re.match(r"^(?:[A-Za-z]+: )?([A-Za-z ]+?) Error: ", text)
    return _fold_type(kind[1] if kind else ""), _message(re.sub(r"^[A-Z][A-Za-z ]*Error: ", "", text))


def _details(text: str) -> dict[str, Any]:
    """What the kernel tells of an error beside its kind; nothing where it tells none, or not in whole."""
    start = text.find('{"exception_type"')
    if start >= 0:
        with suppress(ValueError):
            fields: dict[str, Any] = json.JSONDecoder().raw_decode(text, start)[0]
            return fields
    return {}


def _fold_type(kind: str) -> str:
    return kind.replace(" ", "").lower()


def _message(text: str) -> str:
    return text.split("\n\nLINE ")[0].strip()


def _shorten(message: str) -> str:
    for advice in _ADVICE:
        message = message.partition(advice)[0]
    if CAST_FROM in message:  # and then a name that the client may never have written, as for an aggregate
        message = message.rpartition(CAST_FROM)[0]
    text = _SETTING_ADVICE.sub("", message)
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + " ..."


def _missing_column(error: BaseException, message: str) -> str:
    """The column that a message says is not there; empty where it says something else."""
    if (found := _MISSING_COLUMN.search(message)) is not None:
        return (found[1] or found[2])[1:-1].replace('""', '"')
    if (unquoted := _MISSING_UNQUOTED.search(message)) is None:
        return ""
    return str(_details(str(error)).get("name", "")) or unquoted[1] or unquoted[2]


def _unknown_column(name: str, message: str, columns: Iterable[str]) -> UnknownColumnError:
    bound = [other for other in _candidates(message) if not is_hidden(other)]
    known = [other for other in columns if other.lower() != name.lower() and not is_hidden(other)]
    near = nearest(name, [*bound, *known]) or next(iter(bound), None)
    hint = f'did you mean "{near}"?' if near else "list the table's columns to see what there is."
    return UnknownColumnError(f'There is no column "{_shorten_name(name)}" in reach; {hint}')


def _candidates(message: str) -> list[str]:
    """The names that a message of the kernel ends with, which stand between quotes, whatever is in them."""
    found = _CANDIDATES.search(message)
    return [] if found is None else found[1].removeprefix('"').removesuffix('"').split('", "')


def _shorten_name(name: str) -> str:
    return name if len(name) <= _MAX_MESSAGE else name[:_MAX_MESSAGE] + " ..."
