"""The server's options, in typed groups, from flags, `GRISM_*` variables and a TOML file.

A flag wins over a variable, a variable over the file, the file over the default. Each option has one name in three
spellings::

    --memory-limit 4GB         GRISM_MEMORY_LIMIT=4GB         [resources]
                                                              memory_limit = "4GB"

An option that does not exist, or a value that does not fit, is refused with its name and what is allowed.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from engine.errors import nearest
from flight_server.options import (
    ENV_PREFIX,
    AuthOptions,
    ConfigError,
    DataOptions,
    ListenOptions,
    LogOptions,
    OperationsOptions,
    Option,
    ResourceOptions,
    RuntimeOptions,
    ServiceOptions,
    Spec,
)

__all__ = ["CLIENT_VARIABLES", "ServerConfig", "ShownOption", "load", "options", "shown_options"]

CLIENT_VARIABLES = frozenset(
    {
        "GRISM_CLIENT_CERT",
        "GRISM_CLIENT_KEY",
        "GRISM_CONFIG",
        "GRISM_PASSWORD",
        "GRISM_PASSWORD_FILE",
        "GRISM_TLS_CA",
        "GRISM_TOKEN",
        "GRISM_TOKEN_FILE",
        "GRISM_URI",
        "GRISM_USER",
    }
)
"""Variables that are no server options: the path of the TOML file, and those of the client commands."""


@dataclass(frozen=True)
class ServerConfig:
    """All options, by group."""

    data: DataOptions = field(default_factory=DataOptions)
    listen: ListenOptions = field(default_factory=ListenOptions)
    auth: AuthOptions = field(default_factory=AuthOptions)
    resources: ResourceOptions = field(default_factory=ResourceOptions)
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    service: ServiceOptions = field(default_factory=ServiceOptions)
    operations: OperationsOptions = field(default_factory=OperationsOptions)
    log: LogOptions = field(default_factory=LogOptions)

    def check(self) -> None:
        """Raise ConfigError where options do not go together, or the data folder cannot be served."""
        folder = self.data.data
        if folder is None:
            raise ConfigError("--data is missing: name the folder to serve (or set GRISM_DATA).")
        if not folder.is_dir():
            raise ConfigError(f"--data: {str(folder)!r} is not a folder.")
        self._check_auth()
        self._check_worker_tls()
        if self.runtime.runtime == "local":
            for name in ("workers", "ray_address"):
                if getattr(self.runtime, name) is not None:
                    raise ConfigError(f"--{name.replace('_', '-')} needs --runtime ray.")

    def _check_worker_tls(self) -> None:
        chosen = self.runtime
        given = [path is not None for path in (chosen.worker_tls_cert, chosen.worker_tls_key, chosen.worker_tls_ca)]
        if any(given) and not all(given):
            raise ConfigError("--worker-tls-cert, --worker-tls-key and --worker-tls-ca go together.")
        if any(given) and chosen.runtime == "local":
            raise ConfigError("--worker-tls-cert needs --runtime ray.")

    def _check_auth(self) -> None:
        auth = self.auth
        if (auth.tls_cert is None) != (auth.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key go together.")
        if auth.tls_client_ca and not auth.tls_cert:
            raise ConfigError("--tls-client-ca needs --tls-cert and --tls-key.")
        if auth.jwt_key and not (auth.jwt_issuer and auth.jwt_audience):
            raise ConfigError("--jwt-key needs --jwt-issuer and --jwt-audience.")
        if auth.rights and not auth.is_required:
            raise ConfigError("--rights needs a way to log in: --users, --jwt-key or --tls-client-ca.")
        if self.listen.insecure or _is_loopback(self.listen.host):
            return
        if not auth.is_required or not auth.tls_cert:
            lack = "nobody has to log in" if not auth.is_required else "passwords would travel in the clear without TLS"
            raise ConfigError(
                f"--host: {self.listen.host!r} can be reached from other machines and {lack}; "
                "listen on 127.0.0.1, or say --insecure."
            )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _groups() -> dict[str, type[Any]]:
    return get_type_hints(ServerConfig)


def options() -> Iterator[Option]:
    """Every option, group by group."""
    for group, kind in _groups().items():
        for name, annotation in get_type_hints(kind, include_extras=True).items():
            spec: Spec = annotation.__metadata__[0]
            yield Option(group, name, spec.parse, spec.takes, spec.help)


@dataclass(frozen=True)
class ShownOption:
    """An option for people: its value and its default as texts (None where there is none), and what it is for."""

    name: str
    section: str
    value: str | None
    default: str | None
    takes: str
    description: str


def shown_options(config: ServerConfig) -> Iterator[ShownOption]:
    """Every option, group by group, as `config` has it."""
    defaults = ServerConfig()
    for option in options():
        value, default = (option.show(getattr(getattr(each, option.group), option.name)) for each in (config, defaults))
        yield ShownOption(option.name, option.group, value, default, option.takes, option.help)


# ---- sources


def load(
    flags: Mapping[str, object], environment: Mapping[str, str] | None = None, file: Path | None = None
) -> ServerConfig:
    """The configuration from `flags` (by option name), variables and a TOML file.

    The file is `file`, or the one that GRISM_CONFIG names, or none. Raises ConfigError.
    """
    environment = os.environ if environment is None else environment
    known = {option.name: option for option in options()}
    if file is None and environment.get("GRISM_CONFIG"):
        file = Path(environment["GRISM_CONFIG"])
    values: dict[str, Any] = {}
    if file is not None:
        values |= _from_file(file, known)
    values |= _from_environment(environment, known)
    values |= {name: known[name].read(value, known[name].flag) for name, value in flags.items() if value is not None}
    groups = {
        group: kind(
            **{
                option.name: values[option.name]
                for option in known.values()
                if option.group == group and option.name in values
            }
        )
        for group, kind in _groups().items()
    }
    return ServerConfig(**groups)


def _from_environment(environment: Mapping[str, str], known: Mapping[str, Option]) -> dict[str, Any]:
    by_variable = {option.variable: option for option in known.values()}
    values = {}
    for variable, value in environment.items():
        if variable in by_variable:
            values[by_variable[variable].name] = by_variable[variable].read(value, variable)
        elif variable.startswith(ENV_PREFIX) and variable not in CLIENT_VARIABLES:
            raise ConfigError(_unknown("variable", variable, [*by_variable, *CLIENT_VARIABLES]))
    return values


def _from_file(path: Path, known: Mapping[str, Option]) -> dict[str, Any]:
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file {str(path)!r} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {str(path)!r} is not TOML: {error}.") from None
    allowed: dict[str, list[str]] = {}
    for option in known.values():
        allowed.setdefault(option.group, []).append(option.name)
    values = {}
    for section, entries in sections.items():
        if section not in allowed:
            raise ConfigError(f"{path}: " + _unknown("section", section, list(allowed)))
        if not isinstance(entries, dict):
            raise ConfigError(f"{path}: [{section}] is a section; write its options below it.")
        for name, value in entries.items():
            if name not in allowed[section]:
                raise ConfigError(f"{path}: " + _unknown(f"option in [{section}]", name, allowed[section]))
            values[name] = known[name].read(value, f"{path}: {section}.{name}")
    return values


def _unknown(what: str, name: str, allowed: list[str]) -> str:
    near = nearest(name, allowed)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"There is no {what} {name!r}.{hint} Allowed: {', '.join(sorted(allowed))}."
