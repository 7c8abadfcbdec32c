"""Requests of OTLP over HTTP, as the variables `OTEL_EXPORTER_OTLP_*` say."""

from __future__ import annotations

import gzip
import os
import re
import ssl
import time
import urllib.request
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

__all__ = ["OtlpSender"]

_AGAIN = {429, 502, 503, 504}
"""Answers after which a request is worth another try."""
_LONGEST = 3_600_000
_LONGEST_REASON = 100  # characters
_LONGEST_ANSWER = 4096  # bytes
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")


class OtlpSender:
    """Sends requests with spans. Raises ValueError for variables that it cannot follow."""

    def __init__(self) -> None:
        name, self._url = _variable("ENDPOINT", "http://localhost:4318")
        _require_url(name, self._url)
        if "_TRACES_" not in name:
            self._url = f"{self._url.rstrip('/')}/v1/traces"
        name, timeout = _variable("TIMEOUT", "10000")
        if not timeout.isdecimal() or not 0 < int(timeout) <= _LONGEST:
            raise ValueError(f"{name} is {timeout!r}; it takes milliseconds, from 1 to {_LONGEST}.")
        self._timeout = int(timeout) / 1000
        name, compression = _variable("COMPRESSION", "none")
        if compression not in ("none", "gzip"):
            raise ValueError(f"{name} is {compression!r}; it takes none or gzip.")
        self._headers = {**_headers(*_variable("HEADERS", "")), "content-type": "application/x-protobuf"}
        self._zips = compression == "gzip"
        if self._zips:
            self._headers["content-encoding"] = "gzip"
        handlers: list[urllib.request.BaseHandler] = [_NoRedirection()]
        if urlsplit(self._url).scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=_tls()))
        self._opener = urllib.request.build_opener(*handlers)

    def send(self, request: bytes) -> bytes:
        """Send a request, again where that may help, within the time for it. Raises OSError.

        The status of the answer says whether it was taken. What comes with it is what this returns, of a longer answer
        the beginning: there may be no end.
        """
        body = gzip.compress(request) if self._zips else request
        give_up, wait = time.monotonic() + self._timeout, 1.0
        while True:
            post = urllib.request.Request(self._url, body, self._headers, method="POST")
            try:
                with self._opener.open(post, timeout=self._timeout) as answer:
                    return _beginning(answer)
            except HTTPError as error:
                error.close()
                if error.code not in _AGAIN or time.monotonic() + wait > give_up:
                    raise OSError(
                        f"the collector answered with {error.code} {error.reason[:_LONGEST_REASON]}"
                    ) from None
            except URLError as error:
                if isinstance(error.reason, ssl.SSLCertVerificationError):
                    raise OSError(f"the collector's certificate is not trusted: {error.reason}") from None
                if time.monotonic() + wait > give_up:
                    raise OSError(f"the collector cannot be reached: {error.reason}") from None
            except HTTPException:
                raise OSError("the collector gave no answer in HTTP") from None
            time.sleep(wait)
            wait *= 2


def _beginning(answer: HTTPResponse) -> bytes:
    try:
        return answer.read1(_LONGEST_ANSWER)
    except (OSError, HTTPException):  # the request was taken all the same
        return b""


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Follows none: it would send a question without the spans, and the headers, which may hold a login, to anybody."""

    def redirect_request(self, *_: object) -> None:
        """Let the answer be the error that it is."""


def _variable(name: str, default: str) -> tuple[str, str]:
    """A variable for traces, or else for all that is sent: its name, and what it says."""
    for each in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if os.environ.get(each):
            return each, os.environ[each].strip()
    return f"OTEL_EXPORTER_OTLP_{name}", default


def _require_url(name: str, text: str) -> None:
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError(f"{name} is {text!r}; it takes an http or https URL.")
    if parts.username is not None:  # beside which may be a password, so it is not shown
        raise ValueError(f"{name} has a user in its URL, who is not sent; OTEL_EXPORTER_OTLP_HEADERS takes logins.")


def _headers(name: str, text: str) -> dict[str, str]:
    """Headers written as ``name=value,...``, with values in the encoding of URLs or as they are."""
    found = {}
    for position, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        header, sign, value = part.partition("=")
        header, value = header.strip(), unquote(value.strip())
        if not sign or not _HEADER.fullmatch(header) or not _VALUE.fullmatch(value):  # which may be a secret
            raise ValueError(f"{name} has no header at place {position}; it takes name=value,name=value in ASCII.")
        found[header.lower()] = value
    return found


def _tls() -> ssl.SSLContext:
    name, authority = _variable("CERTIFICATE", "")
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except OSError as error:
        raise ValueError(f"{name} is {authority!r}, which cannot be read: {error}") from None
    name, certificate = _variable("CLIENT_CERTIFICATE", "")
    if certificate:
        try:
            context.load_cert_chain(certificate, _variable("CLIENT_KEY", "")[1] or None)
        except OSError as error:
            raise ValueError(f"{name} is {certificate!r}, which cannot be read with its key: {error}") from None
    return context
