"""Views: named SELECTs, put into a statement in the place of their names before it is planned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import PlanningError, UnknownTableError, UnsupportedError
from engine.sql import syntax
from engine.sql.qualified_names import Relation
from engine.sql.searches import SEARCH
from engine.storage.protocol import DEFAULT_SCHEMA, Snapshot, TableName

__all__ = ["Expansion", "Names", "View", "Views", "expand_views"]

_MAX_DEPTH = 32
# A view is planned as often as it is named, and views that name others twice double with each.
_MAX_VIEWS = 500
_MAX_CHARACTERS = 32_000_000  # of the queries of all of them; one of `information_schema` has some millions


@dataclass(frozen=True)
class View:
    """A SELECT under a name. Table names in it that have no schema are looked for in the schema `home`.

    `columns` name the columns of `query` anew, from the left; none leaves them as they are. Tables and views of the
    schemas `before` hide those of `home`: that of temporary ones, for a view that is temporary itself.
    """

    name: TableName
    query: str
    columns: tuple[str, ...] = ()
    home: str = DEFAULT_SCHEMA
    before: tuple[str, ...] = ()

    @property
    def schemas(self) -> tuple[str, ...]:
        """Where names without a schema are looked for."""
        return (*self.before, self.home)


class Views(Protocol):
    """Where views are looked up."""

    def find(self, name: TableName) -> View | None:
        """The view of that name, in any case, or None."""


@dataclass(frozen=True)
class Names:
    """What the names in a statement mean: the schemas in which a bare name is looked for, in this order, and the views.

    `user` is who asks, which changes no other name.
    """

    schemas: tuple[str, ...] = (DEFAULT_SCHEMA,)
    views: Views | None = None
    user: str = field(default="anonymous", compare=False)


TableNamer = Callable[[tuple[str, ...], str], TableName]
"""The full name for the parts of a name as it is written, and the schema of a bare one."""


def expand_views(
    tree: syntax.Tree,
    names: Names,
    snapshot: Snapshot,
    parse: Callable[[str], syntax.Node],
    full: TableNamer,
    display: Callable[[syntax.Node], str],
) -> Expansion:
    """Put views in the place of their names, in the tree itself.

    `display` gives the name that an unnamed item of a SELECT list has.

    Raises UnsupportedError for a past version of a view and for more views than one statement may read, PlanningError
    for views that stand in each other.
    """
    if names.views is None:
        return Expansion({}, [], [])
    expanding = _ViewExpansion(names.views, snapshot, parse, full, display)
    expanding.run(tree, names, ())
    return Expansion(expanding.found, expanding.places, expanding.nodes)


@dataclass(frozen=True)
class Expansion:
    """The views that were put in: by their names, where they have no alias, and all nodes that hold one."""

    found: dict[TableName, View]
    places: list[Relation]
    nodes: list[syntax.Node]


@dataclass
class _ViewExpansion:
    views: Views
    snapshot: Snapshot
    parse: Callable[[str], syntax.Node]
    full: TableNamer
    display: Callable[[syntax.Node], str]
    found: dict[TableName, View] = field(default_factory=dict)
    places: list[Relation] = field(default_factory=list)
    nodes: list[syntax.Node] = field(default_factory=list)
    _times: int = 0
    _characters: int = 0

    def run(self, tree: syntax.Tree, names: Names, within: tuple[TableName, ...]) -> None:
        for node in syntax.table_references(tree):
            path = syntax.table_path(node)
            name = self._resolve(path, names)
            view = self.found.get(name) or self.views.find(name)
            if view is not None:
                self.found[name] = view
                self._put(node, view, path, within)
                tree.invalidate()

    def _resolve(self, path: tuple[str, ...], names: Names) -> TableName:
        """The table or view that a name means: that of the first schema that has it, else what the last one has."""
        for schema in names.schemas[:-1] if len(path) == 1 else ():
            name = TableName(schema, path[0])
            if self.views.find(name) is not None:
                return name
            with suppress(UnknownTableError):
                self.snapshot.table(name)
                return name
        return self.full(path, names.schemas[-1])

    def _count(self, view: View) -> None:
        self._times += 1
        self._characters += len(view.query)
        if self._times > _MAX_VIEWS or self._characters > _MAX_CHARACTERS:
            raise UnsupportedError(
                f"The statement reads too many views, those in other views included: {self._times} times one, with "
                f"{self._characters} characters of SQL together. {_MAX_VIEWS} times and {_MAX_CHARACTERS} characters "
                "are handled; store what a view gives in a table, and read that."
            )

    def _put(self, node: syntax.Node, view: View, written: tuple[str, ...], within: tuple[TableName, ...]) -> None:
        if SEARCH in node:
            raise UnsupportedError(f'"{view.name}" is a view; searches read tables, by their names.')
        if node.get("at_clause"):
            raise UnsupportedError(f'"{view.name}" is a view and has no versions; ask its tables for theirs.')
        if view.name in within or len(within) >= _MAX_DEPTH:
            raise PlanningError(f'The view "{view.name}" reads itself, or stands too deep in other views.')
        self._count(view)
        query = syntax.Tree(self.parse(view.query))
        syntax.name_subqueries(query, self.display)  # as the view's text has them, without schemas
        names = Names(view.schemas, self.views)
        self.run(query, names, (*within, view.name))
        for reference in syntax.table_references(query):
            # With its schema, a name cannot be taken for a CTE of the statement around.
            path = syntax.table_path(reference)
            full = self._resolve(path, names)
            reference.update(
                catalog_name="",
                schema_name=full.schema,
                table_name=full.table,
                qualified_name={"path": [full.schema, full.table]},
            )
        given = list(node.get("column_name_alias") or [])
        kept = {key: node.get(key) for key in ("sample", "query_location", "query_location_length")}
        alias = node.get("alias") or written[-1]
        self.nodes.append(node)
        if not node.get("alias"):
            self.places.append(Relation(node, view.name, written))
        node.clear()
        node.update(
            kept,
            type="SUBQUERY",
            alias=alias,
            subquery={"node": query.root["node"], "named_param_map": []},
            column_name_alias=given + list(view.columns)[len(given) :],
        )
