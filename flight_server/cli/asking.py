"""Asks a server how far a statement is, beside the connection that it runs on."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Mapping

from adbc_driver_flightsql import DatabaseOptions
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue
from pyarrow import flight

from flight_server.cli.connect import Target
from flight_server.cli.progress import ProgressReport

__all__ = ["ProgressAsker"]

_log = logging.getLogger(__name__)
_SECONDS = 2.0
_HEADER = "adbc.flight.sql.rpc.call_header.grism-query-tag"


class ProgressAsker:
    """Knows the statements of one client by the tag that it sends with its calls, which is in `options`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tag = secrets.token_hex(16)
        self._client: flight.FlightClient | None = None

    @property
    def options(self) -> Mapping[str, str]:
        """What the driver needs to send the tag."""
        return {_HEADER: self._tag}

    def ask(self) -> ProgressReport | None:
        """What the statement that runs is at; None where none runs, or the server cannot be asked."""
        try:
            if self._client is None:
                self._client = _connect(self._target)
            body = StringValue(value=self._tag).SerializeToString()
            call = flight.FlightCallOptions(timeout=_SECONDS, headers=_headers(self._target.options))
            answers = list(self._client.do_action(flight.Action("QueryProgress", body), call))
        except (flight.FlightError, OSError, ValueError) as error:  # the statement itself tells what is wrong
            _log.debug("the server tells no progress: %s", error)
            return None
        if not answers:
            return None
        told = MessageToDict(Struct.FromString(answers[-1].body.to_pybytes()))
        rows = int(told["rows"])
        doing = told["doing"] or (f"{told['state']}, {rows:,} rows" if rows else told["state"])
        return ProgressReport(doing, told["progress"])

    def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _connect(target: Target) -> flight.FlightClient:
    options = {
        "tls_root_certs": DatabaseOptions.TLS_ROOT_CERTS,
        "cert_chain": DatabaseOptions.MTLS_CERT_CHAIN,
        "private_key": DatabaseOptions.MTLS_PRIVATE_KEY,
    }
    given = {name: target.options[option.value] for name, option in options.items() if option.value in target.options}
    return flight.FlightClient(target.uri, **given)


def _headers(options: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What proves who asks."""
    token = options.get(DatabaseOptions.AUTHORIZATION_HEADER.value)
    if token is None and "username" in options:
        login = f"{options['username']}:{options['password']}".encode()
        token = f"Basic {base64.b64encode(login).decode()}"
    return [] if token is None else [(b"authorization", token.encode())]
