"""How client commands reach a server: the URI, the login and the certificates, from flags and `GRISM_*` variables.

A secret comes from a file, a variable or the terminal, never from an argument: everybody on the machine can read those.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adbc_driver_flightsql import DatabaseOptions

from flight_server.cli.failures import CommandError, ConnectionLostError
from flight_server.options import ConfigError

__all__ = ["DEFAULT_URI", "Target", "add_arguments", "client_text", "failure", "refuse_login"]

DEFAULT_URI = "grpc://127.0.0.1:31337"

_FLAGS = {
    "user": ("NAME", "log in as this user (GRISM_USER)"),
    "password_file": ("FILE", "with the password in this file (GRISM_PASSWORD_FILE, or GRISM_PASSWORD)"),
    "token_file": ("FILE", "log in with the bearer token in this file (GRISM_TOKEN_FILE, or GRISM_TOKEN)"),
    "tls_ca": ("FILE", "trust the authority in this PEM file (GRISM_TLS_CA); for grpc+tls://"),
    "client_cert": ("FILE", "show this certificate, in PEM (GRISM_CLIENT_CERT)"),
    "client_key": ("FILE", "the key of that certificate (GRISM_CLIENT_KEY)"),
}

# How the driver tells of a server that ends a connection. With TLS 1.3 the client learns that its certificate is
# missing only after its own part of the handshake, so any of its first reads and writes may be what fails.
_ENDED = re.compile(r"reading server preface|remote error: tls: ")
_UNAVAILABLE = re.compile(r"\bUnavailable\b")
_LOST_IN_USE = re.compile(r"error reading from server: (?:EOF|connection reset by peer)")  # after a first answer
_ENDED_IN_USE = re.compile(r"(?:read|write) tcp \S+: ")
_NO_HOST = "name resolver error"
_ADDRESS = re.compile(r"grpc(\+tcp|\+tls)?://(\[[^][/@]+\]|[^][/:@\s]+):\d{1,5}/?|grpc\+unix:.+", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A server, and what the driver needs to get in. The options are no part of the repr."""

    uri: str
    options: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Target({self.uri!r})"

    @property
    def logs_in(self) -> bool:
        """Whether a login goes along."""
        return "username" in self.options or DatabaseOptions.AUTHORIZATION_HEADER.value in self.options

    @classmethod
    def of(cls, arguments: argparse.Namespace, environment: Mapping[str, str] | None = None) -> Target:
        """From a command's arguments, and variables for what these leave open. Raises ConfigError and CommandError."""
        environment = os.environ if environment is None else environment
        given = {name: getattr(arguments, name) for name in _FLAGS if getattr(arguments, name) is not None}
        uri = arguments.uri or environment.get("GRISM_URI") or DEFAULT_URI
        if "@" in uri:
            raise ConfigError("--uri has no user and no password; use --user.")
        if not _ADDRESS.fullmatch(uri):
            raise ConfigError(f"--uri: {uri!r} is no server; it takes grpc://HOST:PORT, or grpc+tls://HOST:PORT.")
        return cls(uri, {**_login(given, environment), **_tls(uri, given, environment)})


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The flags of every command that may talk to a server."""
    where = command.add_mutually_exclusive_group()
    where.add_argument("--uri", help=f"the server (GRISM_URI, or {DEFAULT_URI})")
    where.add_argument(
        "--data", metavar="DIR", type=_folder, help="no server: the tables of this folder, in this process"
    )
    for name, (takes, text) in _FLAGS.items():
        command.add_argument("--" + name.replace("_", "-"), metavar=takes, help=text)


def _folder(text: str) -> str:
    if not text:  # which would be the current one
        raise argparse.ArgumentTypeError("'' is not a folder")
    return text


def refuse_login(arguments: argparse.Namespace) -> None:
    """Raise ConfigError where flags for a server were given to a command that asks none."""
    for name in _FLAGS:
        if getattr(arguments, name) is not None:
            raise ConfigError(f"--{name.replace('_', '-')} is for a server; --data asks none.")


def _login(given: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """What proves who we are. Flags for one way to log in win over variables for another."""
    by_password = {"user", "password_file"} & given.keys()
    by_token = "token_file" in given
    if by_password and by_token:
        raise ConfigError("--token-file and --user are two ways to log in; use one.")
    if not by_password and not by_token:
        by_token = bool(environment.get("GRISM_TOKEN") or environment.get("GRISM_TOKEN_FILE"))
        if by_token and environment.get("GRISM_USER"):
            raise ConfigError("GRISM_TOKEN and GRISM_USER are two ways to log in; use one.")
    if by_token:
        token = _secret("token", given, environment)
        return {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    user = given.get("user") or environment.get("GRISM_USER")
    if not user:
        if by_password:
            raise ConfigError("--password-file needs --user.")
        return {}
    return {"username": user, "password": _secret("password", given, environment)}


def _secret(kind: str, given: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """A token or password: from the flag's file, the variable, the variable's file, or the terminal."""
    variable = f"GRISM_{kind.upper()}"
    path = given.get(f"{kind}_file")
    if path is None and environment.get(variable):
        return environment[variable]
    path = path or environment.get(f"{variable}_FILE")
    if path is not None:
        secret = _text(path).rstrip("\r\n")
        if not secret or "\n" in secret:
            raise CommandError(f"The file {path!r} is to hold a {kind} on one line.")
        return secret
    if not sys.stdin.isatty():
        raise ConfigError(f"There is no {kind}: use --{kind}-file or {variable}.")
    return getpass.getpass()


def _tls(uri: str, given: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    paths = {name: given.get(name) or environment.get(f"GRISM_{name.upper()}") for name in _FLAGS}
    if not uri.startswith("grpc+tls:"):
        for name in {"tls_ca", "client_cert", "client_key"} & given.keys():
            raise ConfigError(f"--{name.replace('_', '-')} goes with a URI that begins with grpc+tls://.")
        return {}
    if (paths["client_cert"] is None) != (paths["client_key"] is None):
        raise ConfigError("--client-cert and --client-key go together.")
    options = {
        DatabaseOptions.TLS_ROOT_CERTS.value: paths["tls_ca"],
        DatabaseOptions.MTLS_CERT_CHAIN.value: paths["client_cert"],
        DatabaseOptions.MTLS_PRIVATE_KEY.value: paths["client_key"],
    }
    return {option: _text(path) for option, path in options.items() if path is not None}


def _text(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CommandError(f"The file {path!r} cannot be read: {reason}.") from None


def failure(target: Target, text: str) -> CommandError:
    """What the driver's `text` of a failure means to the user, without the driver's own additions."""
    message = client_text(target, text)
    lost = _is_lost(text) or text.startswith("UNAUTHENTICATED")
    return ConnectionLostError(message) if lost else CommandError(message)


def client_text(target: Target, text: str) -> str:
    """What the driver's `text` of a failure means to the user."""
    if _is_lost(text):
        return _unreachable(target, text)
    if text.startswith("UNAUTHENTICATED") and not target.logs_in:
        return f"The server at {target.uri} asks for a login; use --user, or --token-file."
    text = re.sub(r"^([A-Z_]+: )?(\[[^]]*\] )*", "", text)
    return re.sub(r"\. Detail: .*$|\s\(\w+; [^()]*\)(?:\. Vendor code: \d+)?$", "", text, flags=re.DOTALL)


def _is_lost(text: str) -> bool:
    """Whether the driver tells of a connection that there is not, or no longer."""
    return bool(_UNAVAILABLE.search(text)) and (
        _NO_HOST in text or "connection" in text or bool(_LOST_IN_USE.search(text)) or _is_ended(text)
    )


def _is_ended(text: str) -> bool:
    """Whether the driver tells of a server that ended the connection."""
    used = _ENDED_IN_USE.search(text)
    reasons = text[used.end() :] if used else ""
    return bool(_ENDED.search(text)) or "broken pipe" in reasons or "connection reset by peer" in reasons


def _unreachable(target: Target, text: str) -> str:
    uri = target.uri
    untrusted = re.search(r"failed to verify certificate: (?:x509: )?([^\"]*)", text)
    if untrusted:
        return f"The certificate of the server at {uri} is not trusted: {untrusted[1]}; name its authority by --tls-ca."
    if "does not look like a TLS handshake" in text:
        return f"The server at {uri} does not speak TLS; use grpc://."
    if _NO_HOST in text:
        return f"There is no host of the name in {uri}; name another server with --uri."
    if _LOST_IN_USE.search(text):
        return f"The server at {uri} has ended the connection; it may have stopped."
    if _is_ended(text):
        return f"The server at {uri} ends the connection{_advice(target, text)}."
    return f"No server answers at {uri}; start one with `grism serve`, or name another with --uri."


def _advice(target: Target, text: str) -> str:
    """What a server that ends a connection may miss in it."""
    if target.uri.startswith("grpc+tls:"):
        if DatabaseOptions.MTLS_CERT_CHAIN.value in target.options:
            return "; it may not trust the certificate of --client-cert"
        return "; it may ask for client certificates: use --client-cert"
    return "; it may ask for TLS: use grpc+tls://" if "reading server preface" in text else ""
