"""Substrait plans over Flight SQL: by ADBC, whose cursors take them as bytes, and as the protocol has them."""

from __future__ import annotations

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import grpc
import pyarrow as pa
import pytest
from google.protobuf.any_pb2 import Any as Envelope
from pyarrow import flight, ipc

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.clients.raw import RawClient
from tests.engine.substrait.produced import Produced, assert_same, produced

BY_NAME = {case.name: case for case in produced()}
GROUPED = BY_NAME["grouped"]
CASES = pytest.mark.parametrize("case", [GROUPED, BY_NAME["semi join"], BY_NAME["limit"]], ids=str)


def command(case: Produced) -> sql.CommandStatementSubstraitPlan:
    return sql.CommandStatementSubstraitPlan(plan=sql.SubstraitPlan(plan=case.plan, version="0.85.0"))


@CASES
def test_cursors_take_plans(runtime_uri: str, case: Produced) -> None:
    with flight_sql.connect(runtime_uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(case.plan)
        assert_same(cursor.fetch_arrow_table(), case.answer)


def test_a_plan_follows_sql_on_one_cursor(cursor: flight_sql.Cursor) -> None:
    cursor.execute(GROUPED.plan)
    assert cursor.fetchone() == (0, 5, "ALGERIA")
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]
    cursor.execute(GROUPED.plan)
    assert len(cursor.fetchall()) == 5


def test_commands_carry_plans(raw: RawClient) -> None:
    assert raw.schema(command(GROUPED)).names == GROUPED.answer.column_names
    assert_same(raw.ask(command(GROUPED)), GROUPED.answer)
    assert raw.update(command(GROUPED)) == -1


def test_plans_are_prepared(raw: RawClient) -> None:
    request = sql.ActionCreatePreparedSubstraitPlanRequest(plan=sql.SubstraitPlan(plan=GROUPED.plan))
    (answer,) = raw.action("CreatePreparedSubstraitPlan", wrap(request))
    prepared = sql.ActionCreatePreparedStatementResult.FromString(Envelope.FromString(answer).value)
    handle = prepared.prepared_statement_handle
    for _ in range(2):
        rows = raw.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))
        assert_same(rows, GROUPED.answer)
    assert ipc.read_schema(pa.py_buffer(prepared.parameter_schema)) == pa.schema([])
    raw.close_prepared(handle)
    with pytest.raises(grpc.RpcError, match="prepared statement"):
        raw.ask(sql.CommandPreparedStatementQuery(prepared_statement_handle=handle))


def test_bare_flight_asks_with_a_plan(bare: flight.FlightClient) -> None:
    info = bare.get_flight_info(flight.FlightDescriptor.for_command(wrap(command(GROUPED))))
    assert_same(bare.do_get(info.endpoints[0].ticket).read_all(), GROUPED.answer)


def test_what_is_no_plan(cursor: flight_sql.Cursor) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"no Substrait plan.*InvalidPlanError"):
        cursor.execute(b"\xffnothing")
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="The plan has 0 relations"):
        cursor.execute(b"")


def test_a_table_that_is_not_there(cursor: flight_sql.Cursor) -> None:
    plan = GROUPED.plan.replace(b"\x06nation", b"\x06notion")
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=r'notion".*did you mean "nation"') as raised:
        cursor.execute(plan)
    assert "SELECT" not in str(raised.value)
