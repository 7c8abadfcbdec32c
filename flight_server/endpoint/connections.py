"""Which connection a peer's address stands for, and when it is over.

gRPC tells of a call the client's address and port, which the system gives to another connection once this one is over.
Linux numbers sockets, and lists the numbers with the addresses.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

__all__ = ["ConnectionWatch", "Numbers", "connections_of", "disconnect", "find_ended"]

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_DESCRIPTORS = Path("/proc/self/fd")
_ESTABLISHED = "01"
_INTERVAL = 1.0  # seconds

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def connections_of(peer: str) -> frozenset[int]:
    """The numbers of this host's open connections whose other end is `peer`, as ``ipv4:127.0.0.1:40112``.

    They may be several, to several ports here. There are none where that cannot be told: the system has no such list,
    or `peer` is no address of the internet.
    """
    remotes = _as_listed(peer)
    return frozenset(number for text in _texts() for number in _numbers(text, remotes)) if remotes else frozenset()


def disconnect(peer: str, port: int) -> bool:
    """End this process's connection between its own `port` and a peer, as if the peer had; False where there is none.

    Whoever has the socket finds it at its end.
    """
    found = _address(peer)
    if found is None:
        return False
    for descriptor in _open_descriptors():
        with suppress(OSError), _copy_of_socket(descriptor) as own:  # which may be closed meanwhile
            if own is None or own.family not in (socket.AF_INET, socket.AF_INET6) or own.getsockname()[1] != port:
                continue
            address, remote_port, *_ = own.getpeername()
            if remote_port == found[1] and _plain(ipaddress.ip_address(address)) == _plain(found[0]):
                own.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


@contextmanager
def _copy_of_socket(descriptor: int) -> Iterator[socket.socket | None]:
    """A descriptor of its own for the same socket; None where it is no socket. Raises OSError where it is closed.

    Nothing else is copied for a moment: a lock of a file lasts for as long as one of its descriptors does.
    """
    copy = os.dup(descriptor) if _is_socket(descriptor) else None
    if copy is not None and not _is_socket(copy):  # another has the number since
        os.close(copy)
        copy = None
    if copy is None:
        yield None
        return
    with socket.socket(fileno=copy) as own:
        yield own


class ConnectionWatch:
    """Tells of connections that are over, in a thread of its own, within about `interval` seconds.

    `peers` gives the addresses that matter now, and `tell` is called with those whose connections have ended.
    """

    def __init__(
        self, peers: Callable[[], set[str]], tell: Callable[[frozenset[str]], None], interval: float = _INTERVAL
    ) -> None:
        self._peers, self._tell, self._interval = peers, tell, interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="grism-connections", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        known = Numbers()
        while not self._stopped.wait(self._interval):
            over, known = find_ended(known, self._peers())
            if over:
                self._tell(over)


@dataclass(frozen=True)
class Numbers:
    """Those of the connections that peers had at a look: of `peers`, which mattered then, and of `others` before."""

    peers: Mapping[str, frozenset[int]] = field(default_factory=dict)
    others: Mapping[str, frozenset[int]] = field(default_factory=dict)


def find_ended(before: Numbers, peers: Collection[str]) -> tuple[frozenset[str], Numbers]:
    """Which of `peers` have no connection any more that they had `before`, and the numbers that there are now.

    One that did not matter before is over where it has none now. Only for those of them that are not known the system's
    lists are read, which takes it milliseconds whatever is in them; of the others this process still has the sockets.
    """
    if not peers:
        return frozenset(), Numbers(others={**before.others, **before.peers})
    own = _own_sockets()
    if own is None:
        return frozenset(), before
    over: set[str] = set()
    known: dict[str, frozenset[int]] = {}
    unknown: list[str] = []
    for peer in peers:
        if now := (before.peers.get(peer) or before.others.get(peer, frozenset())) & own:
            known[peer] = now
        elif peer in before.peers:
            over.add(peer)
        else:
            unknown.append(peer)
    found = {**before.others, **before.peers}
    others = {peer: now for peer, numbers in found.items() if peer not in peers and (now := numbers & own)}
    listed = _list_sockets() if unknown else None
    if listed is None:
        return frozenset(over), Numbers(known, others)
    for peer in unknown:
        remotes = _as_listed(peer)
        now = own.intersection(number for remote in remotes for number in listed.get(remote, ()))
        if now:
            known[peer] = now
        elif remotes:
            over.add(peer)
    return frozenset(over), Numbers(known, others)


def _own_sockets() -> frozenset[int] | None:
    """The numbers of all sockets of this process; None where the system does not tell them."""
    found: set[int] = set()
    try:
        for descriptor in _open_descriptors():
            with suppress(OSError):  # closed meanwhile
                status = os.fstat(descriptor)
                if stat.S_ISSOCK(status.st_mode):
                    found.add(status.st_ino)
    except OSError:
        return None
    return frozenset(found)


def _open_descriptors() -> list[int]:
    """Those of this process. Raises OSError where the system does not tell them."""
    return [int(name) for name in os.listdir(_DESCRIPTORS)]  # noqa: PTH208 (each second, of every client's connection)


def _list_sockets() -> dict[str, list[int]] | None:
    """The numbers of all open connections by their other end; None where the system does not tell them."""
    texts = _texts()
    found: dict[str, list[int]] = {}
    for line in (line for text in texts for line in text.splitlines()[1:]):
        fields = line.split()
        if fields[3] == _ESTABLISHED:
            found.setdefault(fields[2], []).append(int(fields[9]))
    return found if texts else None


def _numbers(text: str, remotes: frozenset[str]) -> Iterator[int]:
    for remote in remotes:
        for found in re.finditer(f" {remote} {_ESTABLISHED} .*", text):
            yield int(found[0].split()[7])


def _texts() -> list[str]:
    """The lists that the system has; none where one of them cannot be read now: what it holds is not over."""
    try:
        return [table.read_text() for table in _TABLES if table.exists()]
    except OSError:
        return []


def _as_listed(peer: str) -> frozenset[str]:
    """The address as the lists have it, an IPv4 address also as sockets of IPv6 do."""
    found = _address(peer)
    if found is None:
        return frozenset()
    parsed, port = found
    known = {parsed, _plain(parsed)}
    if isinstance(parsed, ipaddress.IPv4Address):
        known.add(ipaddress.IPv6Address(f"::ffff:{parsed}"))
    return frozenset(f"{_words(each.packed)}:{port:04X}" for each in known)


def _address(peer: str) -> tuple[_Address, int] | None:
    """The address and port of a peer as gRPC writes it; None where it has no address of the internet."""
    kind, _, rest = unquote(peer).partition(":")
    address, _, port = rest.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdecimal():
        return None
    try:
        return ipaddress.ip_address(address.strip("[]").partition("%")[0]), int(port)
    except ValueError:
        return None


def _plain(address: _Address) -> _Address:
    """An IPv4 address that stands in one of IPv6, by itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _words(packed: bytes) -> str:
    """Words of 32 bits in the machine's byte order, in hex."""
    words = (int.from_bytes(packed[i : i + 4], sys.byteorder) for i in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words)
