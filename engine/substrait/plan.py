"""Plans: from bytes to one SELECT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.message import DecodeError

from engine.errors import InvalidPlanError, UnsupportedError
from engine.substrait.declarations import Declarations
from engine.substrait.proto import algebra_pb2, plan_pb2
from engine.substrait.refusals import check_known, identifier, require_no_enhancement, require_size
from engine.substrait.relations import Relations
from engine.substrait.typed_expressions import Relation, TypedExpression
from engine.substrait.types import Type

__all__ = ["read_plan"]


def read_plan(data: bytes) -> str:
    """A serialised Substrait plan as one SELECT in the kernel's dialect.

    Raises InvalidPlanError where it is none, or refers to what it does not have; UnsupportedError, which names the
    relation, the function or the type, for what is not known here; and the cause where planning was stopped.
    """
    try:
        plan = plan_pb2.Plan.FromString(data)
    except DecodeError:
        raise InvalidPlanError(
            "The bytes are no Substrait plan, or it is nested more deeply than a protobuf message may be."
        ) from None
    check_known(plan)
    require_no_enhancement(plan.advanced_extensions, "plan")
    root = _root(plan)
    relation = Relations(Declarations(plan)).read(root.input, ())
    return require_size(_named_query(relation, list(root.names)))


def _root(plan: plan_pb2.Plan) -> algebra_pb2.RelRoot:
    """The one relation that the plan is about."""
    if len(plan.relations) != 1:
        raise InvalidPlanError(f"The plan has {len(plan.relations)} relations; one is handled, its root.")
    only = plan.relations[0]
    match only.WhichOneof("rel_type"):
        case "root":
            return only.root
        case "rel":
            return algebra_pb2.RelRoot(input=only.rel)
    raise InvalidPlanError("The relation of the plan is empty.")


def _named_query(relation: Relation, names: list[str]) -> str:
    """The SELECT of a relation whose columns have the names of the root, depth first."""
    if not relation.columns:
        raise InvalidPlanError("The plan gives no columns.")
    if not names:
        names = _default_names([column.type for column in relation.columns])
    rest = iter(names)
    items = []
    try:
        for column in relation.columns:
            name = next(rest)
            items.append(f"{_with_names(column, rest).sql} AS {identifier(name)}")
    except StopIteration:
        raise InvalidPlanError("The root of the plan has fewer names than columns.") from None
    if next(rest, None) is not None:
        raise InvalidPlanError("The root of the plan has more names than columns.")
    return f"SELECT {', '.join(items)} FROM {relation.source}{relation.ordered_by}"


def _default_names(kinds: Sequence[Type | None]) -> list[str]:
    names = []
    for place, kind in enumerate(kinds):
        names.append(f"c{place}")
        names += [] if kind is None else _nested_names(kind)
    return names


def _nested_names(kind: Type) -> list[str]:
    names: list[str] = []
    for place, member in enumerate(kind.members):
        names += [kind.fields[place]] if kind.fields else []
        names += _nested_names(member)
    return names


def _with_names(column: TypedExpression, names: Iterator[str]) -> TypedExpression:
    """A column whose fields have the next of `names`; UnsupportedError for those of structs in lists and maps."""
    if column.type is None:
        return column
    renamed = _rename_fields(column.type, names)
    if renamed == column.type:
        return column
    return TypedExpression(require_size(_rebuilt(column.sql, column.type, renamed)), renamed)


def _rename_fields(kind: Type, names: Iterator[str]) -> Type:
    fields, members = [], []
    for member in kind.members:
        if kind.fields:
            fields.append(next(names))
        members.append(_rename_fields(member, names))
    return Type(kind.name, kind.numbers, tuple(members), tuple(fields))


def _rebuilt(text: str, kind: Type, renamed: Type) -> str:
    if kind == renamed:
        return text
    if kind.name != "STRUCT":
        raise UnsupportedError(
            "The root of the plan names fields of structs in lists or maps; that is not handled here."
        )
    fields = [
        f"{identifier(name)} := {_rebuilt(f'struct_extract_at({text}, {place})', member, to)}"
        for place, (name, member, to) in enumerate(
            zip(renamed.fields, kind.members, renamed.members, strict=True), start=1
        )
    ]
    return f"CASE WHEN {text} IS NULL THEN NULL ELSE struct_pack({', '.join(fields)}) END"
