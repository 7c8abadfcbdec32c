from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.storage.protocol import TableName
from flight_server.endpoint import TicketError
from ray_runtime.exchange import OutputRef, QueryKeys, ReadRequest

KEY = b"k" * 32
REQUEST = ReadRequest("query", 3, range(1, 4), (OutputRef(0, 0, 10), OutputRef(7, 2, 0)))
TICKET = REQUEST.seal(KEY)

_U32 = st.integers(0, 2**32 - 1)
_ORIGIN = st.none() | st.builds(TableName, st.text(max_size=9), st.text(max_size=9))


def keys_for(query: str = "query") -> QueryKeys:
    keys = QueryKeys()
    keys.add(query, KEY)
    return keys


KEYS = keys_for()


@given(
    query=st.text(max_size=30),
    stage=_U32,
    first=st.integers(0, 1000),
    count=st.integers(1, 1000),
    outputs=st.lists(st.builds(OutputRef, _U32, _U32, st.integers(0, 2**64 - 1)), max_size=5),
    origins=st.one_of(st.just([]), st.lists(_ORIGIN, min_size=1, max_size=5)),
)
def test_a_request_comes_out_as_it_went_in(
    query: str, stage: int, first: int, count: int, outputs: list[OutputRef], origins: list[TableName | None]
) -> None:
    told = tuple(origins) if any(origins) else ()
    request = ReadRequest(query, stage, range(first, first + count), tuple(outputs), bool(told), told)
    assert keys_for(query).open(request.seal(KEY)) == request
    assert request.rows == sum(output.rows for output in outputs)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(ticket: bytes) -> None:
    with pytest.raises(TicketError):
        KEYS.open(ticket)


@given(position=st.integers(0, len(TICKET) - 1), flip=st.integers(1, 255))
def test_no_changed_byte_is_taken(position: int, flip: int) -> None:
    altered = bytearray(TICKET)
    altered[position] ^= flip
    with pytest.raises(TicketError):
        KEYS.open(bytes(altered))


@given(st.integers(0, len(TICKET) - 1))
def test_no_part_is_taken(length: int) -> None:
    with pytest.raises(TicketError):
        KEYS.open(TICKET[:length])


def test_another_querys_key_opens_nothing() -> None:
    keys = keys_for("other")
    with pytest.raises(TicketError):
        keys.open(TICKET)
    keys.add("query", b"x" * 32)
    with pytest.raises(TicketError):
        keys.open(TICKET)


def test_a_ticket_ends_with_its_time_and_with_its_query() -> None:
    keys = keys_for()
    with pytest.raises(TicketError):
        keys.open(REQUEST.seal(KEY, seconds=-0.01))
    assert keys.open(TICKET) == REQUEST
    keys.remove("query")
    keys.remove("query")
    with pytest.raises(TicketError):
        keys.open(TICKET)


def test_a_request_for_no_partition_is_refused() -> None:
    with pytest.raises(TicketError):
        KEYS.open(ReadRequest("query", 3, range(4, 4), ()).seal(KEY))
