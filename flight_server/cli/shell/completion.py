"""What Tab offers: the shell's commands, keywords, tables, and the columns of the tables that the statement names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from engine.sql.tokens import Kind, Token, scan
from flight_server.cli.shell.commands import COMMANDS
from flight_server.cli.shell.names import Names, as_written
from flight_server.cli.source import Relation

__all__ = ["SqlCompleter"]

_KEYWORD_TEXT = """
ALL ALTER AND ANTI ANY AS ASC ASOF AT BETWEEN BY CASE CAST COLUMN CREATE CROSS CUBE DEFAULT DELETE DESC DESCRIBE
DISTINCT DROP ELSE END EXCEPT EXCLUDE EXISTS EXPLAIN FALSE FILTER FIRST FROM FULL GROUP HAVING IF ILIKE IN INNER
INSERT INTERSECT INTERVAL INTO IS JOIN LAST LATERAL LEFT LIKE LIMIT MATCHED MERGE NATURAL NOT NULL NULLS OFFSET ON OR
ORDER OUTER OVER PARTITION PIVOT QUALIFY RECURSIVE RENAME REPLACE RIGHT ROLLUP ROWS SCHEMA SELECT SEMI SET SHOW
SUMMARIZE TABLE TABLES TEMP THEN TIMESTAMP TO TRUE TRUNCATE UNION UNPIVOT UPDATE USING VALUES VERSION VIEW VIEWS WHEN
WHERE WINDOW WITH
"""
_KEYWORDS = tuple(_KEYWORD_TEXT.split())
_BEFORE_RELATIONS = ("FROM", "JOIN", "INTO", "UPDATE", "TABLE", "VIEW", "DESCRIBE", "SUMMARIZE", "TRUNCATE")
_NO_ALIAS = frozenset(_KEYWORDS)
_PART = r'(?:"(?:[^"]|"")*"|\w+)'
_AT_CURSOR = re.compile(rf'(?:^|(?<=[^\w".]))((?:{_PART}\.){{0,2}})("?\w*)$')
_LOOKED_AT = 300  # characters before the cursor that a name may take


class SqlCompleter(Completer):
    """Completes at the cursor."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What fits at the cursor, in the order in which it is offered."""
        del complete_event
        before = document.text_before_cursor
        last = before[max(before.rfind(";"), before.rfind("\n")) + 1 :].lstrip()
        if last.startswith("\\") and not any(map(str.isspace, last)):
            yield from _match_prefix(last, COMMANDS)
            return
        found = _AT_CURSOR.search(before[-_LOOKED_AT:])
        if found is None or _is_in_text(before):
            return
        qualifier, prefix = [_bare(part) for part in re.findall(_PART, found[1])], found[2]
        candidates = self._qualified_names(document, qualifier) if qualifier else self._at(document, prefix)
        yield from _match_prefix(prefix, candidates)

    def _at(self, document: Document, prefix: str) -> Iterator[str]:
        """Where no dot stands before the cursor."""
        line = document.current_line_before_cursor
        previous = _previous_word(document.text_before_cursor[: -len(prefix) or None])
        if line.lstrip().startswith("\\d") or previous in _BEFORE_RELATIONS:
            yield from map(self._names.display_name, self._names.relations())
            yield from (as_written(schema) + "." for schema in self._names.schemas())
            return
        for relation in self._mentioned_relations(document).values():
            yield from map(as_written, self._names.columns(relation))
        if prefix:
            is_lower = prefix == prefix.lower()
            yield from (word.lower() if is_lower else word for word in _KEYWORDS)
        yield from map(self._names.display_name, self._names.relations())

    def _qualified_names(self, document: Document, qualifier: list[str]) -> Iterator[str]:
        """Behind `qualifier.`: the columns of a table or its alias, or the tables of a schema."""
        relation = self._mentioned_relations(document).get(qualifier[-1].lower()) or self._names.find(qualifier)
        if relation is not None:
            yield from map(as_written, self._names.columns(relation))
        for found in self._names.relations():
            if found.schema.lower() == qualifier[-1].lower():
                yield as_written(found.table)

    def _mentioned_relations(self, document: Document) -> dict[str, Relation]:
        """The relations that the statement at the cursor names, by alias or by name, in lower case."""
        tokens = _statement_at(document)
        mentioned: dict[str, Relation] = {}
        at = 0
        while at < len(tokens):
            path, end = _path(tokens, at)
            relation = self._names.find(path) if path and not _is_dotted(tokens, at) else None
            if relation is not None:
                mentioned[path[-1].lower()] = relation
                alias = end + 1 if end < len(tokens) and tokens[end].word == "AS" else end
                if alias < len(tokens) and _is_name(tokens[alias]) and tokens[alias].word not in _NO_ALIAS:
                    mentioned[tokens[alias].value.lower()] = relation
            at = max(end, at + 1)
        return mentioned


def _match_prefix(prefix: str, candidates: Iterable[str]) -> Iterator[Completion]:
    """Those that begin with what was typed, without regard to case and to a quote; each once."""
    typed, offered = prefix.lstrip('"').lower(), set()
    for candidate in candidates:
        if candidate not in offered and candidate.lstrip('"').lower().startswith(typed) and candidate != prefix:
            offered.add(candidate)
            yield Completion(candidate, start_position=-len(prefix))


def _statement_at(document: Document) -> list[Token]:
    """The tokens between the semicolons around the cursor."""
    found: list[Token] = []
    for token in scan(document.text):
        if token.word == ";":
            if token.start >= document.cursor_position:
                break
            found = []
        else:
            found.append(token)
    return found


def _is_in_text(before: str) -> bool:
    """Whether the cursor is inside a string or a comment."""
    *_, last = [None, *scan(before)]
    return last is not None and last.kind is Kind.OPEN and not last.value.startswith('"')


def _previous_word(before: str) -> str:
    *_, last = [None, *scan(before)]
    return "" if last is None else last.word


def _path(tokens: list[Token], at: int) -> tuple[list[str], int]:
    """The names that stand from `at` on with dots between them, and where they end."""
    path: list[str] = []
    while at < len(tokens) and _is_name(tokens[at]):
        path.append(tokens[at].value)
        at += 1
        if at + 1 >= len(tokens) or tokens[at].word != "." or not _is_name(tokens[at + 1]):
            break
        at += 1
    return path, at


def _is_name(token: Token) -> bool:
    return token.kind in (Kind.WORD, Kind.NAME)


def _is_dotted(tokens: list[Token], at: int) -> bool:
    return at > 0 and tokens[at - 1].word == "."


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
