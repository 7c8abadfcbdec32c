"""Which connection a peer's address stands for.

gRPC tells of a call the client's address and port, which the system gives to another connection once this one is over.
Linux numbers sockets, and lists the numbers with the addresses.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

__all__ = ["connections_of"]

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_ESTABLISHED = "01"


def connections_of(peer: str) -> frozenset[int]:
    """The numbers of this host's open connections whose other end is `peer`, as ``ipv4:127.0.0.1:40112``.

    They may be several, to several ports here. There are none where that cannot be told: the system has no such list,
    or `peer` is no address of the internet.
    """
    remotes = _as_listed(peer)
    return frozenset(number for table in _TABLES for number in _numbers(table, remotes)) if remotes else frozenset()


def _numbers(table: Path, remotes: frozenset[str]) -> Iterator[int]:
    try:
        text = table.read_text()
    except OSError:
        return
    for remote in remotes:
        for found in re.finditer(f" {remote} {_ESTABLISHED} .*", text):
            yield int(found[0].split()[7])


def _as_listed(peer: str) -> frozenset[str]:
    """The address as the lists have it, an IPv4 address also as sockets of IPv6 do."""
    kind, _, rest = unquote(peer).partition(":")
    address, _, port = rest.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdecimal():
        return frozenset()
    try:
        parsed = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return frozenset()
    known = {parsed}
    if isinstance(parsed, ipaddress.IPv4Address):
        known.add(ipaddress.IPv6Address(f"::ffff:{parsed}"))
    elif parsed.ipv4_mapped is not None:
        known.add(parsed.ipv4_mapped)
    return frozenset(f"{_words(each.packed)}:{int(port):04X}" for each in known)


def _words(packed: bytes) -> str:
    """Words of 32 bits in the machine's byte order, in hex."""
    words = (int.from_bytes(packed[i : i + 4], sys.byteorder) for i in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words)
