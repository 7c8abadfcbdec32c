"""Statements of several megabytes: no answer grows with them, since most clients take messages of 4 MB, as `grpcio`."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import ipc

from flight_server.proto import sql
from tests.clients.raw import RawClient

LONG = "x" * 4_300_000
LONGEST = 10_000
NAMED = "'" + "x" * (LONGEST - 4) + "..."


def test_an_insert_runs_once_and_says_so(raw: RawClient) -> None:
    raw.update(sql.CommandStatementUpdate(query="CREATE TEMP TABLE long_texts (s VARCHAR)"))
    info = raw.info(sql.CommandStatementQuery(query=f"INSERT INTO long_texts VALUES ('{LONG}')"))
    assert info.ByteSize() < 100_000
    assert raw.get(info)["Count"].to_pylist() == [1]
    prepared = raw.prepare(f"INSERT INTO long_texts SELECT '{LONG}'")
    assert prepared.ByteSize() < 100_000
    command = sql.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)
    assert raw.update(command) == 1
    rows = raw.ask(sql.CommandStatementQuery(query="SELECT len(s) AS n FROM long_texts"))
    assert rows["n"].to_pylist() == [len(LONG)] * 2


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (f"upper('{LONG}'), 1 AS one, '{LONG}' AS s", [f"upper({NAMED}"[: LONGEST - 3] + "...", "one", "s"]),
        (f"* FROM (SELECT '{LONG}')", [NAMED]),
    ],
)
def test_a_column_that_its_text_names_has_a_short_name_in_every_schema(
    items: str, names: list[str], runtime_uri: str
) -> None:
    with RawClient(runtime_uri) as client:
        query = f"SELECT {items} LIMIT 0"
        info = client.info(sql.CommandStatementQuery(query=query))
        assert info.ByteSize() < 100_000
        assert ipc.read_schema(pa.py_buffer(info.schema)).names == names
        assert client.get(info).column_names == names
        prepared = client.prepare(query)
        assert prepared.ByteSize() < 100_000
        assert ipc.read_schema(pa.py_buffer(prepared.dataset_schema)).names == names
        handle = sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
        assert client.ask(handle).column_names == names


def test_a_name_that_the_text_gives_is_kept(raw: RawClient) -> None:
    name = "n" * 1000
    query = f"SELECT 1 AS {name}, {name} + 1 AS two, * FROM (SELECT 2 AS {name}{name})"
    rows = raw.ask(sql.CommandStatementQuery(query=query))
    assert rows.column_names == [name, "two", name + name]


def test_a_plan_is_not_told_at_any_length(raw: RawClient) -> None:
    plan = raw.ask(sql.CommandStatementQuery(query=f"EXPLAIN SELECT '{LONG}' AS x"))
    assert max(len(line) for line in plan["plan"].to_pylist()) < 200_000
