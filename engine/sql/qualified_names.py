"""Columns that are written with the schema of their table, and tables or views of one name in several schemas.

In the text for the kernel a table is a relation of its own that has no schema, and a view a query. So columns lose
theirs here; and where two tables in one FROM have one name, or a whole row is written with its schema, each is called
by its schema and name, and so are its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import TypeMismatchError
from engine.hidden_columns import without_mark
from engine.schema import RowType
from engine.sql import syntax
from engine.storage.names import names_with_schema
from engine.storage.protocol import TableName

__all__ = ["Relation", "shorten_names"]


@dataclass(frozen=True)
class Relation:
    """A table or view without an alias in a FROM clause, as it is `written`.

    `columns` are the names of its columns in lower case, where they are known.
    """

    node: syntax.Node
    name: TableName
    written: tuple[str, ...]
    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, node: syntax.Node, name: TableName, columns: RowType) -> Relation:
        """A table as it is called by others, where its own `name` has a mark of ours."""
        *schema, table = syntax.table_path(node)
        called = TableName(name.schema, without_mark(name.table))
        return cls(node, called, (*schema, without_mark(table)), frozenset([c.name.lower() for c in columns]))


@dataclass
class _Frame:
    """What names mean in one FROM clause.

    `full` are full names, `doubtful` those whose schema has the name of something else, too; `short` are the names of
    tables that are elsewhere those of others.
    """

    full: dict[tuple[str, ...], Relation] = field(default_factory=dict)
    doubtful: dict[tuple[str, ...], Relation] = field(default_factory=dict)
    short: dict[str, list[Relation]] = field(default_factory=dict)


class _Names(NamedTuple):
    """What columns and relations may be called, and those among it that stand for no schema."""

    all: frozenset[str]
    others: frozenset[str]


def shorten_names(
    tree: syntax.Tree, relations: Sequence[Relation], columns: frozenset[str], display: Callable[[syntax.Node], str]
) -> None:
    """Give each of the `relations` an alias, and name its columns by that, in the tree itself.

    `columns` are the names of those of all tables, in lower case. An item of a SELECT list without an alias keeps the
    name that it has: `display` gives it. Raises TypeMismatchError for a column of several tables that is written with
    their name alone.
    """
    known = {id(relation.node): relation for relation in relations}
    by_name: dict[str, set[tuple[str, str]]] = {}
    for relation in relations:
        by_name.setdefault(relation.name.table.lower(), set()).add(relation.name.key)
        relation.node["alias"] = relation.written[-1]
    references = [tuple(map(str.lower, node.get("column_names") or ())) for node in tree.expressions("COLUMN_REF")]
    long = {parts for parts in references if len(parts) > 1}
    rows = {relation.name.table.lower() for relation in relations if not long.isdisjoint(_paths(relation))}
    several = rows | {name for name, keys in by_name.items() if len(keys) > 1}
    if not several and not any(len(parts) > 2 for parts in long):
        return
    for relation in relations:
        if relation.name.table.lower() in several:
            relation.node["alias"] = str(relation.name)
    # A schema's name may also be that of a column with fields, or of a relation; not yet where a table of that name
    # stands in it, after which its whole row is called.
    own = {path for relation in relations for path in _paths(relation) if path[0] == path[-1]}
    names = _Names(columns | syntax.given_names(tree), columns | syntax.given_names(tree, own))
    renamed = [
        (node, parts)
        for node, parts in _qualified_columns(tree.root, known, several, names)
        if parts != node["column_names"]
    ]
    changed = {id(node) for node, _ in renamed}
    for item in syntax.unnamed_items(tree) if renamed else ():
        if any(id(node) in changed for node, _ in syntax.walk(item)):
            parts = item.get("column_names")
            item["alias"] = parts[-1] if item.get("class") == "COLUMN_REF" and parts else display(item)
    for node, parts in renamed:
        node["column_names"] = parts


def _paths(relation: Relation) -> set[tuple[str, ...]]:
    written = tuple(map(str.lower, relation.written))
    return names_with_schema(relation.name) | ({written} if len(written) > 1 else set())


def _qualified_columns(
    root: syntax.Node, known: dict[int, Relation], several: set[str], names: _Names
) -> Iterator[tuple[syntax.Node, list[str]]]:
    """The columns with the parts that they have among the tables around them."""
    stack: list[tuple[object, tuple[_Frame, ...]]] = [(root, ())]
    while stack:
        value, frames = stack.pop()
        if isinstance(value, list):
            stack.extend((item, frames) for item in value)
        elif isinstance(value, dict):
            if value.get("type") == "SELECT_NODE":
                frames = (_frame(value, known, several, names.others), *frames)
            elif value.get("class") == "COLUMN_REF":
                yield value, _parts(value["column_names"], frames, names)
            stack.extend((item, frames) for item in value.values() if isinstance(item, dict | list))


def _frame(select: syntax.Node, known: dict[int, Relation], several: set[str], others: frozenset[str]) -> _Frame:
    """The names of a SELECT's FROM clause."""
    frame = _Frame()
    for node in _tables(select.get("from_table")):
        relation = known.get(id(node))
        if relation is None:
            continue
        table, written = relation.name.table.lower(), tuple(map(str.lower, relation.written))
        for path in _paths(relation):
            where = frame.full if path == written or path[0] not in others else frame.doubtful
            where[path] = relation
        if table in several:
            frame.short.setdefault(table, []).append(relation)
    return frame


def _tables(tree: object) -> Iterator[syntax.Node]:
    """The tables and queries of a FROM clause itself, without what is in queries."""
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict):
            if value.get("type") in ("BASE_TABLE", "SUBQUERY"):
                yield value
            elif value.get("class") != "SUBQUERY":
                stack.extend(item for item in value.values() if isinstance(item, dict | list))


def _parts(parts: list[str], frames: Sequence[_Frame], names: _Names) -> list[str]:
    folded = tuple(map(str.lower, parts))
    for frame in frames:
        for count in (3, 2):
            path = folded[:count] if len(folded) >= count else ()
            # A whole row hides behind a column: with a field of that name, where a schema's is written.
            is_hidden = path == folded and folded[0] in names.others
            relation = None if is_hidden else frame.full.get(path)
            if relation is None and path in frame.doubtful and folded[count : count + 1]:
                # A schema's name may also be that of a column with fields: the kernel looks for the table first.
                relation = frame.doubtful[path] if folded[count] in frame.doubtful[path].columns else None
            if relation is not None:
                return [relation.node["alias"], *parts[count:]]
        found = frame.short.get(folded[0], [])
        if len(parts) == 1:
            found = [] if folded[0] in names.all else found
        else:
            several = len(found) > 1
            found = [one for one in found if folded[1] in one.columns or not (several or one.columns)]
            if len(found) > 1:
                which = " or ".join(sorted(str(relation.name) for relation in found))
                raise TypeMismatchError(f'The table "{parts[0]}" of "{".".join(parts)}" may be {which}; write which.')
        if len(found) == 1:
            return [found[0].node["alias"], *parts[1:]]
    return parts
