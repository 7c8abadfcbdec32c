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
_OF_LANCE = re.compile(r"LanceError\((\w+)\): ")
_SPILLED = re.compile(r": I[Oo] error: ")
# Behind the number, Lance tells the place in its source. Before it may stand anything, as a table's name.
_REFUSED = re.compile(r"\(os error (\d{1,4})\)(?:, \S+:\d+:\d+)*+")
_OF_THE_KERNEL = re.compile(rf'.*": ({"|".join(re.escape(os.strerror(number)) for number in _REFUSALS)})', re.DOTALL)


def full_error(what: str, error: BaseException | str, other: str = "") -> StorageFullError | None:
    """The error where `error`, or the kernel's message of one, tells that there is no room; None where it does not.

    `what` is what could not be written, and what became of it; `other` is what helps besides.
    """
    refusal = _REFUSALS.get(_number(error))
    if refusal is None:
        return None
    why, help_ = refusal
    if _of_lance(str(error))[1]:
        why += ", where temporary files lie ($TMPDIR)"
    return StorageFullError(f"{what}: {why}. {help_}{other and f', {other}'}, and run the statement again.")


def _number(error: BaseException | str) -> int:
    """The number by which the operating system refused; 0 where none is told."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    text = str(error)
    if number := _of_lance(text)[0]:
        return number
    if (told := _OF_THE_KERNEL.fullmatch(text)) is not None:
        return next(number for number in _REFUSALS if os.strerror(number) == told[1])
    return 0


def _of_lance(text: str) -> tuple[int, bool]:
    """The number in an error of Lance's, 0 without one, and whether it is of a temporary file, as of what is sorted."""
    begin, refused = _OF_LANCE.match(text), _REFUSED.fullmatch(text, max(0, text.rfind("(os error ")))
    if begin is None or refused is None:
        return 0, False
    is_spilled = begin[1] != "IO"
    if is_spilled and _SPILLED.search(text, begin.end() - len(": "), refused.start()) is None:
        return 0, False
    return int(refused[1]), is_spilled
