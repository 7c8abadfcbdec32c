"""The server's options in typed groups: what each takes, its default and what it is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from engine.durations import parse_duration, parse_retention

__all__ = [
    "ENV_PREFIX",
    "AuthOptions",
    "ConfigError",
    "DataOptions",
    "ListenOptions",
    "LogOptions",
    "OperationsOptions",
    "Option",
    "ResourceOptions",
    "RuntimeOptions",
    "ServiceOptions",
    "Spec",
    "parse_size",
]

ENV_PREFIX = "GRISM_"


class ConfigError(Exception):
    """An option that is unknown or whose value does not fit. The message names it and says what is allowed."""


# ---- values


def parse_size(text: str) -> int:
    """Bytes from a text such as ``4GB`` (decimal), ``512MiB`` (binary) or ``1048576``; ValueError otherwise."""
    found = re.fullmatch(r"\s*+(\d++(?:\.\d++)?)\s*+([KMGT]?)(i?)(B?)\s*+", text, re.IGNORECASE)
    if found is None or (found[3] and not found[2]):
        raise ValueError("a size such as 512MB, 4GB or 4GiB")
    size = int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper() or " "))
    if size <= 0:
        raise ValueError("a size above zero, such as 512MB, 4GB or 4GiB")
    return size


def _text(value: str) -> str:
    if not value:
        raise ValueError("a text that is not empty")
    return value


def _folder(value: str) -> Path:
    return Path(_text(value)).expanduser()


def _truth(value: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    if value.lower() not in known:
        raise ValueError("true or false")
    return known[value.lower()]


def _lasting(value: str) -> float:
    """The seconds of a duration of which nothing would be left if it was 0."""
    seconds = parse_duration(value)
    if not seconds:
        raise ValueError("a duration above zero, such as 500ms, 30s, 5m or 2h")
    return seconds


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"\d+", value.strip()) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise ValueError(" or ".join(allowed))
        return value.lower()

    return parse


# ---- options


@dataclass(frozen=True)
class Option:
    """One option: its `group` (the TOML section), `name`, what it takes and what it is for."""

    group: str
    name: str
    parse: Callable[[str], Any]
    takes: str
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.name.upper()

    @property
    def is_switch(self) -> bool:
        """Whether the flag stands alone."""
        return self.parse is _truth

    def show(self, value: object) -> str | None:
        """A typed value as the text of a flag: sizes in bytes, durations in seconds; None where it has none."""
        match value:
            case None:
                return None
            case bool():
                return str(value).lower()
            case timedelta():
                return f"{value.total_seconds():.12g} seconds"
            case float():
                return f"{value:.12g}s"  # every number that is not whole is a duration
        return str(value)

    def read(self, value: object, origin: str) -> Any:
        """The typed value; ConfigError names the option as `origin` spells it."""
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise ConfigError(f"{origin}: takes {self.takes}, not a {type(value).__name__}.")
        try:
            return self.parse(str(value))
        except ValueError as error:
            raise ConfigError(f"{origin}: {str(value)!r} is not allowed; it takes {error}.") from None


@dataclass(frozen=True)
class Spec:
    """What an option's annotation says of it: how its text is read, what it takes, and what it is for."""

    parse: Callable[[str], Any]
    takes: str
    help: str


@dataclass(frozen=True)
class DataOptions:
    """Where the tables are."""

    data: Annotated[Path | None, Spec(_folder, "DIR", "the folder whose files and Lance tables are served")] = None


@dataclass(frozen=True)
class ListenOptions:
    """Where the server listens."""

    host: Annotated[str, Spec(_text, "ADDRESS", "the address to listen on; only loopback without --insecure")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Spec(_whole(0, 65535), "PORT", "the port to listen on; 0 takes a free one")] = 31337
    insecure: Annotated[bool, Spec(_truth, "true or false", "listen on any address although nobody logs in")] = False


@dataclass(frozen=True)
class AuthOptions:
    """Who may connect, and what they may do. The files are read at the start; the users file whenever it changes."""

    users: Annotated[Path | None, Spec(_folder, "FILE", "the users file, as `grism user` writes it")] = None
    rights: Annotated[Path | None, Spec(_folder, "FILE", "a TOML file with the rights of roles")] = None
    token_ttl: Annotated[
        float, Spec(_lasting, "DURATION", "how long a token of a login is good after its last use")
    ] = 3600.0
    token_lifetime: Annotated[
        float, Spec(_lasting, "DURATION", "how long a token of a login is good at most, however much it is used")
    ] = 86400.0
    jwt_key: Annotated[Path | None, Spec(_folder, "FILE", "the key of JWTs: JWKS, public PEM, or a secret")] = None
    jwt_issuer: Annotated[str | None, Spec(_text, "TEXT", "the issuer that JWTs must have")] = None
    jwt_audience: Annotated[str | None, Spec(_text, "TEXT", "the audience that JWTs must have")] = None
    tls_cert: Annotated[Path | None, Spec(_folder, "FILE", "the server's certificate (chain), in PEM")] = None
    tls_key: Annotated[Path | None, Spec(_folder, "FILE", "the key of the certificate, in PEM")] = None
    tls_client_ca: Annotated[
        Path | None, Spec(_folder, "FILE", "clients must show a certificate that this authority signed")
    ] = None
    tls_role: Annotated[str, Spec(_text, "ROLE", "the role of who is known by a certificate only")] = "reader"

    @property
    def is_required(self) -> bool:
        """Whether every caller has to prove who they are."""
        return any((self.users, self.jwt_key, self.tls_client_ca))


@dataclass(frozen=True)
class ResourceOptions:
    """What queries may use together."""

    memory_limit: Annotated[int | None, Spec(parse_size, "SIZE", "memory for all queries together, as in 4GB")] = None
    process_memory: Annotated[
        int | None,
        Spec(parse_size, "SIZE", "memory of the process, and of each Ray worker, above which its largest query ends"),
    ] = None
    threads: Annotated[
        int | None, Spec(_whole(1, 1024), "N", "threads of all queries together (default: every core)")
    ] = None
    spill_dir: Annotated[Path | None, Spec(_folder, "DIR", "where queries over the memory limit spill")] = None


@dataclass(frozen=True)
class RuntimeOptions:
    """What runs the queries."""

    runtime: Annotated[
        str, Spec(_one_of("local", "ray"), "local|ray", "run queries in this process or on a Ray cluster")
    ] = "local"
    workers: Annotated[
        int | None, Spec(_whole(1, 10_000), "N", "workers on Ray (default: as the cluster has room)")
    ] = None
    ray_address: Annotated[str | None, Spec(_text, "ADDRESS", "the Ray cluster to use (default: start one here)")] = (
        None
    )
    partitions: Annotated[
        int | None, Spec(_whole(1, 65_535), "N", "partitions of a shuffle on Ray (default: twice the task slots)")
    ] = None
    broadcast_threshold: Annotated[
        int, Spec(parse_size, "SIZE", "a join side up to this estimate is sent to every task on Ray")
    ] = 32 << 20
    write_threshold: Annotated[
        int,
        Spec(parse_size, "SIZE", "from this size on rows are stored, and indexes built, by tasks on Ray (an estimate)"),
    ] = 32 << 20
    split_size: Annotated[int, Spec(parse_size, "SIZE", "a scan task's share of a table on Ray")] = 256 << 20
    exchange_memory: Annotated[
        int, Spec(parse_size, "SIZE", "exchange output that each Ray worker keeps in memory before it uses the disk")
    ] = 256 << 20
    exchange_disk: Annotated[
        int | None, Spec(parse_size, "SIZE", "exchange output that each Ray worker keeps on disk (default: no limit)")
    ] = None
    exchange_compression: Annotated[
        str, Spec(_one_of("none", "lz4"), "none|lz4", "how exchange output on a Ray worker's disk is compressed")
    ] = "none"
    retries: Annotated[int, Spec(_whole(0, 100), "N", "how often a task on Ray runs again after a failure")] = 3
    worker_tls_cert: Annotated[
        Path | None, Spec(_folder, "FILE", "a Ray worker's certificate, in PEM; each node reads its own at this path")
    ] = None
    worker_tls_key: Annotated[Path | None, Spec(_folder, "FILE", "the key of that certificate, in PEM")] = None
    worker_tls_ca: Annotated[
        Path | None, Spec(_folder, "FILE", "the authority that signed the certificates of all Ray workers, in PEM")
    ] = None


@dataclass(frozen=True)
class ServiceOptions:
    """What clients may hold, and for how long. Times are in seconds."""

    reported_version: Annotated[
        str | None, Spec(str, "TEXT", "the server's version as clients are told it (default: grism's own)")
    ] = None
    transactions: Annotated[
        str,
        Spec(_one_of("refuse", "ignore"), "refuse|ignore", "what becomes of BEGIN, COMMIT and ROLLBACK"),
    ] = "refuse"
    optimize: Annotated[
        str, Spec(_one_of("off", "auto"), "off|auto", "whether tables that are changed are optimised by themselves")
    ] = "off"
    retain: Annotated[
        timedelta | None,
        Spec(parse_retention, "DURATION", "how long old versions of changed tables stay (default: until VACUUM)"),
    ] = None
    max_statement_size: Annotated[int, Spec(parse_size, "SIZE", "the longest text of a statement")] = 16_000_000
    max_statements: Annotated[int, Spec(_whole(1, 10**7), "N", "planned statements that wait for do_get")] = 10_000
    statement_ttl: Annotated[float, Spec(_lasting, "DURATION", "how long a planned statement waits")] = 300.0
    max_prepared: Annotated[int, Spec(_whole(1, 10**7), "N", "prepared statements that are open")] = 10_000
    max_prepared_size: Annotated[
        int, Spec(parse_size, "SIZE", "texts and bound parameters of all prepared statements together")
    ] = 256_000_000
    prepared_ttl: Annotated[float, Spec(_lasting, "DURATION", "how long they stay open unused")] = 3600.0
    max_parameter_rows: Annotated[int, Spec(_whole(1, 10**7), "N", "rows of parameters bound at once")] = 10_000
    max_sessions: Annotated[int, Spec(_whole(1, 10**7), "N", "sessions that are open")] = 10_000
    session_ttl: Annotated[float, Spec(_lasting, "DURATION", "how long they stay open unused")] = 3600.0
    max_upload_size: Annotated[int, Spec(parse_size, "SIZE", "the data of one upload")] = 1 << 40
    max_parameter_size: Annotated[int, Spec(parse_size, "SIZE", "parameters bound at once")] = 64_000_000
    max_queries: Annotated[
        int, Spec(_whole(1, 10**6), "N", "queries that run at once, and are planned; the others wait in turn")
    ] = 64
    query_history: Annotated[
        int, Spec(_whole(0, 10**6), "N", "queries that have ended and are kept in system.queries")
    ] = 1000
    max_queued: Annotated[int, Spec(_whole(0, 10**6), "N", "queries that wait for their turn")] = 1000
    queue_timeout: Annotated[
        float, Spec(parse_duration, "DURATION", "how long a query waits for its turn, and for that to be planned")
    ] = 60.0
    query_timeout: Annotated[
        float | None,
        Spec(
            parse_duration, "DURATION", "how long a query may take, planning and waiting included (default: no limit)"
        ),
    ] = None
    stall_timeout: Annotated[
        float, Spec(_lasting, "DURATION", "how long a client may leave unread what was sent to it")
    ] = 300.0
    stall_yield: Annotated[
        float, Spec(parse_duration, "DURATION", "how long such a query keeps its turn while others wait")
    ] = 5.0


@dataclass(frozen=True)
class OperationsOptions:
    """How the server is watched, and how it ends. Times are in seconds."""

    health_port: Annotated[
        int | None, Spec(_whole(0, 65535), "PORT", "answer grpc.health.v1 on this port; 0 takes a free one")
    ] = None
    http_port: Annotated[
        int | None,
        Spec(_whole(0, 65535), "PORT", "answer /metrics, /healthz and /readyz over HTTP, and show what runs"),
    ] = None
    traces: Annotated[
        str, Spec(_one_of("none", "otlp"), "none|otlp", "send spans by OTLP over HTTP, as the variables OTEL_* say")
    ] = "none"
    trace_statements: Annotated[bool, Spec(_truth, "true or false", "let the text of statements stand in spans")] = (
        False
    )
    grace: Annotated[
        float, Spec(parse_duration, "DURATION", "how long running queries may go on after SIGTERM or SIGINT")
    ] = 20.0


@dataclass(frozen=True)
class LogOptions:
    """What is logged, on stderr and in a table."""

    log_format: Annotated[str, Spec(_one_of("text", "json"), "text|json", "lines for people, or JSON objects")] = "text"
    log_level: Annotated[
        str, Spec(_one_of("debug", "info", "warning", "error"), "debug|info|warning|error", "what to log")
    ] = "info"
    query_log_table: Annotated[
        str | None, Spec(_text, "NAME", "the Lance table to which queries that have ended are appended")
    ] = None
    query_log_retain: Annotated[
        timedelta | None,
        Spec(parse_retention, "DURATION", "how long they stay there (default: for good)"),
    ] = None
