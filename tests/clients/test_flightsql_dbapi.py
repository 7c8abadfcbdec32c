"""The call sequences of `flightsql-dbapi`, which needs SQLAlchemy 1.4 and so has no place in this environment.

It packs each parameter into a dense union, reads nothing of the answer to a binding, and executes the handle that it
bound to; its SQLAlchemy dialect is the one of Superset.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import flight, ipc

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.clients.raw import RawClient

_KINDS = {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary(), bool: pa.bool_()}


def parameters(*values: object) -> pa.RecordBatch:
    """Every value in a dense union of all the types that the package knows."""
    columns = []
    for value in values:
        place = list(_KINDS).index(type(value))
        members = [pa.array([value] if i == place else [], kind) for i, kind in enumerate(_KINDS.values())]
        union = pa.UnionArray.from_dense(pa.array([place], pa.int8()), pa.array([0], pa.int32()), members)
        columns.append(union)
    return pa.RecordBatch.from_arrays(columns, [f"param_{i}" for i in range(len(values))])


@pytest.fixture
def options(bare: flight.FlightClient) -> flight.FlightCallOptions:
    """Without a user it sends a token all the same, which is the word None."""
    return flight.FlightCallOptions(headers=[(b"authorization", b"Bearer None")])


def test_execute_with_parameters(bare: flight.FlightClient, raw: RawClient, options: flight.FlightCallOptions) -> None:
    query = "SELECT ? AS i, ? AS f, ? AS s, ? AS b, ? AS t, n_name FROM nation WHERE n_nationkey = ?"
    prepared = raw.prepare(query)
    command = sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
    descriptor = flight.FlightDescriptor.for_command(wrap(command))
    for key, name in ((0, "ALGERIA"), (24, "UNITED STATES")):
        batch = parameters(7, 1.5, "text", b"\x00", True, key)
        writer, reader = bare.do_put(descriptor, batch.schema, options)
        writer.write(batch)
        writer.done_writing()
        reader.read()
        info = bare.get_flight_info(descriptor, options)
        (row,) = bare.do_get(info.endpoints[0].ticket, options).read_all().to_pylist()
        assert list(row.values()) == [7, 1.5, "text", b"\x00", True, name]


def test_reflection(bare: flight.FlightClient, options: flight.FlightCallOptions) -> None:
    command = sql.CommandGetTables(
        table_name_filter_pattern="nation", db_schema_filter_pattern="main", include_schema=True
    )
    info = bare.get_flight_info(flight.FlightDescriptor.for_command(wrap(command)), options)
    table = bare.do_get(info.endpoints[0].ticket, options).read_all()
    schema = ipc.open_stream(table["table_schema"][0].as_py()).schema
    assert schema.names == ["n_nationkey", "n_name", "n_regionkey", "n_comment"]


def test_an_update(bare: flight.FlightClient, options: flight.FlightCallOptions) -> None:
    def update(query: str) -> int:
        command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementUpdate(query=query)))
        writer, reader = bare.do_put(command, pa.schema([]), options)
        result = reader.read()
        writer.close()
        return sql.DoPutUpdateResult.FromString(result.to_pybytes()).record_count

    assert update("CREATE OR REPLACE TABLE dbapi_made AS SELECT 1 AS x") in (0, 1)
    assert update("INSERT INTO dbapi_made VALUES (2), (3)") == 2
    assert update("DROP TABLE dbapi_made") == 0
