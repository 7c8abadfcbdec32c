"""The settings of a session, by whatever door they come: statements, session options, headers.

======================  =======================================================================
``catalog``             text; only ``grism``
``schema``              text; where names without a schema are looked for
``timeout``             seconds that a query may run, as a number or a text (``30s``); 0 is no limit
``runtime``             ``local`` or ``ray``, where there are both
``partitions``          whole number; partitions of a shuffle on Ray
``endpoints``           ``server``, or ``workers``: results on Ray that have no order are fetched from the workers, in
                        parts beside each other
``dictionaries``        whether an ENUM comes as a dictionary of utf8 and not as utf8
``transactions``        ``refuse``, or ``ignore``: BEGIN and COMMIT do nothing
``timezone``            only ``UTC``
======================  =======================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from engine.durations import parse_duration
from engine.errors import ForbiddenError, InvalidValueError
from engine.statements.catalog import Catalog
from engine.statements.session import Session
from engine.storage.protocol import CATALOG, DEFAULT_SCHEMA
from engine.travel_types import Boundary

__all__ = ["IGNORE", "REFUSE", "SettingValue", "Settings"]

SettingValue = str | bool | int | float | list[str] | None
"""What a setting may be given; None takes it back."""

_MAX_PARTITIONS = 65_535
_LONGEST = 10**9  # seconds
_SERVER, _WORKERS = "server", "workers"
REFUSE, IGNORE = "refuse", "ignore"
"""What becomes of BEGIN, COMMIT and ROLLBACK."""

_SHOWN = 100  # characters of a value


class Settings:
    """Sets and tells the settings of sessions over a catalog and `runtimes`.

    What fetches results from several endpoints may choose these: it `has_endpoints`.
    """

    def __init__(self, catalog: Catalog, runtimes: Collection[str], has_endpoints: bool = False) -> None:
        self._catalog = catalog
        self._runtimes = runtimes
        self._has_endpoints = has_endpoints
        self._setters: Mapping[str, Callable[[Session, SettingValue], None]] = {
            "catalog": self._set_catalog,
            "schema": self._set_schema,
            "timeout": _set_timeout,
            "partitions": _set_partitions,
            "runtime": self._set_runtime,
            "endpoints": self._set_endpoints,
            "dictionaries": _set_dictionaries,
            "transactions": _set_transactions,
            "timezone": _set_timezone,
        }

    @property
    def names(self) -> Collection[str]:
        """What can be set."""
        return self._setters.keys()

    def use(self, session: Session, path: Sequence[str]) -> int:
        """USE: a schema, also behind the catalog's name, which alone stands for its default schema. Raises as `set`."""
        if len(path) == 1 and path[0].lower() == CATALOG and not self._has_schema(session, path[0]):
            return self.set(session, "schema", DEFAULT_SCHEMA)
        if len(path) > 2 or (len(path) == 2 and path[0].lower() != CATALOG):
            raise InvalidValueError(f'USE names a schema, or "{CATALOG}" and a schema; not {".".join(path)[:_SHOWN]}.')
        return self.set(session, "schema", path[-1])

    def set(self, session: Session, name: str, value: SettingValue) -> int:
        """Set one, which begins the session; returns 0, since it changes no rows.

        Raises ForbiddenError for a name that is none of the `names`, and InvalidValueError for what it cannot be.
        """
        session.keep()
        self.apply(session, name, value)
        return 0

    def apply(self, session: Session, name: str, value: SettingValue) -> None:
        """Set one in a session that this does not begin. Raises as `set`."""
        setter = self._setters.get(name)
        if setter is None:
            raise ForbiddenError(f'"{name[:_SHOWN]}" cannot be set; a session has {", ".join(sorted(self._setters))}.')
        setter(session, value)

    def session_values(self, session: Session) -> dict[str, str | bool | int | float]:
        """Those that a session has, by name."""
        told: dict[str, str | bool | int | float] = {"catalog": CATALOG, "schema": session.schema}
        if session.timeout is not None:
            told["timeout"] = session.timeout
        if session.partitions is not None:
            told["partitions"] = session.partitions
        if session.runtime is not None:
            told["runtime"] = session.runtime
        if session.in_parts:
            told["endpoints"] = _WORKERS
        if session.boundary is Boundary.DICTIONARY_CLIENT:
            told["dictionaries"] = True
        if session.ignores_transactions is not None:
            told["transactions"] = IGNORE if session.ignores_transactions else REFUSE
        return told

    def all_values(self, session: Session) -> dict[str, str | None]:
        """All that can be set, as text by name; None for what is left to the server."""
        found: dict[str, str | None] = dict.fromkeys(sorted(self.names))
        found |= {
            "runtime": next(iter(self._runtimes)),
            "endpoints": _SERVER,
            "dictionaries": "false",
            "timezone": "UTC",
        }
        for name, value in self.session_values(session).items():
            found[name] = str(value).lower() if isinstance(value, bool) else str(value)
        return found

    def _has_schema(self, session: Session, name: str) -> bool:
        return name.lower() in map(str.lower, self._catalog.schemas(session))

    def _set_catalog(self, session: Session, value: SettingValue) -> None:
        del session
        if value is not None and (not isinstance(value, str) or value.lower() != CATALOG):
            raise _invalid("catalog", value, f'"{CATALOG}" is the only one')

    def _set_schema(self, session: Session, value: SettingValue) -> None:
        known = {name.lower(): name for name in self._catalog.schemas(session)}
        name = DEFAULT_SCHEMA if value is None else value
        if not isinstance(name, str) or name.lower() not in known:
            raise _invalid("schema", value, f"there is {', '.join(sorted(known.values()))}")
        session.schema = known[name.lower()]

    def _set_runtime(self, session: Session, value: SettingValue) -> None:
        if value is not None and (not isinstance(value, str) or value not in self._runtimes):
            raise _invalid("runtime", value, f"there is {', '.join(sorted(self._runtimes))}")
        session.runtime = value

    def _set_endpoints(self, session: Session, value: SettingValue) -> None:
        if value not in (None, _SERVER, _WORKERS):
            raise _invalid("endpoints", value, f'it is "{_SERVER}" or "{_WORKERS}"')
        if value == _WORKERS and not self._has_endpoints:
            raise _invalid("endpoints", value, "without a server there is none; rows come by this process")
        session.in_parts = value == _WORKERS


def _invalid(name: str, value: SettingValue, allowed: str) -> InvalidValueError:
    return InvalidValueError(f"{name} cannot be {str(value)[:_SHOWN]!r}: {allowed}.")


def _set_dictionaries(session: Session, value: SettingValue) -> None:
    if value is not None and str(value).lower() not in ("true", "false"):
        raise _invalid("dictionaries", value, "it is true or false")
    wanted = str(value).lower() == "true"
    session.boundary = Boundary.DICTIONARY_CLIENT if wanted else Boundary.CLIENT


def _set_transactions(session: Session, value: SettingValue) -> None:
    if value not in (None, REFUSE, IGNORE):
        raise _invalid("transactions", value, f'it is "{REFUSE}" or "{IGNORE}"')
    session.ignores_transactions = None if value is None else value == IGNORE


def _set_timezone(session: Session, value: SettingValue) -> None:
    del session
    if value is not None and str(value).lower() not in ("utc", "etc/utc"):
        raise _invalid("timezone", value, "it is always UTC; convert with AT TIME ZONE")


def _set_timeout(session: Session, value: SettingValue) -> None:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else value
    except ValueError as error:
        raise _invalid("timeout", value, f"it is {error}") from None
    if isinstance(seconds, bool | list) or (seconds is not None and not 0 <= seconds < _LONGEST):
        raise _invalid("timeout", value, f"it is a number of seconds below {_LONGEST}")
    session.timeout = None if seconds is None else float(seconds)


def _set_partitions(session: Session, value: SettingValue) -> None:
    count = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value
    if isinstance(count, bool | float | str | list) or (count is not None and not 1 <= count <= _MAX_PARTITIONS):
        raise _invalid("partitions", value, f"it is a whole number from 1 to {_MAX_PARTITIONS}")
    session.partitions = count
