"""From the text of an EXPLAIN to what is asked for, and the statement behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from engine.errors import UnsupportedError
from engine.sql.tokens import Token, scan
from engine.statements.explaining import Explain, Format

__all__ = ["read_explain"]

_MOST_TOKENS = 20  # of EXPLAIN and its options
_OPTIONS = ("ANALYZE", "FORMAT")


def read_explain(text: str) -> tuple[Explain, str] | None:
    """What an EXPLAIN asks for, and its statement at the place where it stands in `text`, so that errors tell the right
    one; None where the text is none. Raises UnsupportedError for an option that is not known.
    """
    match list(islice(scan(text), 2)):
        case [first, second] if first.word == "EXPLAIN":
            explain, at = _options(text, second)
            return explain, re.sub(r"[^\n]", " ", text[:at]) + text[at:]
    return None


def _options(text: str, second: Token) -> tuple[Explain, int]:
    """The options, and where the statement begins."""
    found = list(islice(scan(text, second.start), _MOST_TOKENS))
    words = [token.word for token in found]
    if words[0] == "ANALYZE" and len(found) > 1:
        return Explain(analyze=True), found[1].start
    if words[0] != "(" or len(words) < 3 or words[1] not in _OPTIONS or ")" not in words[:-1]:
        return Explain(), second.start
    end = words.index(")")
    return _read_options(words[1:end]), found[end + 1].start


def _read_options(words: list[str]) -> Explain:
    analyze, form = False, Format.TEXT
    for option in _parts(words):
        match option:
            case ["ANALYZE"] | ["ANALYZE", "TRUE" | "ON"]:
                analyze = True
            case ["ANALYZE", "FALSE" | "OFF"]:
                analyze = False
            case ["FORMAT", name] if name in Format.__members__:
                form = Format[name]
            case ["FORMAT", name]:
                raise UnsupportedError(f"EXPLAIN has the formats {', '.join(Format.__members__)}; not {name[:50]}.")
            case _:
                given = " ".join(option)[:50]
                raise UnsupportedError(f"EXPLAIN has the options {' and '.join(_OPTIONS)}; not {given}.")
    return Explain(analyze, form)


def _parts(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in [*words, ","]:
        if word == ",":
            yield part
            part = []
        else:
            part.append(word)
