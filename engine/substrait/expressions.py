"""Expressions of plans in the kernel's dialect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import InvalidPlanError
from engine.substrait.declarations import Declarations
from engine.substrait.functions import Call, scalar_call
from engine.substrait.literals import Literals, struct_of
from engine.substrait.proto import algebra_pb2
from engine.substrait.refusals import require_size, unsupported
from engine.substrait.typed_expressions import OrderItem, Relation, Scopes, TypedExpression, cast
from engine.substrait.types import BOOLEAN, FLOATS, INTEGERS, Type, Types
from engine.substrait.windows import window_call

__all__ = ["Expressions"]

Expression = algebra_pb2.Expression
SubqueryReader = Callable[[algebra_pb2.Rel, Scopes], Relation]

_MAX_PARAMETERS = 65_535
_DIRECTIONS = {
    algebra_pb2.SortField.SORT_DIRECTION_ASC_NULLS_FIRST: "ASC NULLS FIRST",
    algebra_pb2.SortField.SORT_DIRECTION_ASC_NULLS_LAST: "ASC NULLS LAST",
    algebra_pb2.SortField.SORT_DIRECTION_DESC_NULLS_FIRST: "DESC NULLS FIRST",
    algebra_pb2.SortField.SORT_DIRECTION_DESC_NULLS_LAST: "DESC NULLS LAST",
    algebra_pb2.SortField.SORT_DIRECTION_CLUSTERED: "ASC NULLS LAST",
}
_COMPARISONS = {1: "=", 2: "<>", 3: "<", 4: ">", 5: "<=", 6: ">="}
_REDUCTIONS = {1: "ANY", 2: "ALL"}


class Expressions:
    """Reads expressions. Raises UnsupportedError, with the name, for what is not known, and InvalidPlanError."""

    def __init__(self, declarations: Declarations, types: Types, subquery: SubqueryReader) -> None:
        self._declarations = declarations
        self._types = types
        self._literals = Literals(types)
        self._subquery = subquery
        self._by_anchor: dict[int, tuple[TypedExpression, ...]] = {}  # the columns of relations
        self._readers: dict[str, Callable[[Any, Scopes], TypedExpression]] = {
            "literal": lambda given, _: self._literals.read(given),
            "selection": self._selection,
            "scalar_function": self._scalar_function,
            "window_function": self._window_function,
            "if_then": self._if_then,
            "switch_expression": self._switch,
            "singular_or_list": self._singular_or_list,
            "multi_or_list": self._multi_or_list,
            "cast": self._cast,
            "subquery": self._of_subquery,
            "nested": self._nested,
            "dynamic_parameter": self._parameter,
        }

    def anchor(self, anchor: int, columns: tuple[TypedExpression, ...]) -> None:
        """Let subqueries of what reads a relation name its columns by its anchor; 0 is none."""
        if anchor and anchor in self._by_anchor:
            raise InvalidPlanError(f"Two relations of the plan have the anchor {anchor}.")
        self._by_anchor[anchor] = columns

    def read(self, given: Expression, scopes: Scopes) -> TypedExpression:
        """An expression over the columns of the innermost scope."""
        kind = given.WhichOneof("rex_type")
        if kind is None:
            raise InvalidPlanError("An expression in the plan is empty.")
        if kind not in self._readers:
            raise unsupported("expression", kind)
        found = self._readers[kind](getattr(given, kind), scopes)
        require_size(found.sql)
        return found

    def read_all(self, given: Sequence[Expression], scopes: Scopes) -> list[TypedExpression]:
        """Several, over the same columns."""
        return [self.read(expression, scopes) for expression in given]

    def literals(self, given: Sequence[Expression.Literal]) -> list[TypedExpression]:
        """Several literals."""
        return [self._literals.read(literal) for literal in given]

    def order(self, sorts: Sequence[algebra_pb2.SortField], scopes: Scopes) -> list[OrderItem]:
        """What to order by; constants, which order nothing, are left out."""
        items = []
        for sort in sorts:
            if sort.WhichOneof("sort_kind") == "comparison_function_reference":
                raise unsupported("sort by", self._declarations.function_name(sort.comparison_function_reference))
            direction = _DIRECTIONS.get(sort.direction)
            if direction is None:
                raise unsupported("sort direction", str(sort.direction))
            items.append(OrderItem(self.read(sort.expr, scopes), direction))
        return [item for item in items if not item.key.is_constant]

    def call(self, given: Any, scopes: Scopes) -> Call:
        """A function's name with its arguments, options and type, of scalar, aggregate and window functions alike."""
        name = self._declarations.function_name(given.function_reference)
        arguments = [self._argument(argument, scopes) for argument in given.arguments]
        arguments += self.read_all(getattr(given, "args", ()), scopes)  # as old producers have them
        output = self._types.read(given.output_type) if given.HasField("output_type") else None
        options = {option.name.lower(): tuple(p.upper() for p in option.preference) for option in given.options}
        return Call(name, tuple(arguments), options, output, self._declarations.producer)

    def _argument(self, given: algebra_pb2.FunctionArgument, scopes: Scopes) -> TypedExpression:
        kind = given.WhichOneof("arg_type")
        if kind == "value":
            return self.read(given.value, scopes)
        if kind == "enum":
            return TypedExpression("", None, is_constant=True, value=given.enum.upper())
        raise unsupported("function argument", kind or "none")

    # ---- one function for each kind

    def _selection(self, given: Expression.FieldReference, scopes: Scopes) -> TypedExpression:
        if given.WhichOneof("reference_type") != "direct_reference":
            raise unsupported("field reference", given.WhichOneof("reference_type") or "none")
        segment = given.direct_reference
        match given.WhichOneof("root_type"):
            case "root_reference" | None:
                found = _column(segment, scopes, 0)
            case "outer_reference":
                found = self._outer(given.outer_reference, segment, scopes)
            case "expression":
                return self._segment(self.read(given.expression, scopes), segment)
            case other:
                raise unsupported("field reference", str(other))
        child = segment.struct_field
        return self._segment(found, child.child) if child.HasField("child") else found

    def _outer(
        self,
        given: Expression.FieldReference.OuterReference,
        segment: Expression.ReferenceSegment,
        scopes: Scopes,
    ) -> TypedExpression:
        """A column of a query around: so many steps out, or of the relation that has an anchor."""
        if not given.rel_reference:
            return _column(segment, scopes, given.steps_out)
        if given.rel_reference not in self._by_anchor:
            raise InvalidPlanError(f"The plan has no relation with the anchor {given.rel_reference}.")
        return _column(segment, (self._by_anchor[given.rel_reference],), 0)

    def _segment(self, of: TypedExpression, segment: Expression.ReferenceSegment) -> TypedExpression:
        """What a segment of a reference takes from a value."""
        kind = segment.WhichOneof("reference_type")
        given = getattr(segment, kind or "struct_field")
        if kind == "struct_field":
            found = _field(of, given.field)
        elif kind == "list_element":
            if of.type is None or of.type.name != "LIST":
                raise InvalidPlanError("The plan takes an element of what is no list.")
            found = TypedExpression(f"list_extract({of.sql}, {given.offset + 1})", of.type.members[0])
        elif kind == "map_key":
            if of.type is None or of.type.name != "MAP":
                raise InvalidPlanError("The plan takes a value of what is no map.")
            found = TypedExpression(
                f"map_extract_value({of.sql}, {self._literals.read(given.map_key).sql})", of.type.members[1]
            )
        else:
            raise InvalidPlanError("A field reference in the plan is empty.")
        require_size(found.sql)
        return self._segment(found, given.child) if given.HasField("child") else found

    def _scalar_function(self, given: Expression.ScalarFunction, scopes: Scopes) -> TypedExpression:
        return scalar_call(self.call(given, scopes))

    def _window_function(self, given: Expression.WindowFunction, scopes: Scopes) -> TypedExpression:
        partitions = self.read_all(given.partitions, scopes)
        return window_call(self.call(given, scopes), given, partitions, self.order(given.sorts, scopes))

    def _if_then(self, given: Expression.IfThen, scopes: Scopes) -> TypedExpression:
        """CASE. DataFusion writes one that compares with a value as a first condition, the value, without a result."""
        clauses, match = list(given.ifs), ""
        if clauses and not clauses[0].HasField("then"):
            match = self.read(getattr(clauses.pop(0), "if"), scopes).sql
        cases = [(self.read(getattr(c, "if"), scopes), self.read(c.then, scopes)) for c in clauses]
        otherwise = self.read(getattr(given, "else"), scopes) if given.HasField("else") else None
        return _case(match, cases, otherwise)

    def _switch(self, given: Expression.SwitchExpression, scopes: Scopes) -> TypedExpression:
        cases = [(self._literals.read(getattr(c, "if")), self.read(c.then, scopes)) for c in given.ifs]
        otherwise = self.read(getattr(given, "else"), scopes) if given.HasField("else") else None
        return _case(self.read(given.match, scopes).sql, cases, otherwise)

    def _singular_or_list(self, given: Expression.SingularOrList, scopes: Scopes) -> TypedExpression:
        value, options = self.read(given.value, scopes), self.read_all(given.options, scopes)
        if not options:
            return TypedExpression("CAST('false' AS BOOLEAN)", BOOLEAN, is_constant=True)
        return TypedExpression(f"({value.sql} IN ({', '.join(option.sql for option in options)}))", BOOLEAN)

    def _multi_or_list(self, given: Expression.MultiOrList, scopes: Scopes) -> TypedExpression:
        values = _row(self.read_all(given.value, scopes))
        records = [_row(self.read_all(record.fields, scopes)) for record in given.options]
        if not records:
            return TypedExpression("CAST('false' AS BOOLEAN)", BOOLEAN, is_constant=True)
        return TypedExpression(f"({values} IN ({', '.join(records)}))", BOOLEAN)

    def _cast(self, given: Expression.Cast, scopes: Scopes) -> TypedExpression:
        """A cast. Of numbers to integers it cuts, as producers' own engines do, where the kernel's rounds."""
        value, to = self.read(given.input, scopes), self._types.read(given.type)
        if value.type == to:
            return value
        fraction = value.type is not None and (value.type.name in FLOATS or value.type.scale > 0)
        if fraction and to.name in INTEGERS:
            value = TypedExpression(f"trunc({value.sql})", None)
        word = "TRY_CAST" if given.failure_behavior == Expression.Cast.FAILURE_BEHAVIOR_RETURN_NULL else "CAST"
        return TypedExpression(f"{word}({value.sql} AS {to.sql})", to)

    def _nested(self, given: Expression.Nested, scopes: Scopes) -> TypedExpression:
        kind = given.WhichOneof("nested_type")
        if kind == "struct" and given.struct.fields:
            return replace(struct_of(self.read_all(given.struct.fields, scopes)), is_constant=False)
        if kind == "list" and given.list.values:
            values = self.read_all(given.list.values, scopes)
            first = values[0].type
            text = f"[{', '.join(value.sql for value in values)}]"
            return TypedExpression(text, None if first is None else Type("LIST", members=(first,)))
        raise unsupported("expression", f"nested {kind}")

    def _parameter(self, given: algebra_pb2.DynamicParameter, _: Scopes) -> TypedExpression:
        number = given.parameter_reference
        if number in self._declarations.bindings:
            return self._literals.read(self._declarations.bindings[number])
        if number >= _MAX_PARAMETERS:
            raise InvalidPlanError(f"The plan has a parameter {number}; there may be {_MAX_PARAMETERS}.")
        kind = self._types.read(given.type)
        return TypedExpression(f"CAST(${number + 1} AS {kind.sql})", kind)

    def _of_subquery(self, given: Expression.Subquery, scopes: Scopes) -> TypedExpression:
        match given.WhichOneof("subquery_type"):
            case "scalar":
                rows = self._subquery(given.scalar.input, scopes)
                only = _only(rows)
                return TypedExpression(f"({_select([only], rows)})", only.type)
            case "in_predicate":
                needles = self.read_all(given.in_predicate.needles, scopes)
                rows = self._subquery(given.in_predicate.haystack, scopes)
                if len(needles) != len(rows.columns):
                    raise InvalidPlanError(f"IN compares {len(needles)} values with {len(rows.columns)} columns.")
                return TypedExpression(f"({_row(needles)} IN ({_select(rows.columns, rows)}))", BOOLEAN)
            case "set_predicate":
                rows = self._subquery(given.set_predicate.tuples, scopes)
                if given.set_predicate.predicate_op != Expression.Subquery.SetPredicate.PREDICATE_OP_EXISTS:
                    raise unsupported("subquery", f"set predicate {given.set_predicate.predicate_op}")
                return TypedExpression(f"(EXISTS (SELECT 1 FROM {rows.source}))", BOOLEAN)
            case "set_comparison":
                return self._set_comparison(given.set_comparison, scopes)
        raise InvalidPlanError("A subquery in the plan is empty.")

    def _set_comparison(self, given: Expression.Subquery.SetComparison, scopes: Scopes) -> TypedExpression:
        comparison, reduction = _COMPARISONS.get(given.comparison_op), _REDUCTIONS.get(given.reduction_op)
        if comparison is None or reduction is None:
            raise unsupported("subquery", f"set comparison {given.comparison_op}, {given.reduction_op}")
        left, rows = self.read(given.left, scopes), self._subquery(given.right, scopes)
        return TypedExpression(f"({left.sql} {comparison} {reduction} ({_select([_only(rows)], rows)}))", BOOLEAN)


def _column(segment: Expression.ReferenceSegment, scopes: Scopes, steps: int) -> TypedExpression:
    if segment.WhichOneof("reference_type") != "struct_field":
        raise unsupported("field reference", segment.WhichOneof("reference_type") or "none")
    if steps >= len(scopes):
        raise InvalidPlanError(f"The plan refers to a query {steps} steps out of one that stands {len(scopes) - 1} in.")
    return Relation("", scopes[steps]).column(segment.struct_field.field)


def _field(of: TypedExpression, place: int) -> TypedExpression:
    if of.type is None or of.type.name != "STRUCT":
        raise InvalidPlanError("The plan takes a field of what is no struct.")
    if not 0 <= place < len(of.type.members):
        raise InvalidPlanError(f"The plan takes field {place} of a struct that has {len(of.type.members)}.")
    return TypedExpression(f"struct_extract_at({of.sql}, {place + 1})", of.type.members[place])


def _case(
    match: str, cases: Sequence[tuple[TypedExpression, TypedExpression]], otherwise: TypedExpression | None
) -> TypedExpression:
    if not cases:
        if otherwise is None:
            raise InvalidPlanError("A conditional in the plan has no case.")
        return otherwise
    results = [result for _, result in cases] + ([] if otherwise is None else [otherwise])
    kind = next((result.type for result in results if result.type is not None), None)
    if kind is not None:
        results = [cast(result, kind) for result in results]
    whens = " ".join(f"WHEN {when.sql} THEN {then.sql}" for (when, _), then in zip(cases, results, strict=False))
    end = "" if otherwise is None else f" ELSE {results[-1].sql}"
    return TypedExpression(f"CASE {match} {whens}{end} END", kind)


def _row(values: Sequence[TypedExpression]) -> str:
    if not values:
        raise InvalidPlanError("The plan compares rows without values.")
    return values[0].sql if len(values) == 1 else f"({', '.join(value.sql for value in values)})"


def _only(rows: Relation) -> TypedExpression:
    if len(rows.columns) != 1:
        raise InvalidPlanError(f"A subquery of one value gives {len(rows.columns)} columns.")
    return rows.columns[0]


def _select(columns: Sequence[TypedExpression], rows: Relation) -> str:
    return f"SELECT {', '.join(column.sql for column in columns)} FROM {rows.source}"
