"""Processes of `grism` that begin as forks of one that has imported everything: a start takes a fifth of the time.

They run the command's own `run`, with arguments, variables, streams, signals and an exit status of their own. Whoever
tests how a process begins (its imports, what libraries read of its variables as they are imported) begins a true one.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, TextIO

__all__ = ["LAUNCHER", "Launched", "Launcher"]

_IMPORTED = ("main", "start", "serve", "client", "shell", "shell.terminal", "folder_source", "server_source")
_ROOT = Path(__file__).parents[2]
_REQUEST = 1 << 20  # bytes; the variables of a process are most of it
_STREAMS = 3


class Launched:
    """A process that was launched, as `subprocess.Popen` shows one."""

    def __init__(self, pid: int, status: BinaryIO, stdout: TextIO | None) -> None:
        self._status = status
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended; minus the number of the signal that ended it."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("grism", timeout or 0.0)
            self.returncode = int(self._status.readline())
        return self.returncode

    def poll(self) -> int | None:
        """The exit status, where it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end; nothing is read of it any more."""
        if self.stdout is not None:
            self.stdout.close()
        self.wait()
        self._status.close()

    def __enter__(self) -> Launched:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Launcher:
    """The process that forks, which starts with the first that is asked of it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def launch(
        self, arguments: Sequence[str], stderr: int, terminal: int | None = None, variables: Mapping[str, str] = {}
    ) -> Launched:
        """Run `grism` with arguments. It writes to a pipe and to `stderr`; at a `terminal`, which it leads, to that.

        `variables` are added to those of its environment.
        """
        theirs: list[int] = []
        stdout = None
        told, status = os.pipe()
        try:
            if terminal is not None:
                streams = [terminal, terminal]
            else:
                ours, output = os.pipe()
                streams = theirs = [os.open(os.devnull, os.O_RDONLY), output]
                stdout = open(ours, encoding="utf-8")  # noqa: PTH123, SIM115 - `Launched` closes it
            request = [list(arguments), str(Path.cwd()), {**os.environ, **variables}, terminal is not None]
            self._send(json.dumps(request).encode(), [*streams, stderr, status])
        finally:
            for end in (*theirs, status):
                os.close(end)
        statuses = open(told, "rb", buffering=0)  # noqa: PTH123, SIM115 - so is this
        return Launched(int(statuses.readline()), statuses, stdout)

    def close(self) -> None:
        """End the process that forks, if it has started. Those that it has launched go on."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait()
        self._process = self._requests = None

    def _send(self, request: bytes, descriptors: list[int]) -> None:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST)
            with theirs:
                command = [sys.executable, "-m", __name__, str(theirs.fileno())]
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=_ROOT)
        socket.send_fds(self._requests, [request], descriptors)


LAUNCHER = Launcher()
"""That of this process."""


class _Forks:
    """What the process that forks does: a fork for each request, and the status of each that ends for who asked."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._statuses: dict[int, int] = {}

    def run(self) -> list[str] | None:
        """Fork until nobody asks any more; in the fork, the arguments of its command."""
        asked = self._requests.fileno()
        ended, wakes = os.pipe()
        for end in (ended, wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes)
        while True:
            ready, _, _ = select.select([asked, ended], [], [])
            if ended in ready:
                os.read(ended, 4096)
                self._tell_ends()
            if asked in ready:
                request, descriptors, _, _ = socket.recv_fds(self._requests, _REQUEST, _STREAMS + 1)
                if not request:
                    return None
                arguments = self._fork(request, descriptors)
                if arguments is not None:
                    return arguments

    def _fork(self, request: bytes, descriptors: list[int]) -> list[str] | None:
        *streams, status = descriptors
        pid = os.fork()
        if pid == 0:
            return _become(request, streams)
        for stream in streams:
            os.close(stream)
        self._statuses[pid] = status
        os.write(status, b"%d\n" % pid)
        return None

    def _tell_ends(self) -> None:
        for pid in list(self._statuses):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                told = self._statuses.pop(pid)
                with suppress(BrokenPipeError):  # who asked for it is not there any more
                    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(told)


def _become(request: bytes, streams: list[int]) -> list[str]:
    """Be the process that was asked for, as the system begins one; returns the arguments of its command."""
    arguments, folder, variables, leads = json.loads(request)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.path[0] = folder
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(_STREAMS, os.sysconf("SC_OPEN_MAX"))
    if leads:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1 if leads else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    return list(arguments)


def _main() -> int:
    start = import_module("engine.process_start")
    start.leave_frames_out()
    with start.pause_collector():
        for name in _IMPORTED:
            import_module(f"flight_server.cli.{name}")
    # Of Lance nothing has run yet, and no thread of it is there.
    warnings.filterwarnings("ignore", message="lance is not fork-safe")
    requests = socket.socket(fileno=int(sys.argv[1]))
    arguments = _Forks(requests).run()
    if arguments is None:
        return 0
    requests.detach()
    sys.argv = ["grism", *arguments]
    status: int = import_module("flight_server.cli.__main__").run()
    return status


if __name__ == "__main__":
    sys.exit(_main())
