from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_server.endpoint.tickets import TicketError, TicketExpiredError, TicketSigner

SIGNER = TicketSigner(b"k" * 32)
LATER = time.time() + 3600
TICKET = SIGNER.seal(b"payload", "query 1", LATER)


@given(payload=st.binary(max_size=200), scope=st.text(max_size=20))
def test_a_sealed_payload_opens_under_its_scope(payload: bytes, scope: str) -> None:
    assert SIGNER.open(SIGNER.seal(payload, scope, LATER), scope) == payload


@given(ticket=st.binary(max_size=200))
def test_random_bytes_never_open(ticket: bytes) -> None:
    with pytest.raises(TicketError):
        SIGNER.open(ticket, "query 1")


@given(position=st.integers(0, len(TICKET) - 1), flip=st.integers(1, 255))
def test_no_changed_byte_opens(position: int, flip: int) -> None:
    altered = bytearray(TICKET)
    altered[position] ^= flip
    with pytest.raises(TicketError):
        SIGNER.open(bytes(altered), "query 1")


@given(start=st.integers(0, len(TICKET)), end=st.integers(0, len(TICKET)), extra=st.binary(max_size=4))
def test_no_part_and_no_extension_opens(start: int, end: int, extra: bytes) -> None:
    part = TICKET[start:end] + extra
    if part != TICKET:
        with pytest.raises(TicketError):
            SIGNER.open(part, "query 1")


@given(scope=st.text(max_size=20).filter(lambda scope: scope != "query 1"))
def test_a_ticket_of_one_scope_does_not_open_under_another(scope: str) -> None:
    with pytest.raises(TicketError):
        SIGNER.open(TICKET, scope)


def test_scope_and_payload_cannot_be_shifted_into_each_other() -> None:
    with pytest.raises(TicketError):
        SIGNER.open(SIGNER.seal(b"bc", "a", LATER), "ab")


def test_an_expired_ticket_does_not_open() -> None:
    with pytest.raises(TicketExpiredError, match="expired"):
        SIGNER.open(SIGNER.seal(b"payload", "query 1", time.time() - 0.01), "query 1")


def test_a_ticket_of_another_key_does_not_open() -> None:
    for other in (TicketSigner.generate(), TicketSigner(b"k" * 31)):
        with pytest.raises(TicketError):
            SIGNER.open(other.seal(b"payload", "query 1", LATER), "query 1")


def test_every_refusal_of_what_is_not_ours_reads_the_same() -> None:
    texts = set()
    for bad in (b"", b"x" * 80, TICKET[:-1], SIGNER.seal(b"p", "other", LATER), SIGNER.seal(b"p", "other", 0)):
        with pytest.raises(TicketError) as caught:
            SIGNER.open(bad, "query 1")
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert str(pickle.loads(pickle.dumps(TicketError()))) == texts.pop()


def test_a_key_of_another_length_is_refused_and_a_key_is_never_printed() -> None:
    for size in (15, 65):
        with pytest.raises(ValueError, match=f"{size} bytes; 16 to 64 are needed"):
            TicketSigner(b"k" * size)
    assert "kkkk" not in repr(SIGNER)
