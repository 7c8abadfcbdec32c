"""A plan is a query of its session like any other: names, rights, views, snapshots, parameters, cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, InvalidValueError, TypeMismatchError, UnknownColumnError, UnknownTableError
from engine.rights import Grants, Identity, Rights
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import DirectoryStorage
from engine.substrait.proto import algebra_pb2
from local_runtime import LocalRuntime
from tests.engine.substrait.plans import I64, Expression, call, field, number, plan, read

Rel = algebra_pb2.Rel


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The tables main.t of 1, 2, 3 and other.t of 10, and the view main.v of the even ones."""
    folder: Path = tmp_path_factory.mktemp("sessions")
    with LocalRuntime(DirectoryStorage(folder), threads=1) as runtime:
        database = Database(runtime)
        for text in (
            "CREATE TABLE t AS SELECT i AS x FROM range(1, 4) r(i)",
            "CREATE SCHEMA other",
            "CREATE TABLE other.t AS SELECT 10::BIGINT AS x",
            "CREATE VIEW v AS SELECT x FROM t WHERE x % 2 = 0",
        ):
            change(database, text)
        yield database


def change(database: Database, text: str, session: Session | None = None) -> None:
    database.run(StatementContext(session or Session()), database.parse(text))


def values(database: Database, data: bytes, session: Session | None = None) -> list[object]:
    session = session or Session()
    with database.ask(session, database.parse(data)).open(StatementContext(session)) as result:
        return sorted(result.read_all()["x"].to_pylist())


def all_of(*table: str) -> bytes:
    return plan(read("x", table=table), ["x"]).SerializeToString()


def test_names_are_those_of_the_session(database: Database) -> None:
    assert values(database, all_of("t")) == [1, 2, 3]
    assert values(database, all_of("t"), Session(schema="other")) == [10]
    assert values(database, all_of("other", "t")) == [10]
    assert values(database, all_of("grism", "main", "T")) == [1, 2, 3]
    assert values(database, all_of("v")) == [2]
    own = Session(data=database.folder)
    change(database, "CREATE TEMPORARY TABLE t AS SELECT 7::BIGINT AS x", own)
    assert values(database, all_of("t"), own) == [7]
    own.end()


def test_rights_hold(database: Database) -> None:
    nobody = Session(grants=Grants(Rights({}), Identity("x", frozenset({"reader"}))))
    with pytest.raises(UnknownTableError, match=r'no table "main\.t"'):
        values(database, all_of("t"), nobody)


def test_a_plan_is_answered_from_the_moment_of_its_planning(database: Database) -> None:
    change(database, "CREATE TABLE grows AS SELECT 1::BIGINT AS x")
    session = Session()
    answer = database.ask(session, database.parse(all_of("grows")))
    change(database, "INSERT INTO grows VALUES (2)")
    with answer.open(StatementContext(session)) as result:
        assert result.read_all()["x"].to_pylist() == [1]
    assert values(database, all_of("grows")) == [1, 2]


def parameter(reference: int) -> Expression:
    return Expression(dynamic_parameter=algebra_pb2.DynamicParameter(type=I64, parameter_reference=reference))


def test_parameters(database: Database) -> None:
    """References count from 0, where the dialect counts from 1."""
    sums = call(1, call(1, field(0), parameter(0)), parameter(1))
    common = algebra_pb2.RelCommon(emit=algebra_pb2.RelCommon.Emit(output_mapping=[1]))
    project = algebra_pb2.ProjectRel(common=common, input=read("x", table=("t",)), expressions=[sums])
    made = plan(Rel(project=project), ["x"], {1: "add:i64_i64"})
    parsed = database.parse(made.SerializeToString())
    session = Session()
    assert database.parameters(session, parsed) == pa.schema([("1", pa.int64()), ("2", pa.int64())])
    rows = [[pa.scalar(10), pa.scalar(100)], [pa.scalar(20), pa.scalar(200)]]
    with database.ask(session, parsed, rows).open(StatementContext(session)) as result:
        assert result.read_all()["x"].to_pylist() == [111, 112, 113, 221, 222, 223]
    for anchor, value in enumerate((1000, 10_000)):
        made.parameter_bindings.add(parameter_anchor=anchor, value=number(value).literal)
    assert values(database, made.SerializeToString()) == [11_001, 11_002, 11_003]


def test_what_is_wrong_has_no_place_in_a_text_that_nobody_wrote(database: Database) -> None:
    compared = call(1, field(0), Expression(literal=Expression.Literal(string="x")))
    filtered = Rel(filter=algebra_pb2.FilterRel(input=read("x", table=("t",)), condition=compared))
    for data, kind in (
        (all_of("nothing"), UnknownTableError),
        (plan(read("y", table=("t",)), ["y"]).SerializeToString(), UnknownColumnError),
        (plan(filtered, ["x"], {1: "starts_with:str_str"}).SerializeToString(), TypeMismatchError),
    ):
        with pytest.raises(kind) as raised:
            values(database, data)
        assert raised.value.place is None
        assert "SELECT" not in str(raised.value)


@pytest.mark.parametrize("name", ["divide:i64_i64", "modulus:i64_i64"])
def test_by_zero(database: Database, name: str) -> None:
    """An error, as producers' own engines have it; NULL where the plan prefers that."""

    def divided(**options: str) -> bytes:
        quotient = call(1, number(7), call(2, field(0), number(2)), **options)
        common = algebra_pb2.RelCommon(emit=algebra_pb2.RelCommon.Emit(output_mapping=[1]))
        project = algebra_pb2.ProjectRel(common=common, input=read("x", table=("v",)), expressions=[quotient])
        return plan(Rel(project=project), ["x"], {1: name, 2: "subtract:i64_i64"}).SerializeToString()

    with pytest.raises(InvalidValueError, match="Division by zero"):
        values(database, divided())
    assert values(database, divided(on_division_by_zero="NULL")) == [None]


def test_it_stops_when_its_caller_does(database: Database) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError), cancellation.scope():
        database.parse(all_of("t"))
