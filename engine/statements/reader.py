"""The words of one statement, read from the left; and the parameters in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.errors import SqlSyntaxError
from engine.place import Place
from engine.sql.tokens import Kind, Token, tokens
from engine.statements.descriptions import Path

__all__ = ["Reader", "number_parameters", "parameter_count", "parameter_names", "parameters_of", "with_parameters"]


_MOST_DIGITS = 9
_QUERIES = ("SELECT", "FROM", "WITH", "VALUES", "TABLE", "PIVOT", "UNPIVOT", "DESCRIBE", "SHOW", "SUMMARIZE")


def number_parameters(text: str, offset: int = 0) -> str:
    """`text` with its parameters (``?``, ``$1``, ``$name``) as ``$n``, counted from `offset` + 1.

    >>> number_parameters("$low < x OR x > $high OR x = $low")
    '$1 < x OR x > $2 OR x = $1'
    """
    parts, done, count = [], 0, offset
    names: dict[str, int] = {}
    for token in parameters_of(text):
        name = token.value[1:]
        if not name:
            count += 1
            number = count
        elif name.isdigit():
            number = _number(name) + offset
        else:
            number = names.setdefault(name.lower(), offset + len(names) + 1)
        parts += [text[done : token.start], f"${number}"]
        done = token.end
    return "".join([*parts, text[done:]])


def parameter_names(text: str) -> list[str]:
    """The names of the parameters that `number_parameters` numbers, in the order of the numbers; none for none.

    >>> parameter_names("$low < x OR x > $high OR x = $LOW")
    ['low', 'high']
    """
    names: dict[str, str] = {}
    for token in parameters_of(text):
        name = token.value[1:]
        if name and not name.isdigit():
            names.setdefault(name.lower(), name)
    return list(names.values())


def parameter_count(text: str) -> int:
    """The highest number of a parameter ``$n`` in the text."""
    return max((_number(token.value[1:]) for token in parameters_of(text) if token.value[1:].isdigit()), default=0)


def with_parameters(text: str, values: Sequence[str]) -> str:
    """`text` with `values`, which are SQL, in the places of its parameters ``$n``.

    >>> with_parameters("upper($2) || $1", ["a", "b"])
    'upper(b) || a'
    """
    parts, done = [], 0
    for token in parameters_of(text):
        parts += [text[done : token.start], values[_number(token.value[1:]) - 1]]
        done = token.end
    return "".join([*parts, text[done:]])


def _number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise SqlSyntaxError(f"parameters have numbers of up to {_MOST_DIGITS} digits")
    return int(digits)


def parameters_of(text: str) -> Iterator[Token]:
    """The parameters in `text`."""
    return (token for token in tokens(text) if token.kind is Kind.PARAMETER)


class Reader:
    """The tokens of one statement, from the left."""

    def __init__(self, text: str, found: list[Token]) -> None:
        self.text = text
        self.parts: list[tuple[int, int]] = []  # where the texts begin and end that were taken
        self._tokens = found
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._tokens)

    @property
    def tokens_left(self) -> int:
        """How many tokens are left."""
        return len(self._tokens) - self._at

    def peek(self, ahead: int = 0) -> str:
        """A word or symbol to come in upper case; empty for other tokens, and after the end."""
        at = self._at + ahead
        return "" if at >= len(self._tokens) else self._tokens[at].word

    def word(self) -> str:
        """The next token in upper case, taken."""
        found = self.peek()
        self._at += 1
        return found

    def accept(self, *words: str) -> bool:
        """Take `words` where they come next."""
        if all(self.peek(i) == word for i, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def another(self, *ends: str) -> bool:
        """Take the comma after an item of a list; whether another item follows.

        A comma may end a list, too: `ends` are the words that come behind one.
        """
        return self.accept(",") and not self.is_at_end and self.peek() not in ends

    def drop_last(self, *words: str) -> bool:
        """Cut off `words` where the statement ends with them."""
        found = [token.word for token in self._tokens[-len(words) :]] == list(words)
        if found:
            del self._tokens[-len(words) :]
        return found

    def expect(self, *words: str) -> None:
        """Take `words`; SqlSyntaxError where something else comes."""
        if not self.accept(*words):
            raise self.error(f"expected {' '.join(words)}")

    def error(self, reason: str) -> SqlSyntaxError:
        """The error for what comes next."""
        if self.is_at_end:
            return SqlSyntaxError(f"{reason} at the end")
        token = self._tokens[self._at]
        near = self.text[token.start : token.start + 20]
        return SqlSyntaxError(f'{reason} at or near "{near}"', Place(self.text, token.start, token.end - token.start))

    def end(self) -> None:
        """Nothing may come any more."""
        if not self.is_at_end:
            raise self.error("syntax error")

    def name(self) -> str:
        """An identifier, as it is written."""
        if self.is_at_end:
            raise self.error("expected a name")
        token = self._tokens[self._at]
        if token.kind not in (Kind.WORD, Kind.NAME):
            raise self.error("expected a name")
        self._at += 1
        return token.value

    def constant(self) -> str:
        """A text in quotes, without them; or a word or a number, as it is written."""
        if self.is_at_end:
            raise self.error("expected a value")
        token = self._tokens[self._at]
        if token.kind not in (Kind.STRING, Kind.WORD, Kind.NAME, Kind.NUMBER):
            raise self.error("expected a value")
        self._at += 1
        return token.value[1:-1].replace("''", "'") if token.kind is Kind.STRING else token.value

    def path(self) -> Path:
        """A name of up to three parts."""
        parts = [self.name()]
        while len(parts) < 3 and self.accept("."):
            parts.append(self.name())
        return tuple(parts)

    def names(self) -> tuple[str, ...]:
        """Names in brackets, or nothing where no bracket comes."""
        if not self.accept("("):
            return ()
        found = [self.name()]
        while self.another(")"):
            found.append(self.name())
        self.expect(")")
        return tuple(found)

    def bracketed_text(self) -> str:
        """The text in brackets that comes next, with them."""
        first = self._at
        self.expect("(")
        if self.peek() != ")":
            self.until()
        self.expect(")")
        return self._text(first)

    def values(self) -> tuple[str, ...]:
        """The texts between commas in brackets."""
        self.expect("(")
        found = [self.until(",")]
        while self.another(")"):
            found.append(self.until(","))
        self.expect(")")
        return tuple(found)

    def row(self, *stops: str) -> tuple[str, ...] | None:
        """The texts of the values of a row, as ``(1, 2)`` or ``ROW(1, 2)``, that ends before one of `stops`.

        None, and nothing taken, where what comes up to there is no row.
        """
        first, parts = self._at, len(self.parts)
        self.until(*stops)
        after = self._at
        for depth in range(after - first):  # brackets may stand around a row
            del self.parts[parts:]
            self._at = first + depth
            is_row = self.accept("ROW")
            if self.peek() != "(" or self.peek(1) in _QUERIES:
                break
            found = self.values()
            if self._at != after - depth:  # as in (1) + (2)
                break
            if is_row or len(found) > 1:
                self._at = after
                return found
        del self.parts[parts:]
        self._at = first
        return None

    def until(self, *stops: str) -> str:
        """The text up to one of `stops` (one word or two) that stands outside of brackets and CASEs, or to the end.

        The first word is never a stop, but for brackets and commas.
        """
        first, depth = self._at, 0
        while not self.is_at_end:
            word = self.peek()
            may_stop = depth == 0 and (self._at > first or word == ",")
            if may_stop and self._is_one_of(stops) and not (word == "FROM" and self.peek(-1) == "DISTINCT"):
                break
            depth += (word in ("(", "[", "{", "CASE")) - (word in (")", "]", "}", "END"))
            if depth < 0:
                break
            self._at += 1
        if self._at == first:
            raise self.error("syntax error")
        return self._text(first)

    def _is_one_of(self, stops: tuple[str, ...]) -> bool:
        return self.peek() in stops or f"{self.peek()} {self.peek(1)}" in stops

    def _text(self, first: int) -> str:
        """The text from a token to the last one that was taken."""
        start, end = self._tokens[first].start, self._tokens[self._at - 1].end
        self.parts.append((start, end))
        return self.text[start:end]

    def mark(self) -> int:
        """The place of the next token."""
        return self._at

    def since(self, mark: int) -> str:
        """The text that was taken since `mark`."""
        return self._text(mark)
