"""What all that writes random SQL shares: choices, names in scope, and what the kernel says of a text so far."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.harness.random_sql.names import COLUMNS, RELATIONS, spell
from tests.harness.random_sql.values import OF_TEXTS, Column, Table, kind_of

__all__ = ["Body", "Draft", "Scope"]

T = TypeVar("T")
_TEXTS = ("ntx", "jtx", *(f"{kind} text" for kind in OF_TEXTS))

Describe = Callable[[str], "list[tuple[str, str]] | None"]
"""Gives the names and types of the columns of a SELECT, None where the kernel refuses it."""


@dataclass(frozen=True)
class Scope:
    """What a text may refer to: columns of its own FROM clause in their order, and those of the queries around it."""

    own: tuple[Column, ...]
    outer: tuple[Column, ...] = ()

    @property
    def all(self) -> tuple[Column, ...]:
        """Both."""
        return self.own + self.outer

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations of its own FROM clause."""
        return tuple(dict.fromkeys(column.relation for column in self.own if column.relation))

    def inside(self, own: Sequence[Column]) -> Scope:
        """The scope of a subquery that reads `own`."""
        hidden = {column.relation.lower() for column in own}
        return Scope(tuple(own), tuple(c for c in self.all if c.relation.lower() not in hidden))


@dataclass(frozen=True)
class Body:
    """A SELECT without ORDER BY and LIMIT: its text, the kinds of its columns, and what it may be ordered by."""

    sql: str
    kinds: tuple[str, ...]
    order: tuple[str, ...] = ()


class Draft:
    """A statement that is being written. Every choice comes from one seed."""

    def __init__(self, chance: random.Random, tables: Mapping[str, Table], describe: Describe) -> None:
        self.chance = chance
        self.tables = tables
        self.used: set[str] = set()
        self.ctes: list[str] = []
        self.cte_columns: dict[str, tuple[Column, ...]] = {}
        self.nesting = 0
        self._describe = describe

    def choose(self, *options: T) -> T:
        """One of them."""
        return self.chance.choice(options)

    def often(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.chance.random() * 100 < percent

    def form(self, forms: Mapping[Callable[[], T], int]) -> T:
        """What one of the functions gives, drawn by its weight and noted by its name."""
        chosen = self.chance.choices(list(forms), list(forms.values()))[0]
        self.used.add(chosen.__name__.strip("_"))
        return chosen()

    # Names

    def column_name(self) -> str:
        """A name for a column, as an identifier."""
        return spell(self.choose(*COLUMNS), self.choose(0, 0, 0, 1, 2))

    def relation_name(self, taken: Sequence[str]) -> str:
        """A name for a relation that its FROM clause has not yet."""
        lower = {name.lower() for name in taken}
        free = [name for name in RELATIONS if name.lower() not in lower]
        return self.choose(*free) if free else next(f"r{i}" for i in range(99) if f"r{i}" not in lower)

    def reference(self, column: Column, scope: Scope) -> str | None:
        """The column by its name, its relation's and its own, or its place; None where nothing means it here."""
        own = column in scope.own
        namesakes = [c for c in scope.own if c.name.lower() == column.name.lower()]
        hidden = not own and bool(namesakes)
        around = [c for c in scope.outer if c.name.lower() == column.name.lower()]
        alone = (len(namesakes) == 1 or column.merged) if own else (not hidden and len(around) == 1)
        name = spell(column.name, self.choose(0, 0, 0, 0, 1, 2))
        forms = [name] if alone else []
        # A column here that is called like a relation around hides that: the rest of the name would be its field.
        hiding = () if own else tuple(c for c in scope.own if c.name.lower() == column.relation.lower())
        if column.relation and not column.merged and not hiding:
            forms.append(f"{spell(column.relation, self.choose(0, 0, 0, 1, 2))}.{name}")
        if own and not scope.outer and self.often(3) and not any(c.merged for c in scope.own):
            self.used.add("position")
            return f"#{scope.own.index(column) + 1}"
        return self.choose(*forms) if forms else None

    def column_of(self, kinds: Sequence[str], scope: Scope) -> str | None:
        """A reference to some column of one of the kinds, the own ones more often."""
        found = [c for c in scope.own if c.kind in kinds] * 2 + [c for c in scope.outer if c.kind in kinds]
        return self.reference(self.choose(*found), scope) if found else None

    # What the kernel says

    def with_ctes(self, sql: str) -> str:
        """The text behind the CTEs that there are so far."""
        return f"WITH {', '.join(self.ctes)} {sql}" if self.ctes else sql

    def columns_of(self, relation: str, source: str, kinds: Sequence[str] = ()) -> tuple[Column, ...] | None:
        """The columns of one relation in a FROM clause; None where the kernel refuses the clause.

        `kinds` are better known than by their types: texts of numbers say.
        """
        found = self._describe(self.with_ctes(f"SELECT {spell(relation)}.* FROM {source}"))
        if found is None:
            return None
        columns = [Column(relation, name, kind_of(type_text)) for name, type_text in found]
        if len(columns) == len(kinds):
            columns = [
                replace(c, kind=kind) if c.kind == "txt" and kind in _TEXTS else c
                for c, kind in zip(columns, kinds, strict=True)
            ]
        return tuple(columns)

    def is_valid(self, sql: str) -> bool:
        """Whether the kernel binds the SELECT."""
        return self._describe(self.with_ctes(sql)) is not None

    # What the other parts write

    def source(self, scope: Scope, depth: int) -> tuple[str, tuple[Column, ...]]:
        """A FROM clause within a scope, and its columns."""
        raise NotImplementedError

    def body(self, scope: Scope, depth: int) -> Body:
        """A SELECT within a scope."""
        raise NotImplementedError

    def aggregate(self, scope: Scope, *, nested: bool) -> tuple[str, str]:
        """A call of an aggregate, and its kind; where it is `nested`, others go on counting with its value."""
        raise NotImplementedError
