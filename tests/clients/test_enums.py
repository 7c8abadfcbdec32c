"""ENUMs reach clients as text, and as dictionaries those that ask for them, the same in every schema that is told."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import ipc

from flight_server.proto import flight as messages
from flight_server.proto import sql
from tests.clients.raw import SERVICE, RawClient, command_descriptor

ENUM = "ENUM('a', 'b', 'it''s')"
DICTIONARY = pa.dictionary(pa.uint8(), pa.string())
RESULTS = {
    f"'b'::{ENUM}": (pa.string(), DICTIONARY, "b"),
    f"NULL::{ENUM}": (pa.string(), DICTIONARY, None),
    f"['a', 'it''s']::{ENUM}[]": (pa.list_(pa.string()), pa.list_(DICTIONARY), ["a", "it's"]),
    f"{{'e': 'b'::{ENUM}}}": (pa.struct({"e": pa.string()}), pa.struct({"e": DICTIONARY}), {"e": "b"}),
    "union_tag('x'::UNION(n INTEGER, s VARCHAR))": (pa.string(), DICTIONARY, "s"),
}
QUERY = "SELECT " + ", ".join(f"{value} AS c{i}" for i, value in enumerate(RESULTS)) + " FROM range(3)"
MAX_MESSAGE = 4 << 20


def ask_for_dictionaries(client: RawClient, value: messages.SessionOptionValue) -> messages.SetSessionOptionsResult:
    request = messages.SetSessionOptionsRequest(session_options={"dictionaries": value})
    (answer,) = client.action("SetSessionOptions", request.SerializeToString())
    return messages.SetSessionOptionsResult.FromString(answer)


def schema(data: bytes) -> pa.Schema:
    return ipc.read_schema(pa.py_buffer(data))


def get_schema(client: RawClient, command: sql.CommandStatementQuery | sql.CommandPreparedStatementQuery) -> pa.Schema:
    answer = client.unary("GetSchema", command_descriptor(command))
    return schema(messages.FlightInfo.FromString(answer).schema)  # a SchemaResult has its schema in the same place


@pytest.mark.parametrize("dictionaries", [False, True])
def test_every_schema_that_is_told_is_that_of_the_rows(dictionaries: bool, runtime_uri: str) -> None:
    with RawClient(runtime_uri) as client:
        if dictionaries:
            assert not ask_for_dictionaries(client, messages.SessionOptionValue(bool_value=True)).errors
        command = sql.CommandStatementQuery(query=QUERY)
        rows = client.ask(command)
        kinds = [kind for *both, _ in RESULTS.values() for kind in both[dictionaries:][:1]]
        assert rows.schema.types == kinds
        assert rows.to_pylist() == [{f"c{i}": value for i, (*_, value) in enumerate(RESULTS.values())}] * 3
        assert get_schema(client, command).types == kinds
        prepared = client.prepare(QUERY)
        assert schema(prepared.dataset_schema).types == kinds
        handle = sql.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
        assert get_schema(client, handle).types == kinds
        assert client.ask(handle).equals(rows)
        unbound = client.prepare(f"{QUERY} WHERE range < ?")
        assert schema(unbound.dataset_schema).types == kinds


@pytest.mark.parametrize("value", [True, "true", "FALSE", False])
def test_dictionaries_are_asked_for_by_an_option_of_the_session(value: bool | str, raw: RawClient) -> None:
    kind = messages.SessionOptionValue
    sent = kind(string_value=value) if isinstance(value, str) else kind(bool_value=value)
    assert not ask_for_dictionaries(raw, sent).errors
    (answer,) = raw.action("GetSessionOptions", b"")
    told = messages.GetSessionOptionsResult.FromString(answer).session_options
    assert ("dictionaries" in told) == (str(value).lower() == "true")


def test_another_value_is_refused(raw: RawClient) -> None:
    result = ask_for_dictionaries(raw, messages.SessionOptionValue(string_value="some"))
    assert result.errors["dictionaries"].value == messages.SetSessionOptionsResult.INVALID_VALUE


@pytest.mark.parametrize("dictionaries", [False, True])
def test_no_message_is_too_large_for_its_dictionary(dictionaries: bool, runtime_uri: str) -> None:
    """`grpcio` takes messages of 4 MB, as most clients do."""
    values = ", ".join(f"'{i:032}'" for i in range(16_000))
    query = f"SELECT '{7:032}'::ENUM({values}) AS e"
    with RawClient(runtime_uri) as client:
        if dictionaries:
            ask_for_dictionaries(client, messages.SessionOptionValue(bool_value=True))
        info = client.info(sql.CommandStatementQuery(query=query))
        assert schema(info.schema).types == [pa.string()]
        answers = client.channel.unary_stream(SERVICE + "DoGet")(
            info.endpoint[0].ticket.SerializeToString(), timeout=20
        )
        assert max(len(answer) for answer in answers) < MAX_MESSAGE
        assert client.get(info)["e"].to_pylist() == [f"{7:032}"]
