"""A statement whose text has been read once; what travels from there is this, not the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from engine.errors import UnsupportedError
from engine.sql.escapes import WrittenText
from engine.statements.care_descriptions import CareReport, ShowTags, ShowVersions
from engine.statements.descriptions import Describe, Drop, Kill, Show, ShowSettings, Statement
from engine.statements.explain_parser import read_explain
from engine.statements.explaining import Explain
from engine.statements.parser import parse_statement
from engine.statements.scripts import Part
from engine.substrait import read_plan

__all__ = ["ParsedStatement", "parse", "parse_plan"]


@dataclass(frozen=True)
class ParsedStatement:
    """A text, and the `statement` in it: None where it is a query, or an EXPLAIN of what `explained` is.

    `text` is what the kernel reads in the place of what was `written`. Where that was a Substrait plan, no place in the
    text means anything to who sent it. Of a text of several statements this is one `part`: the last, whose answer is
    that of the text, and which has those that are to run `before` it.
    """

    text: str
    written: WrittenText
    statement: Statement | None
    explained: ParsedStatement | None = None
    is_plan: bool = False
    part: Part | None = None
    explain: Explain = field(default_factory=Explain)
    before: tuple[ParsedStatement, ...] = ()

    @property
    def has_effects(self) -> bool:
        """Whether running it changes something; what answers with rows does not."""
        told = Show | ShowSettings | Describe | ShowVersions | ShowTags
        return self.statement is not None and not isinstance(self.statement, told)

    @property
    def reports(self) -> bool:
        """Whether it has effects, and answers with what it did in a row of its own."""
        return isinstance(self.statement, CareReport)

    @property
    def is_query(self) -> bool:
        """Whether it is a SELECT, or what the kernel makes one of."""
        return self.statement is None and self.explained is None

    @cached_property
    def kind(self) -> str:
        """What it is, in the words that it begins with: ``SELECT``, ``CREATE TABLE``."""
        match self.statement:
            case None if self.is_plan:
                return "SUBSTRAIT"
            case None:
                return "SELECT" if self.explained is None else "EXPLAIN"
            case Drop(kind=kind):
                return f"DROP {kind}"
            case Kill(kind=kind):
                return f"KILL {kind}"
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self.statement).__name__).upper()


def parse(written: WrittenText) -> ParsedStatement:
    """What a text is.

    Raises SqlSyntaxError where its frame is not SQL, and UnsupportedError and ForbiddenError for what is not handled.
    """
    found = read_explain(written.text)
    if found is not None:
        explain, text = found
        inner = ParsedStatement(text, written, parse_statement(text))
        if explain.analyze and inner.statement is not None:
            raise UnsupportedError(
                f"EXPLAIN ANALYZE runs queries only; leave ANALYZE out to see what {inner.kind} would do."
            )
        return ParsedStatement(written.text, written, None, inner, explain=explain)
    return ParsedStatement(written.text, written, parse_statement(written.text))


def parse_plan(data: bytes) -> ParsedStatement:
    """The query that a serialised Substrait plan is. Raises as `engine.substrait.read_plan`."""
    text = read_plan(data)
    return ParsedStatement(text, WrittenText(text, text), None, is_plan=True)
