"""Several statements in one text, with semicolons between them: they run one after the other, and the last answers.

All are read before the first runs. There is nothing around them: where one fails, those before it have taken effect and
stay, and its error says so.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from engine.errors import GrismError, UnsupportedError
from engine.on_error import OnError
from engine.place import Place
from engine.sql.tokens import Kind, Token, tokens

__all__ = ["Part", "part_told", "split"]

_MOST = 1000  # statements of a text


@dataclass(frozen=True)
class Part:
    """One of `count` statements of the text `whole`: the one with this `number`, from 1, which begins at `start`."""

    whole: str
    text: str
    start: int
    number: int
    count: int


def split(text: str) -> list[Part]:
    """The statements of a text that has several; none where it has one, or none.

    Raises UnsupportedError for too many of them, and where they have parameters.
    """
    if ";" not in text.rstrip("; \t\r\n"):
        return []
    found: list[list[Token]] = [[]]
    for token in tokens(text):
        if token.word == ";":
            found.append([])
        else:
            found[-1].append(token)
    parts = [part for part in found if part]
    if len(parts) < 2:
        return []
    if len(parts) > _MOST:
        raise UnsupportedError(f"The text has {len(parts)} statements; at most {_MOST} are taken at once.")
    if any(token.kind is Kind.PARAMETER for part in parts for token in part):
        raise UnsupportedError(
            f"Parameters belong to one statement; this text has {len(parts)}, send one after the other."
        )
    return [
        Part(text, text[part[0].start : part[-1].end], part[0].start, number, len(parts))
        for number, part in enumerate(parts, 1)
    ]


def part_told(part: Part | None, *, runs: bool) -> AbstractContextManager[None]:
    """What is raised inside leaves with its place in the whole text, and says what came of the statements before it.

    `runs` is whether these have run by then.
    """
    return nullcontext() if part is None else OnError(partial(_tell, part, runs))


def _tell(part: Part, runs: bool, error: BaseException) -> None:
    if not isinstance(error, GrismError):
        return
    place = error.place
    if place is not None:
        inside = place.text == part.text
        error.place = Place(part.whole, part.start + place.start, place.length) if inside else None
    before = "those before it have taken effect and stay" if part.number > 1 else "none has taken effect"
    text = str(error.args[0] if error.args else type(error).__name__).removesuffix(".")
    told = f"{text}. This is statement {part.number} of {part.count}"
    error.args = (f"{told}; {before}." if runs else f"{told}; none has taken effect.",)
