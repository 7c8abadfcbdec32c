"""From text to the descriptions in `statements`.

Only the frame of a statement is read here. What stands in it is cut out of the text by the words around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from engine.errors import ForbiddenError, SqlSyntaxError, UnsupportedError
from engine.sql.statements import (
    AddColumn,
    AlterTable,
    ChangeType,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Describe,
    Drop,
    DropColumn,
    Insert,
    Path,
    RenameColumn,
    Show,
    Statement,
    Update,
)

__all__ = ["numbered", "parameter_count", "parse_statement"]

_COMMENTS = r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*"
_FIRST = "CREATE|DROP|INSERT|UPDATE|DELETE|TRUNCATE|ALTER|SHOW|DESCRIBE|DESC"
_HANDLED = re.compile(rf"{_COMMENTS}(?:{_FIRST})\b", re.IGNORECASE | re.DOTALL)


def parse_statement(text: str) -> Statement | None:
    """What `text` describes, or None where it is none of these: a query, or something that is refused.

    Raises SqlSyntaxError where its frame is not SQL, and UnsupportedError for a part that is not handled.
    """
    tokens = _tokens(text) if _HANDLED.match(text) else []
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens or tokens[0].text.upper() not in _PARSERS:
        return None
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise ForbiddenError("One statement at a time; this text has several.")
    if any(token.token_type == TokenType.PLACEHOLDER for token in tokens):
        text = numbered(text)
        tokens = [token for token in _tokens(text) if token.token_type != TokenType.SEMICOLON]
    reader = _Reader(text, tokens)
    return _PARSERS[reader.word()](reader)


def numbered(text: str, offset: int = 0) -> str:
    """`text` with its parameters (``?``, or ``$1``) as ``$n``, counted from `offset` + 1."""
    parts, done, count = [], 0, offset
    tokens = _tokens(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type == TokenType.PLACEHOLDER and token.text == "?":
            count += 1
            parts += [text[done : token.start], f"${count}"]
            done = token.end + 1
        elif token.text == "$" and following is not None and following.token_type == TokenType.NUMBER:
            parts += [text[done : token.start], f"${int(following.text) + offset}"]
            done = following.end + 1
    return "".join([*parts, text[done:]])


def parameter_count(text: str) -> int:
    """The highest number of a parameter ``$n`` in the text."""
    tokens = _tokens(text)
    pairs = pairwise(tokens)
    return max((int(b.text) for a, b in pairs if a.text == "$" and b.token_type == TokenType.NUMBER), default=0)


def _tokens(text: str) -> list[Any]:
    try:
        return list(Dialect.get_or_raise("duckdb").tokenize(text))
    except SqlglotError:
        return []  # the kernel's parser tells what is wrong


class _Reader:
    """The tokens of one statement, from the left."""

    def __init__(self, text: str, tokens: list[Any]) -> None:
        self.text = text
        self._tokens = tokens
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._tokens)

    def peek(self, ahead: int = 0) -> str:
        """A token to come in upper case; empty after the end, and for names and texts in quotes."""
        at = self._at + ahead
        if at >= len(self._tokens) or self.text[self._tokens[at].start] in "\"'":
            return ""
        return str(self._tokens[at].text).upper()

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

    def drop_last(self, *words: str) -> bool:
        """Cut off `words` where the statement ends with them."""
        found = [str(token.text).upper() for token in self._tokens[-len(words) :]] == list(words)
        if found:
            del self._tokens[-len(words) :]
        return found

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.error(f"expected {' '.join(words)}")

    def error(self, reason: str) -> SqlSyntaxError:
        if self.ended:
            return SqlSyntaxError(f"{reason} at the end")
        start = self._tokens[self._at].start
        before = self.text[:start]
        near = self.text[start : start + 20]
        line, column = before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1
        return SqlSyntaxError(f'{reason} at or near "{near}"', line, column)

    def end(self) -> None:
        """Nothing may come any more."""
        if not self.ended:
            raise self.error("syntax error")

    def name(self) -> str:
        """An identifier, as it is written."""
        if self.ended:
            raise self.error("expected a name")
        token = self._tokens[self._at]
        first = self.text[token.start]
        if first != '"' and not (first.isalpha() or first == "_"):
            raise self.error("expected a name")
        self._at += 1
        return str(token.text)

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
        while self.accept(","):
            found.append(self.name())
        self.expect(")")
        return tuple(found)

    def until(self, *stops: str) -> str:
        """The text up to one of the words in `stops` that stands outside of all brackets, or to the end."""
        first, depth = self._at, 0
        while not self.ended:
            word = self.peek()
            if depth == 0 and word in stops and not (word == "FROM" and self._after_distinct()):
                break
            depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
            if depth < 0:
                break
            self._at += 1
        if self._at == first:
            raise self.error("syntax error")
        return self.text[self._tokens[first].start : self._tokens[self._at - 1].end + 1]

    def _after_distinct(self) -> bool:
        """Whether this is the FROM of IS [NOT] DISTINCT FROM."""
        return self._at > 0 and self.peek(-1) == "DISTINCT"


def _create(reader: _Reader) -> Statement:
    replace = reader.accept("OR", "REPLACE")
    temporary = reader.accept("TEMP") or reader.accept("TEMPORARY")
    kind = reader.word()
    if kind == "SCHEMA" and not replace and not temporary:
        if_not_exists = reader.accept("IF", "NOT", "EXISTS")
        path = reader.path()
        reader.end()
        return CreateSchema(path, if_not_exists)
    if kind not in ("TABLE", "VIEW"):
        raise UnsupportedError(f"CREATE {kind or '...'} is not handled; CREATE TABLE, VIEW and SCHEMA are.")
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    path = reader.path()
    if kind == "VIEW":
        if temporary:
            raise UnsupportedError("Temporary views are not handled; make a temporary table, or a view.")
        columns = reader.names()
        reader.expect("AS")
        return CreateView(path, reader.until(), columns, replace, if_not_exists)
    if reader.peek() == "(" and reader.peek(2) not in (",", ")"):
        defined = _column_definitions(reader)
        reader.end()
        return CreateTable(path, defined, temporary, replace, if_not_exists)
    columns = reader.names()
    reader.expect("AS")
    with_data = not reader.drop_last("WITH", "NO", "DATA")
    reader.drop_last("WITH", "DATA")
    return CreateTableAs(path, reader.until(), columns, with_data, temporary, replace, if_not_exists)


_CONSTRAINTS = (
    "NOT",
    "NULL",
    "PRIMARY",
    "PRIMARY KEY",
    "UNIQUE",
    "DEFAULT",
    "CHECK",
    "REFERENCES",
    "COLLATE",
    "GENERATED",
    "AS",
)


def _column_definitions(reader: _Reader) -> tuple[tuple[str, str], ...]:
    reader.expect("(")
    columns = []
    while True:
        if reader.peek() in ("PRIMARY", "PRIMARY KEY", "FOREIGN", "FOREIGN KEY", "UNIQUE", "CHECK", "CONSTRAINT"):
            raise _no_constraint(reader.peek())
        name = reader.name()
        columns.append((name, reader.until(",", *_CONSTRAINTS)))
        reader.accept("NULL")
        if reader.peek() in _CONSTRAINTS:
            raise _no_constraint(reader.peek())
        if not reader.accept(","):
            break
    reader.expect(")")
    return tuple(columns)


def _no_constraint(word: str) -> UnsupportedError:
    word = "NOT NULL" if word == "NOT" else word
    return UnsupportedError(f"{word} in CREATE TABLE is not handled: columns have a name and a type only.")


def _drop(reader: _Reader) -> Statement:
    kind = reader.word()
    if kind not in ("TABLE", "VIEW", "SCHEMA"):
        raise UnsupportedError(f"DROP {kind or '...'} is not handled; DROP TABLE, VIEW and SCHEMA are.")
    if_exists = reader.accept("IF", "EXISTS")
    path = reader.path()
    if reader.accept("CASCADE"):
        raise UnsupportedError("DROP ... CASCADE is not handled; drop one after the other.")
    reader.accept("RESTRICT")
    reader.end()
    return Drop(kind, path, if_exists)


def _insert(reader: _Reader) -> Statement:
    if reader.peek() == "OR":
        raise UnsupportedError("INSERT OR ... is not handled: tables have no keys.")
    reader.expect("INTO")
    path = reader.path()
    by_name = reader.accept("BY", "NAME")
    if not by_name:
        reader.accept("BY", "POSITION")
    columns = reader.names() if reader.peek() == "(" and reader.peek(1) not in ("SELECT", "WITH", "FROM") else ()
    if reader.accept("DEFAULT", "VALUES"):
        reader.end()
        return Insert(path)
    if not reader.accept("VALUES"):
        query = reader.until("RETURNING", "ON") if reader.peek() == "(" else reader.until("RETURNING")
        _refuse(reader, "RETURNING", "ON")
        reader.end()
        return Insert(path, columns, (), query, by_name)
    rows = []
    while True:
        reader.expect("(")
        row = [reader.until(",")]
        while reader.accept(","):
            row.append(reader.until(","))
        reader.expect(")")
        rows.append(tuple(row))
        if not reader.accept(","):
            break
    _refuse(reader, "RETURNING", "ON")
    reader.end()
    return Insert(path, columns, tuple(rows))


def _refuse(reader: _Reader, *words: str) -> None:
    if reader.peek() in words:
        raise UnsupportedError(f"{reader.peek()} is not handled in statements that change tables.")


def _alias(reader: _Reader, path: Path, *stops: str) -> str:
    """The alias of a table; the table's own name where there is none."""
    if reader.accept("AS"):
        return reader.name()
    return path[-1] if reader.ended or reader.peek() in stops else reader.name()


def _update(reader: _Reader) -> Statement:
    path = reader.path()
    alias = _alias(reader, path, "SET")
    reader.expect("SET")
    assignments = []
    while True:
        column = reader.name()
        if reader.peek() in (".", "("):
            raise UnsupportedError("UPDATE sets whole columns of its table, by their bare names.")
        reader.expect("=")
        assignments.append((column, reader.until(",", "FROM", "WHERE", "RETURNING")))
        if not reader.accept(","):
            break
    _refuse(reader, "FROM", "RETURNING")
    where = reader.until("RETURNING") if reader.accept("WHERE") else None
    _refuse(reader, "RETURNING")
    reader.end()
    return Update(path, alias, tuple(assignments), where)


def _delete(reader: _Reader) -> Statement:
    reader.expect("FROM")
    path = reader.path()
    alias = _alias(reader, path, "USING", "WHERE", "RETURNING")
    _refuse(reader, "USING", "RETURNING")
    where = reader.until("RETURNING") if reader.accept("WHERE") else None
    _refuse(reader, "RETURNING")
    reader.end()
    return Delete(path, alias, where)


def _truncate(reader: _Reader) -> Statement:
    reader.accept("TABLE")
    path = reader.path()
    reader.end()
    return Delete(path, path[-1])


def _alter(reader: _Reader) -> Statement:
    if not reader.accept("TABLE"):
        raise UnsupportedError(f"ALTER {reader.peek() or '...'} is not handled; ALTER TABLE is.")
    if_exists = reader.accept("IF", "EXISTS")
    path = reader.path()
    action: AddColumn | DropColumn | RenameColumn | ChangeType
    if reader.accept("ADD"):
        action = _add_column(reader)
    elif reader.accept("DROP"):
        reader.accept("COLUMN")
        column_exists = reader.accept("IF", "EXISTS")
        action = DropColumn(reader.name(), column_exists)
    elif reader.accept("RENAME"):
        if reader.peek() == "TO":
            raise UnsupportedError("Tables are not renamed; CREATE TABLE ... AS makes another one.")
        reader.accept("COLUMN")
        old = reader.name()
        reader.expect("TO")
        action = RenameColumn(old, reader.name())
    elif reader.accept("ALTER"):
        reader.accept("COLUMN")
        name = reader.name()
        reader.accept("SET", "DATA")
        if not reader.accept("TYPE"):
            raise UnsupportedError("ALTER COLUMN changes the type only; columns have no defaults or constraints.")
        kind = reader.until("USING")
        action = ChangeType(name, kind, reader.until() if reader.accept("USING") else None)
    else:
        raise UnsupportedError("ALTER TABLE adds, drops and renames columns and changes their types.")
    reader.end()
    return AlterTable(path, action, if_exists)


def _add_column(reader: _Reader) -> AddColumn:
    reader.accept("COLUMN")
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.name()
    kind = reader.until(*_CONSTRAINTS)
    value = reader.until() if reader.accept("DEFAULT") else None
    if reader.peek() in _CONSTRAINTS:
        raise _no_constraint(reader.peek())
    return AddColumn(name, kind, value, if_not_exists)


def _show(reader: _Reader) -> Statement:
    for words in (("TABLES",), ("ALL", "TABLES"), ("SCHEMAS",)):
        if reader.accept(*words):
            reader.end()
            return Show(" ".join(words))
    return _describe(reader)


def _describe(reader: _Reader) -> Statement:
    reader.accept("TABLE")
    if reader.peek() in ("SELECT", "WITH", "FROM", "VALUES", "("):
        return Describe(reader.until())
    path = reader.path()
    reader.end()
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in path)
    return Describe(f"SELECT * FROM {quoted}")


_PARSERS: dict[str, Callable[[_Reader], Statement]] = {
    "CREATE": _create,
    "DROP": _drop,
    "INSERT": _insert,
    "UPDATE": _update,
    "DELETE": _delete,
    "TRUNCATE": _truncate,
    "ALTER": _alter,
    "SHOW": _show,
    "DESCRIBE": _describe,
    "DESC": _describe,
}
