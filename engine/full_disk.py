"""What it means where no more can be written: a disk or a quota is full, or a file is as large as it may become."""

from __future__ import annotations

import re

from engine.errors import StorageFullError

__all__ = ["full_error"]

# What is told by the operating system, Lance and the kernel, why, and what helps.
_SIGNS = (
    (re.compile(r"No space left|\(os error 28\)"), "the disk is full", "Free space on it"),
    (re.compile(r"[Dd]isk quota|\(os error 122\)"), "the server's disk quota is used up", "Free space or raise it"),
    (
        re.compile(r"File too large|\(os error 27\)"),
        "a file would be larger than the server's process may write",
        "Raise that limit (ulimit -f)",
    ),
)


def full_error(what: str, error: BaseException | str, other: str = "") -> StorageFullError | None:
    """The error where `error` tells that there is no room; None where it tells something else.

    `what` is what could not be written, and what became of it; `other` is what helps besides.
    """
    text = str(error)
    for sign, why, help_ in _SIGNS:
        if sign.search(text):
            return StorageFullError(f"{what}: {why}. {help_}{other and f', {other}'}, and run the statement again.")
    return None
