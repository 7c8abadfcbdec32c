"""What somebody has typed, cut into statements and the shell's own commands.

A statement ends at its semicolon, never at one in quotes or in a comment. A command is the rest of a line that begins
with a backslash where a statement could begin; `exit`, `quit` and `help`, alone on their line, are commands too.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.sql.tokens import Kind, Token, scan

__all__ = ["Piece", "cut", "last_piece"]

_WORDS = {"exit": "\\q", "quit": "\\q", "help": "\\?"}


@dataclass(frozen=True)
class Piece:
    """A statement without its semicolon, or a command with its backslash. `line` counts from 0."""

    text: str
    line: int

    @property
    def is_command(self) -> bool:
        """Whether it is for the shell itself."""
        return self.text.startswith("\\")


def cut(text: str) -> tuple[list[Piece], str]:
    """The pieces that are complete, and the text after the last of them: empty where it holds no token."""
    pieces: list[Piece] = []
    at, line = 0, 0
    while True:
        found, end = _next(text, at)
        if found is None:
            return pieces, text[at:] if end > at else ""
        start, said = found
        line += text.count("\n", at, start)
        if said:
            pieces.append(Piece(said, line))
        line += text.count("\n", start, end)
        at = end


def last_piece(text: str) -> Piece:
    """A text without an end, as the statement that it is to be."""
    start = next(scan(text)).start
    return Piece(text[start:].rstrip(), text.count("\n", 0, start))


def _next(text: str, at: int) -> tuple[tuple[int, str] | None, int]:
    """Where the next piece starts, what it says, and where the text goes on after it.

    Without a piece, the place is beyond `at` just where some token begins one that is not complete.
    """
    first: Token | None = None
    last = at
    for token in scan(text, at):
        if first is None:
            first = token
            command = _command(text, token)
            if command is not None:
                return (token.start, command), _line_end(text, token.start)
        if token.kind is Kind.OPEN:
            break
        if token.word == ";":
            said = text[first.start : token.start].rstrip()
            return (first.start, said), token.end
        last = token.end
    return None, last if first is None else len(text)


def _command(text: str, token: Token) -> str | None:
    line = text[token.start : _line_end(text, token.start)].strip()
    if token.word == "\\":
        return line.rstrip(";").rstrip()
    return _WORDS.get(line.rstrip("; \t").lower())


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
