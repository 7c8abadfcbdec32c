"""The names of tables and columns, asked for when somebody wants them and kept until a statement changes something."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import GrismError
from flight_server.cli.failures import CommandError
from flight_server.cli.source import Relation, Source

__all__ = ["Names", "as_written"]

_MAIN = "main"
_KEYWORD_TEXT = """
all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint binary bit boolean both
by case cast char character check coalesce collate collation column columns concurrently constraint create cross dec
decimal default deferrable desc describe distinct do else end except exists extract false fetch float for foreign
freeze from full generated glob group grouping grouping_id having ilike in initially inner inout int integer intersect
interval into is isnull join lambda lateral leading left like limit map national natural nchar none not notnull null
nullif numeric offset on only or order out outer overlaps overlay pivot pivot_longer pivot_wider placing position
positional precision primary qualify real references returning right row select semi setof show similar smallint some
struct substring summarize symmetric table tablesample then time timestamp to trailing treat trim true try_cast tuple
union unique unpack unpivot using values varchar variadic verbose when where window with xmlattributes xmlconcat
xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""
_KEYWORDS = frozenset(_KEYWORD_TEXT.split())
"""Those of the dialect that do not stand everywhere as a name; the many others do."""


class Names:
    """What completion knows. A source that does not answer has no names: the next statement tells why."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.forget()

    def forget(self) -> None:
        """Ask anew when the names are wanted again."""
        self._relations: list[Relation] | None = None
        self._columns: dict[Relation, list[str]] = {}

    def relations(self) -> list[Relation]:
        """All tables and views."""
        if self._relations is None:
            try:
                self._relations = self._source.tables()
            except (CommandError, GrismError):
                return []
        return self._relations

    def find(self, path: Sequence[str]) -> Relation | None:
        """The relation that a path of one to three names means, if there is one."""
        *schema, table = (name.lower() for name in path)
        for relation in self.relations():
            if relation.table.lower() == table and (not schema or relation.schema.lower() == schema[-1]):
                return relation
        return None

    def columns(self, relation: Relation) -> list[str]:
        """The names of a relation's columns."""
        if relation not in self._columns:
            try:
                self._columns[relation] = self._source.columns(relation)
            except (CommandError, GrismError):
                return []
        return self._columns[relation]

    def schemas(self) -> list[str]:
        """The schemas that hold relations."""
        return sorted({relation.schema for relation in self.relations()})

    def display_name(self, relation: Relation) -> str:
        """A relation as one writes it: without the schema where that is the usual one."""
        path = (relation.table,) if relation.schema == _MAIN else (relation.schema, relation.table)
        return ".".join(map(as_written, path))


def as_written(name: str) -> str:
    """A name in SQL, in quotes where it needs them."""
    is_bare = name.isascii() and name.isidentifier() and name.lower() not in _KEYWORDS
    return name if is_bare else '"' + name.replace('"', '""') + '"'
