"""A SELECT on its way to its plan: parsed, its tables pinned, its values in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.logical.nodes import LogicalPlan
from engine.schema import RowType
from engine.sql import syntax
from engine.sql.error_places import Source
from engine.sql.qualified_names import Relation
from engine.sql.text_memory import Pin
from engine.sql.views import View
from engine.storage.protocol import Origins, TableHandle, TableName

__all__ = ["ParsedText", "ReadText", "ResolvedText"]


@dataclass(frozen=True)
class ParsedText:
    """A text's syntax tree with its views put in: these by their names, and where they have no alias.

    `foreign` are the nodes for what is not of the text: views and parameters.
    """

    text: str
    tree: syntax.Tree
    views: Mapping[TableName, View]
    places: Sequence[Relation]
    foreign: list[syntax.Node]

    @property
    def source(self) -> Source:
        """What places of errors are found by."""
        return Source(self.text, self.tree.root, self.foreign)


@dataclass(frozen=True)
class ResolvedText:
    """A statement whose tables are pinned: canonical text, output columns, their origins, the tables by names in it.

    `operators` is its plan in nodes, None where it is not taken apart, for a `reason`; `mentioned` are the names of
    columns in the text, None where it may mean all.
    """

    text: str
    columns: RowType
    origins: Origins
    tables: dict[str, tuple[TableHandle, RowType]]
    operators: LogicalPlan | None
    reason: str
    mentioned: frozenset[str] | None
    pins: tuple[Pin, ...]


@dataclass(frozen=True)
class ReadText:
    """A statement with its values in place, the views in it, and whether it means the same at any time, for anybody."""

    resolved: ResolvedText
    views: Mapping[TableName, View]
    lasting: bool

    @property
    def shape(self) -> tuple[object, ...]:
        """What a plan for any values depends on: tables by their names and columns, and views."""
        pins = tuple((pin.name, pin.version, pin.at) for pin in self.resolved.pins)
        return pins, tuple(columns for _, columns in self.resolved.tables.values()), tuple(self.views.items())
