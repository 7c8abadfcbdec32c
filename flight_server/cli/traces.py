"""Traces, from the configuration and the variables of OpenTelemetry."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from engine.tracing import send_to
from flight_server.config import ServerConfig
from flight_server.options import ConfigError

if TYPE_CHECKING:  # loaded only where traces are asked for
    from engine.tracing.otlp import OtlpExporter

__all__ = ["open_traces", "trace_variables"]

_PREFIX = "OTEL_"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_PACKAGES = ("opentelemetry.sdk", "opentelemetry.proto")


def trace_variables(config: ServerConfig) -> Mapping[str, str] | None:
    """The variables by which traces leave, for workers on other machines too; None where none are asked for.

    Raises ConfigError where OpenTelemetry is not installed, and for a protocol that is not spoken.
    """
    if config.operations.traces == "none" or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if not all(map(_is_there, _PACKAGES)):
        raise ConfigError("--traces otlp needs OpenTelemetry, which is not installed: pip install 'grism[otel]'.")
    for name in _PROTOCOLS:
        protocol = os.environ.get(name, _HTTP)
        if protocol != _HTTP:
            raise ConfigError(f"{name}: {protocol!r} is not spoken here; traces leave by {_HTTP!r}.")
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}


def open_traces(config: ServerConfig) -> OtlpExporter | None:
    """Begin to make spans where they are asked for. Close the exporter after use. Raises ConfigError."""
    if trace_variables(config) is None:
        return None
    from engine.tracing.otlp import OtlpExporter

    instance = f"{os.getpid()}@{socket.gethostname()}"
    try:
        exporter = OtlpExporter(instance, takes_texts=config.operations.trace_statements)
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from None
    send_to(exporter)
    return exporter


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what it is in is not there either
        return False
