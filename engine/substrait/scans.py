"""The leaves of plans: tables by name, and rows that stand in the plan."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ForbiddenError, InvalidPlanError
from engine.substrait.expressions import Expressions
from engine.substrait.proto import algebra_pb2
from engine.substrait.refusals import identifier, require_no_enhancement, show_name, unsupported
from engine.substrait.sources import Sources
from engine.substrait.typed_expressions import Relation, Scopes, TypedExpression, cast
from engine.substrait.types import Type, Types

__all__ = ["Scans"]

ReadRel = algebra_pb2.ReadRel


class Scans:
    """Reads leaves. Raises as `Expressions`, and ForbiddenError for files."""

    def __init__(self, types: Types, expressions: Expressions, sources: Sources) -> None:
        self._types = types
        self._expressions = expressions
        self._sources = sources

    def read(self, given: ReadRel, outer: Scopes) -> Relation:
        """The columns of the plan's schema, or those that it projects, in the types that it says that they have."""
        columns = self._types.columns(given.base_schema)
        match given.WhichOneof("read_type"):
            case "named_table":
                found = self._table(given.named_table, columns)
            case "virtual_table":
                found = self._rows(given.virtual_table, [kind for _, kind in columns], outer)
            case "local_files" | "iceberg_table":
                raise ForbiddenError("A plan reads tables by their names (a NamedTable), not files.")
            case other:
                raise unsupported("read", str(other))
        condition = self._condition(given, found, outer)
        places = self._projection(given, len(found.columns))
        return self._sources.select([found.column(place) for place in places], found.source, condition)

    def _table(self, given: ReadRel.NamedTable, columns: Sequence[tuple[str, Type]]) -> Relation:
        require_no_enhancement(given.advanced_extension, "NamedTable")
        if not given.names:
            raise InvalidPlanError("A table of the plan has no name.")
        alias = self._sources.alias()
        taken: set[str] = set()
        for name, _ in columns:
            if name.lower() in taken:
                raise InvalidPlanError(f"Two columns of a table in the plan have the name {show_name(name)}.")
            taken.add(name.lower())
        typed = [cast(TypedExpression(f"{alias}.{identifier(name)}", None), kind) for name, kind in columns]
        return Relation(f"{'.'.join(map(identifier, given.names))} AS {alias}", tuple(typed))

    def _rows(self, given: ReadRel.VirtualTable, kinds: Sequence[Type], outer: Scopes) -> Relation:
        scopes: Scopes = ((), *outer)
        rows = [self._expressions.read_all(row.fields, scopes) for row in given.expressions]
        rows += [self._expressions.literals(row.fields) for row in given.values]
        if any(len(row) != len(kinds) for row in rows):
            raise InvalidPlanError(f"A row in the plan does not have {len(kinds)} values.")
        alias = self._sources.alias()
        if not rows:
            nothing = ", ".join(f"CAST(NULL AS {kind.sql}) AS c{i}" for i, kind in enumerate(kinds)) or "TRUE AS c0"
            source = f"(SELECT {nothing} WHERE FALSE) AS {alias}"
        else:
            values = [", ".join(cast(v, k).sql for v, k in zip(row, kinds, strict=True)) or "TRUE" for row in rows]
            names = ", ".join(f"c{i}" for i in range(max(1, len(kinds))))
            source = f"(VALUES {', '.join(f'({row})' for row in values)}) AS {alias}({names})"
        return Relation(
            source, tuple(TypedExpression(f"{alias}.c{i}", kind, is_column=True) for i, kind in enumerate(kinds))
        )

    def _condition(self, given: ReadRel, found: Relation, outer: Scopes) -> str:
        """The filter. One that is a best effort may be left out, and is: what needs it stands above."""
        if not given.HasField("filter"):
            return ""
        return f" WHERE {self._expressions.read(given.filter, (found.columns, *outer)).sql}"

    def _projection(self, given: ReadRel, count: int) -> Sequence[int]:
        if not given.HasField("projection"):
            return range(count)
        items = given.projection.select.struct_items
        if any(item.HasField("child") for item in items):
            raise unsupported("projection", "of fields in a column")
        return [item.field for item in items]
