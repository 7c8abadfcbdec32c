"""Requests of OTLP over HTTP, as the variables `OTEL_EXPORTER_OTLP_*` say."""

from __future__ import annotations

import gzip
import os
import ssl
import time
import urllib.request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

__all__ = ["OtlpSender"]

_AGAIN = {429, 502, 503, 504}
"""Answers after which a request is worth another try."""


class OtlpSender:
    """Sends requests with spans. Raises ValueError for variables that it cannot follow."""

    def __init__(self) -> None:
        self._url = given = _variable("ENDPOINT", "")
        if not os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
            self._url = f"{(self._url or 'http://localhost:4318').rstrip('/')}/v1/traces"
        if not _is_url(self._url):
            raise ValueError(f"OTEL_EXPORTER_OTLP_ENDPOINT is {given!r}; it takes an http or https URL.")
        timeout = _variable("TIMEOUT", "10000")
        if not timeout.isdecimal():
            raise ValueError(f"OTEL_EXPORTER_OTLP_TIMEOUT is {timeout!r}; it takes milliseconds.")
        self._timeout = int(timeout) / 1000
        compression = _variable("COMPRESSION", "none")
        if compression not in ("none", "gzip"):
            raise ValueError(f"OTEL_EXPORTER_OTLP_COMPRESSION is {compression!r}; it takes none or gzip.")
        self._headers = {**parse_env_headers(_variable("HEADERS", "")), "content-type": "application/x-protobuf"}
        self._zips = compression == "gzip"
        if self._zips:
            self._headers["content-encoding"] = "gzip"
        self._tls = _tls() if self._url.startswith("https:") else None

    def send(self, request: bytes) -> None:
        """Send a request, again where that may help, within the time for it. Raises OSError."""
        body = gzip.compress(request) if self._zips else request
        give_up, wait = time.monotonic() + self._timeout, 1.0
        while True:
            post = urllib.request.Request(self._url, body, self._headers, method="POST")
            try:
                with urllib.request.urlopen(post, timeout=self._timeout, context=self._tls) as answer:
                    answer.read()
                return
            except HTTPError as error:
                error.close()
                if error.code not in _AGAIN or time.monotonic() + wait > give_up:
                    raise OSError(f"the collector answered with {error.code} {error.reason}") from None
            except URLError as error:
                if time.monotonic() + wait > give_up:
                    raise OSError(f"the collector cannot be reached: {error.reason}") from None
            time.sleep(wait)
            wait *= 2


def _variable(name: str, default: str) -> str:
    """A variable for traces, or else for all that is sent."""
    for each in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if os.environ.get(each):
            return os.environ[each].strip()
    return default


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        found = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return found and not any(c.isspace() or not c.isprintable() for c in text)


def _tls() -> ssl.SSLContext:
    authority, certificate = _variable("CERTIFICATE", ""), _variable("CLIENT_CERTIFICATE", "")
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except OSError as error:
        raise ValueError(f"OTEL_EXPORTER_OTLP_CERTIFICATE is {authority!r}, which cannot be read: {error}") from None
    if certificate:
        try:
            context.load_cert_chain(certificate, _variable("CLIENT_KEY", "") or None)
        except OSError as error:
            told = (
                f"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is {certificate!r}, which cannot be read with its key: {error}"
            )
            raise ValueError(told) from None
    return context
