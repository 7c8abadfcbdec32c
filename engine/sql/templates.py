"""Texts that differ in literals alone: planned as one text with parameters, to which these are bound.

A client that writes its values into the text sends another text each time, which would be read and bound anew::

    SELECT name FROM people WHERE id = 17    the template SELECT name FROM people WHERE id = ?, with 17

Taken out are literals that stand alone on one side of a comparison, in a list of IN, as the bounds of a BETWEEN of such
ones, and the words and vectors that searches look for; everywhere else a literal may mean something that a value
cannot. A template is used once it was seen, of a text, that with its values bound it has the very plan, and the
columns, of that text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from engine.cache import LruCache
from engine.cancellation import require_answer
from engine.errors import GrismError
from engine.hidden_columns import MARK
from engine.literals import constant
from engine.logical.nodes import LogicalPlan, in_operators
from engine.schema import RowType
from engine.sql.search_values import ParameterValue
from engine.sql.text_memory import KnownText, Memory, is_lasting
from engine.sql.tokens import Kind, Token, tokens
from engine.sql.views import Names
from engine.storage.protocol import Snapshot

__all__ = ["PlannedText", "Template", "Templates", "template_of"]

_CACHED = 1024
_RECENT = 64
_MAX_TEXT = 4_000  # characters, but those of vectors
_MAX_WITH_VECTORS = 200_000
_MAX_LITERALS = 32
_COMPARISONS = frozenset({"=", "==", "<", ">", "<=", ">=", "<>", "!="})
_BEHIND = frozenset(
    {"", ")", ";", "AND", "OR", "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "QUALIFY", "WINDOW", "UNION", "EXCEPT"}
)
"""What may follow a literal that is all of one side of a comparison."""
_TEXT_SEARCHES = frozenset({"TEXT_SEARCH"})
_VECTOR_SEARCHES = frozenset({"VECTOR_SEARCH", "HYBRID_SEARCH"})
_MARK = "_search"
_VECTOR = re.compile(r"\[(?:[-+.0-9eE\s]++,)++[-+.0-9eE\s]++\]")

_NEVER = "never"
_ONCE = "once"


@dataclass(frozen=True)
class Template:
    """A text with ``?`` in the places of some of its literals, and the values of these."""

    text: str
    values: tuple[pa.Scalar, ...]

    @property
    def given(self) -> list[ParameterValue]:
        """The values, each for the parameter in its place."""
        return [ParameterValue(value, partial(constant, value), place) for place, value in enumerate(self.values)]


@dataclass(frozen=True)
class PlannedText:
    """A plan, the kernel's types of its columns, and what of tables and views it depends on beside their rows."""

    plan: LogicalPlan
    columns: RowType
    shape: tuple[object, ...]

    def is_like(self, other: PlannedText) -> bool:
        """Whether another does the same, operator by operator."""
        own, others = in_operators(self.plan), in_operators(other.plan)
        is_read = own is not self.plan and others is not other.plan
        return is_read and own == others and self.plan.names == other.plan.names and self.columns == other.columns


class Templates:
    """Plans texts by their templates, where that is right. Thread-safe.

    `find` looks for a plan of a template that is kept, `make` plans it anew; both with values.
    """

    def __init__(
        self,
        find: Callable[
            [str, Sequence[ParameterValue], Snapshot, Names, Callable[[Snapshot], LogicalPlan]],
            KnownText[LogicalPlan] | None,
        ],
        make: Callable[[str, Sequence[ParameterValue], Snapshot, Names], PlannedText],
    ) -> None:
        self._find, self._make = find, make
        # Drivers prepare a text before they run it: it is planned twice.
        self._plans: Memory[str, LogicalPlan] = Memory(_RECENT)
        # What is known of a template: its shape, once it was seen to be right.
        self._tried: LruCache[tuple[str, Names, tuple[pa.DataType, ...]], object] = LruCache(_CACHED)

    def plan(
        self, text: str, snapshot: Snapshot, names: Names, alone: Callable[[Snapshot], PlannedText]
    ) -> LogicalPlan:
        """The plan of a text; `alone` plans it as it is, on a snapshot. Raises what `alone` does.

        Where it does not keep its meaning nothing is remembered, nor whose temporary tables it is looked for in.
        """
        if not is_lasting(names):
            return alone(snapshot).plan
        if (recent := self._plans.get(text, names, snapshot)) is not None:
            return recent
        template = template_of(text)
        if template is None:
            return alone(snapshot).plan
        given = template.given
        key = template.text, names, tuple([value.type for value in template.values])
        tried = self._tried.get(key)
        if isinstance(tried, tuple):
            known = self._find(template.text, given, snapshot, names, lambda pinned: alone(pinned).plan)
            if known is not None:
                self._plans.put(text, names, known.pins, known.views, known.value)
                return known.value
            bound = self._bind_values(template, given, snapshot, names)
            if bound is not None and bound.shape == tried:
                return bound.plan
        planned = alone(snapshot)
        if tried is None:
            self._tried.put(key, _ONCE)
        elif tried != _NEVER:
            self._tried.put(key, self._compare(template, given, snapshot, names, planned))
        return planned.plan

    def _compare(
        self, template: Template, given: Sequence[ParameterValue], snapshot: Snapshot, names: Names, alone: PlannedText
    ) -> object:
        planned = self._bind_values(template, given, snapshot, names)
        return planned.shape if planned is not None and planned.is_like(alone) else _NEVER

    def _bind_values(
        self, template: Template, given: Sequence[ParameterValue], snapshot: Snapshot, names: Names
    ) -> PlannedText | None:
        try:
            return self._make(template.text, given, snapshot, names)
        except GrismError as error:  # which tells of a text that nobody wrote
            require_answer(error)
            return None


def template_of(text: str) -> Template | None:
    """The template of a text; None where no literal can be taken out, or too many."""
    if len(text) <= _MAX_WITH_VECTORS and _MARK in text.lower():
        vectors: dict[str, pa.Scalar] = {}
        named = _VECTOR.sub(partial(_name_vector, vectors), text)
        if vectors and (found := _take_out(named, vectors)) is not None:
            return found
    return _take_out(text, {})


def _name_vector(vectors: dict[str, pa.Scalar], written: re.Match[str]) -> str:
    """A parameter in the place of a list of numbers, which are read as the search itself reads them."""
    try:
        numbers = json.loads(written[0], parse_int=float)
    except ValueError:  # as of [.5, 1.]
        return written[0]
    name = f"${MARK}{len(vectors)}"
    vectors[name] = pa.scalar(numbers, pa.list_(pa.float64()))
    return name


def _take_out(text: str, vectors: Mapping[str, pa.Scalar]) -> Template | None:
    """The template of a text in which some parameters stand for `vectors`; None where one of them has to stay."""
    if len(text) > _MAX_TEXT:
        return None
    found = tokens(text)
    values: dict[int, pa.Scalar] = {}
    taken = 0
    for place, token in enumerate(found):
        if token.kind is Kind.PARAMETER:
            vector = vectors.get(token.value)
            if vector is None or not _is_vector(found, place):
                return None
            values[place] = vector
            taken += 1
            continue
        value = _value(token)
        if value is not None and _stands_alone(found, place, values):
            values[place] = value
    if taken < len(vectors):  # one stands in a text or a comment
        return None
    if not 0 < len(values) <= _MAX_LITERALS:
        return None
    pieces, end = [], 0
    for place in values:
        pieces.append(text[end : found[place].start])
        end = found[place].end
    return Template("?".join([*pieces, text[end:]]), tuple(values.values()))


def _value(token: Token) -> pa.Scalar | None:
    """What a literal means: of a whole number, and of a text without escapes; None of everything else."""
    if token.kind is Kind.NUMBER and token.value.isdecimal() and len(token.value) <= 18:
        number = int(token.value)
        return pa.scalar(number, pa.int32() if number < 1 << 31 else pa.int64())
    if token.kind is Kind.STRING and token.value[0] == "'":
        return pa.scalar(token.value[1:-1].replace("''", "'"), pa.string())
    return None


def _stands_alone(found: Sequence[Token], place: int, before: Mapping[int, pa.Scalar]) -> bool:
    """Whether a literal is all of what is compared, or searched for; the literals `before` it are known to be."""
    behind = found[place + 1].word if place + 1 < len(found) else ""
    word = found[place - 1].word if place else ""
    if word in "=<>" and word:
        return behind in _BEHIND and _operator(found, place - 1) in _COMPARISONS
    if word == "BETWEEN":
        return behind == "AND"
    if word == "AND":
        return behind in _BEHIND and place - 2 in before and found[place - 3].word == "BETWEEN"
    if word == ",":
        return behind in (",", ")") and (place - 2 in before or _ends_table(found, place - 1, _TEXT_SEARCHES))
    return word == "(" and behind in (",", ")") and place > 1 and found[place - 2].word == "IN"


def _operator(found: Sequence[Token], last: int) -> str:
    """The operator whose last character is a token: all symbols that stand beside each other."""
    first = last
    while first and found[first - 1].kind is Kind.SYMBOL and found[first - 1].end == found[first].start:
        first -= 1
    return "".join([token.value for token in found[first : last + 1]])


def _is_vector(found: Sequence[Token], place: int) -> bool:
    """Whether a list, or what it is cast to, is all that is searched for, behind the names of a table and a column."""
    before = [token.word for token in found[max(0, place - 3) : place : 2]]
    behind = found[place + 1].word if place + 1 < len(found) else ""
    return before == [",", ","] and behind in (",", ")", ":") and _ends_table(found, place - 3, _VECTOR_SEARCHES)


def _ends_table(found: Sequence[Token], comma: int, searches: frozenset[str]) -> bool:
    """Whether a comma ends the first argument of one of these functions, which is a table's name."""
    first = comma
    while first and (found[first - 1].kind in (Kind.WORD, Kind.NAME) or found[first - 1].word == "."):
        first -= 1
    return first > 1 and found[first - 1].word == "(" and found[first - 2].word in searches
