"""What a plan cannot be, or what is not known in it, is an error that names it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message

from engine.errors import ForbiddenError, InvalidPlanError, PlanningError, UnsupportedError
from engine.substrait import read_plan
from engine.substrait.proto import algebra_pb2, extensions_pb2, plan_pb2, type_pb2
from tests.engine.substrait.plans import I64, Expression, call, field, number, plan, read
from tests.engine.substrait.produced import produced

Rel, Type = algebra_pb2.Rel, type_pb2.Type
NATION = read("n_nationkey", "n_regionkey")


def project(*expressions: Expression) -> Rel:
    """These expressions over two columns of nation."""
    emit = algebra_pb2.RelCommon.Emit(output_mapping=range(2, 2 + len(expressions)))
    common = algebra_pb2.RelCommon(emit=emit)
    return Rel(project=algebra_pb2.ProjectRel(common=common, input=NATION, expressions=expressions))


def aliased(kind: Type, *aliases: Type) -> plan_pb2.Plan:
    """A cast to a type, with types that have the aliases 0, 1, ..."""
    made = plan(project(Expression(cast=Expression.Cast(input=field(0), type=kind))), ["x"])
    for anchor, alias in enumerate(aliases):
        made.type_aliases.add(type_alias_anchor=anchor, type=alias)
    return made


def alias(anchor: int) -> Type:
    return Type(alias=Type.TypeAliasReference(type_alias_reference=anchor))


def measured(name: str) -> plan_pb2.Plan:
    function = algebra_pb2.AggregateFunction(function_reference=1)
    function.arguments.add(value=field(0))
    rel = algebra_pb2.AggregateRel(input=NATION, measures=[algebra_pb2.AggregateRel.Measure(measure=function)])
    return plan(Rel(aggregate=rel), ["x"], {1: name})


def fetch(count: int) -> Rel:
    return Rel(fetch=algebra_pb2.FetchRel(input=NATION, count=count))


def enhanced() -> Rel:
    extension = extensions_pb2.AdvancedExtension(enhancement={"type_url": "x.org/Twice"})
    return Rel(filter=algebra_pb2.FilterRel(input=NATION, condition=number(1), advanced_extension=extension))


def files() -> Rel:
    local = algebra_pb2.ReadRel.LocalFiles()
    return Rel(read=algebra_pb2.ReadRel(base_schema=NATION.read.base_schema, local_files=local))


TWO = ["a", "b"]
INVALID = {
    "The plan has no function with the anchor 7": plan(project(call(7, field(0))), ["x"]),
    "field 9 of a relation that has 2 columns": plan(project(field(9)), ["x"]),
    "field -1 of a relation": plan(project(field(-1)), ["x"]),
    "1 steps out of one that stands 0 in": plan(project(field(0, steps_out=1)), ["x"]),
    "fewer names than columns": plan(NATION, ["a"]),
    "more names than columns": plan(NATION, ["a", "b", "c"]),
    "NUL character": plan(NATION, ["a", "b\0"]),
    "takes 2 arguments; the plan gives it 1": plan(project(call(1, field(0))), ["x"], {1: "multiply:i64_i64"}),
    'the name "n_name"': plan(read("n_name", "n_name"), TWO),
    "A relation in the plan is empty": plan(Rel(), ["x"]),
    "An expression in the plan is empty": plan(project(Expression()), ["x"]),
    "A literal in the plan is empty": plan(project(Expression(literal=Expression.Literal())), ["x"]),
    "fetches with a LIMIT of -7": plan(fetch(-7), TWO),
    "0 relations": plan_pb2.Plan(),
    "no type with the alias 3": aliased(alias(3)),
    "Aliases of types in the plan stand for each other": aliased(alias(0), alias(1), alias(0)),
    "does not have 16 bytes": plan(
        project(Expression(literal=Expression.Literal(decimal=Expression.Literal.Decimal(value=b"1", precision=3)))),
        ["x"],
    ),
}
UNKNOWN = {
    'function "hash_it"': plan(project(call(1, field(0))), ["x"], {1: "hash_it:i64"}),
    'aggregate function "entropy"': measured("entropy"),
    'relation "extension_leaf Private"': plan(
        Rel(extension_leaf=algebra_pb2.ExtensionLeafRel(detail={"type_url": "x.org/Private"})), ["x"]
    ),
    'relation "write"': plan(Rel(write=algebra_pb2.WriteRel(input=NATION)), TWO),
    'relation "reference"': plan(Rel(reference=algebra_pb2.ReferenceRel(subtree_ordinal=0)), TWO),
    'enhancement "Twice"': plan(enhanced(), TWO),
    "alias in an alias": aliased(alias(0), Type(list=Type.List(type=alias(1))), Type(list=Type.List(type=alias(0)))),
    'option "overflow=SATURATE" of the Substrait function "add"': plan(
        project(call(1, field(0), field(1), overflow="SATURATE")), ["x"], {1: "add:i64_i64"}
    ),
    "LEFT_SINGLE": plan(
        Rel(
            join=algebra_pb2.JoinRel(
                left=NATION, right=NATION, type=algebra_pb2.JoinRel.JOIN_TYPE_LEFT_SINGLE, expression=number(1)
            )
        ),
        TWO,
    ),
    'type "decimal<50,2>"': aliased(Type(decimal=Type.Decimal(precision=50, scale=2))),
    'literal "user_defined"': plan(
        project(Expression(literal=Expression.Literal(user_defined=Expression.Literal.UserDefined()))), ["x"]
    ),
}


@pytest.mark.parametrize("said", INVALID)
def test_plans_that_are_not_valid(said: str) -> None:
    with pytest.raises(InvalidPlanError) as raised:
        read_plan(INVALID[said].SerializeToString())
    assert said in str(raised.value)


@pytest.mark.parametrize("said", UNKNOWN)
def test_what_is_not_known_is_refused_by_its_name(said: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        read_plan(UNKNOWN[said].SerializeToString())
    assert said in str(raised.value)


def test_files_are_out_of_reach() -> None:
    with pytest.raises(ForbiddenError, match="by their names"):
        read_plan(plan(files(), TWO).SerializeToString())


def test_two_functions_with_one_anchor() -> None:
    made = plan(NATION, TWO, {1: "add"})
    made.extensions.add().extension_function.MergeFrom(made.extensions[0].extension_function)
    read_plan(made.SerializeToString())
    made.extensions[1].extension_function.name = "multiply"
    with pytest.raises(InvalidPlanError, match="Two functions of the plan have the anchor 1"):
        read_plan(made.SerializeToString())


def test_a_field_of_a_newer_version_is_not_lost() -> None:
    newer = b"\xf2\x01\x00"  # field 30, empty bytes
    made = plan(NATION, TWO).SerializeToString()
    filtered = Rel(
        filter=algebra_pb2.FilterRel.FromString(algebra_pb2.FilterRel(input=NATION).SerializeToString() + newer)
    )
    with pytest.raises(UnsupportedError, match=r"field 30 in a substrait\.FilterRel"):
        read_plan(plan(filtered, TWO).SerializeToString())
    with pytest.raises(UnsupportedError, match=r"field 30 in a substrait\.Plan"):
        read_plan(made + newer)


def test_what_is_read_twice_again_and_again_is_too_large() -> None:
    """Where a text is cut is looked at twice: what stands there, and in it, is doubled each time."""
    nested = field(0)
    for _ in range(26):
        nested = call(1, field(1), nested, number(2))
    with pytest.raises(UnsupportedError, match="too large"):
        read_plan(plan(project(nested), ["x"], {1: "substring:str_i64_i64"}).SerializeToString())


def test_relations_of_very_many_columns_are_too_large() -> None:
    wide = NATION
    emit = algebra_pb2.RelCommon.Emit(output_mapping=[0] * 10_000)
    for _ in range(12):
        common = algebra_pb2.RelCommon(emit=emit)
        wide = Rel(
            filter=algebra_pb2.FilterRel(common=common, input=wide, condition=Expression(literal={"boolean": True}))
        )
    with pytest.raises(UnsupportedError, match="too large"):
        read_plan(plan(wide, ["x"]).SerializeToString())


def test_a_plan_that_is_nested_more_deeply_than_a_message_may_be() -> None:
    deep = NATION.SerializeToString()
    for _ in range(60):
        deep = _wrapped(3, _wrapped(2, deep))  # a FetchRel's input, as a Rel
    data = _wrapped(3, _wrapped(2, _wrapped(1, deep)))  # the root of a PlanRel of a Plan
    with pytest.raises(InvalidPlanError, match="nested more deeply"):
        read_plan(data)


def _wrapped(number: int, data: bytes) -> bytes:
    """A field of a message: its tag, the length in up to two bytes, and what is in it."""
    size = len(data)
    length = bytes([size]) if size < 128 else bytes([size % 128 + 128, size // 128])
    return bytes([number * 8 + 2]) + length + data


def test_forged_plans_are_errors_of_planning() -> None:
    """Parts of plans are lost, doubled, exchanged and changed; whatever comes of that is a SELECT or a typed error."""
    generator, outcomes = random.Random(1), set()
    for case in generator.choices(produced(), k=300):
        forged = plan_pb2.Plan.FromString(case.plan)
        for _ in range(generator.randint(1, 3)):
            _forge(forged, generator)
        try:
            outcomes.add(read_plan(forged.SerializeToString())[:6])
        except PlanningError as error:
            outcomes.add(type(error).__name__)
    assert outcomes >= {"SELECT", "InvalidPlanError", "UnsupportedError"}


def _messages(message: Message) -> Iterator[Message]:
    yield message
    for found, value in message.ListFields():
        if found.message_type is not None and found.message_type.file.package == "substrait":
            for inner in value if found.is_repeated else [value]:
                yield from _messages(inner)


def _forge(forged: Message, generator: random.Random) -> None:
    every = list(_messages(forged))
    message = generator.choice([each for each in every if each.ListFields()])
    found, value = generator.choice(message.ListFields())
    if found.is_repeated:
        value.append(value[0]) if generator.random() < 0.5 else value.pop()
    elif found.message_type is not None and generator.random() < 0.5:
        other = generator.choice([each for each in every if type(each) is type(value)]).SerializeToString()
        message.ClearField(found.name)
        getattr(message, found.name).MergeFromString(other)
    elif found.cpp_type in (found.CPPTYPE_INT32, found.CPPTYPE_UINT32, found.CPPTYPE_INT64):
        setattr(message, found.name, generator.choice([0, 1, 3, 17, 2**31 - 1]))
    else:
        message.ClearField(found.name)


def test_types_without_an_end_are_refused_where_they_stand_in_a_table() -> None:
    made = plan(NATION, TWO)
    made.relations[0].root.input.read.base_schema.struct.types[0].CopyFrom(alias(0))
    made.type_aliases.add(type_alias_anchor=0, type=Type(map=Type.Map(key=I64, value=alias(0))))
    with pytest.raises(UnsupportedError, match="alias in an alias"):
        read_plan(made.SerializeToString())
