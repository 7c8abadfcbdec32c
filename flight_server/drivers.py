"""Which driver calls, told by its user agent, and the parameter schema that it can bear.

Drivers make what they bind of the types that preparing told them, and some cannot make each:

=========================  =============================  ===========================================================
driver                     user agent begins with         parameter schema
=========================  =============================  ===========================================================
JDBC, and all of Java      ``grpc-java-netty/``           times and timestamps of milliseconds: those it writes,
                                                          whatever unit it is told
arrow-go, `database/sql`   ``grpc-go/``                   none: it then sends int64, float64, bool and utf8, and fails
                                                          for a told int32, date, timestamp, decimal, binary or NULL
ADBC                       ``ADBC Flight SQL Driver``     the exact types
ODBC, pyarrow              ``grpc-c++/``                  the exact types
any other                                                 the exact types
=========================  =============================  ===========================================================

What is bound may be of any type all the same: it is cast to what the statement needs.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from flight_server.endpoint.calls import Headers

__all__ = ["parameter_schema"]


def parameter_schema(schema: pa.Schema, headers: Headers) -> pa.Schema | None:
    """The parameters as the driver that sent `headers` is to be told them; None where it is better told nothing."""
    agent = next(map(_text, headers.get("user-agent", ())), "")
    return next((bearable(schema) for start, bearable in _BEARABLE if agent.startswith(start)), schema)


def _in_milliseconds(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_milliseconds(field.type)) for field in schema])


def _milliseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ms", kind.tz)
    return pa.time32("ms") if pa.types.is_time(kind) else kind


def _only_their_absence(schema: pa.Schema) -> pa.Schema | None:
    return None if len(schema) else schema


_BEARABLE: tuple[tuple[str, Callable[[pa.Schema], pa.Schema | None]], ...] = (
    ("grpc-java-netty/", _in_milliseconds),
    ("grpc-go/", _only_their_absence),
)


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
