"""Whether a request comes from a page of ours, and not by way of somebody else's.

A page of another origin can make a browser send requests, but cannot give them our `Origin`. Where nobody logs in
there is one more way: a name of the attacker's own that resolves to this machine makes their page one origin with ours
(DNS rebinding). So there the request has to be for an address, or for a name that this machine has.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

__all__ = ["is_own_host", "is_same_origin"]

_HOST = re.compile(r"(\[[^\s\[\]@/?#\\]+\]|[^\s:\[\]@/?#\\]+)(?::\d*)?")


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Whether the header `Origin` names the host that the request is for. Without one it does not.

    >>> is_same_origin("https://here:8080", "here:8080"), is_same_origin("null", "here:8080")
    (True, False)
    """
    return bool(host) and (origin or "").lower() in {f"{scheme}://{host}".lower() for scheme in ("http", "https")}


def is_own_host(host: str | None, names: Iterable[str]) -> bool:
    """Whether the header `Host` is an address, which nobody else can have resolve to here, or one of `names`.

    >>> is_own_host("127.0.0.1:8080", ()), is_own_host("localhost", ()), is_own_host("rebound.example:8080", ())
    (True, True, False)
    """
    found = _HOST.fullmatch((host or "").lower())
    if found is None:
        return False
    name = found[1].strip("[]").rstrip(".")
    if name in {"localhost", socket.gethostname().lower(), *(name.lower() for name in names)}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
