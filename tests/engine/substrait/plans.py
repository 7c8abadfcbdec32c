"""Small plans, made by hand of the protocol's messages."""

from __future__ import annotations

from engine.substrait.proto import algebra_pb2, extensions_pb2, plan_pb2, type_pb2

__all__ = ["I64", "call", "field", "number", "plan", "read"]

Expression = algebra_pb2.Expression
I64 = type_pb2.Type(i64=type_pb2.Type.I64(nullability=type_pb2.Type.NULLABILITY_NULLABLE))


def read(*names: str, table: tuple[str, ...] = ("nation",)) -> algebra_pb2.Rel:
    """Columns of whole numbers of a table."""
    schema = type_pb2.NamedStruct(names=names, struct=type_pb2.Type.Struct(types=[I64] * len(names)))
    named = algebra_pb2.ReadRel.NamedTable(names=table)
    return algebra_pb2.Rel(read=algebra_pb2.ReadRel(base_schema=schema, named_table=named))


def field(place: int, steps_out: int | None = None) -> Expression:
    """A column of the input, or of the input of a query around it."""
    segment = Expression.ReferenceSegment(struct_field=Expression.ReferenceSegment.StructField(field=place))
    reference = Expression.FieldReference(direct_reference=segment)
    if steps_out is not None:
        reference.outer_reference.steps_out = steps_out
    return Expression(selection=reference)


def number(value: int) -> Expression:
    """A literal."""
    return Expression(literal=Expression.Literal(i64=value))


def call(anchor: int, *arguments: Expression, **options: str) -> Expression:
    """A call of a function, whose result is a whole number."""
    function = Expression.ScalarFunction(function_reference=anchor, output_type=I64)
    function.arguments.extend(algebra_pb2.FunctionArgument(value=argument) for argument in arguments)
    for name, preference in options.items():
        function.options.add(name=name, preference=[preference])
    return Expression(scalar_function=function)


def plan(root: algebra_pb2.Rel, names: list[str], functions: dict[int, str] | None = None) -> plan_pb2.Plan:
    """A plan, which declares functions by their anchors."""
    made = plan_pb2.Plan(relations=[plan_pb2.PlanRel(root=algebra_pb2.RelRoot(input=root, names=names))])
    for anchor, name in (functions or {}).items():
        declared = extensions_pb2.SimpleExtensionDeclaration.ExtensionFunction(function_anchor=anchor, name=name)
        made.extensions.add(extension_function=declared)
    return made
