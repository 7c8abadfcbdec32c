"""What it means where no more can be written: a disk or a quota is full, or a file is as large as it may become."""

from __future__ import annotations

import errno
import os
import re

from engine.errors import StorageFullError

__all__ = ["full_error"]

# Why, and what helps, by the operating system's number.
_REFUSALS = {
    errno.ENOSPC: ("the disk is full", "Free space on it"),
    errno.EDQUOT: ("the server's disk quota is used up", "Free space or raise it"),
    errno.EFBIG: ("a file would be larger than the server's process may write", "Raise that limit (ulimit -f)"),
}
# Behind the number, Lance tells the place in its source. Before it may stand anything, as a table's name.
_OF_LANCE = re.compile(
    r"LanceError\((?:IO\)|(?P<spilled>\w+\): (?:.*: )?I[Oo] error)): .*\(os error (?P<number>\d{1,4})\)"
    r"(?:, \S+:\d+:\d+)*",
    re.DOTALL,
)
_OF_THE_KERNEL = re.compile(rf'.*": ({"|".join(re.escape(os.strerror(number)) for number in _REFUSALS)})', re.DOTALL)


def full_error(what: str, error: BaseException | str, other: str = "") -> StorageFullError | None:
    """The error where `error`, or the kernel's message of one, tells that there is no room; None where it does not.

    `what` is what could not be written, and what became of it; `other` is what helps besides.
    """
    refusal = _REFUSALS.get(_number(error))
    if refusal is None:
        return None
    why, help_ = refusal
    if (lance := _OF_LANCE.fullmatch(str(error))) is not None and lance["spilled"]:  # as what an index sorts
        why += ", where temporary files lie ($TMPDIR)"
    return StorageFullError(f"{what}: {why}. {help_}{other and f', {other}'}, and run the statement again.")


def _number(error: BaseException | str) -> int:
    """The number by which the operating system refused; 0 where none is told."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    text = str(error)
    if (found := _OF_LANCE.fullmatch(text)) is not None:
        return int(found["number"])
    if (told := _OF_THE_KERNEL.fullmatch(text)) is not None:
        return next(number for number in _REFUSALS if os.strerror(number) == told[1])
    return 0
