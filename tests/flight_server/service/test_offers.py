"""What lies at workers for a plan goes with it, also where the plan is given up while it runs."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from engine.context import Cancellation
from engine.errors import CancelledError, GrismError
from engine.runtime import PartRows, ResultPart, ResultParts
from flight_server.auth import ANONYMOUS
from flight_server.config import ServerConfig
from flight_server.endpoint.streams import ResultStream
from flight_server.service import BadRequestError
from flight_server.service.offers import Offers
from flight_server.service.request import Planned, Request
from flight_server.service.store import Holder

OWN = Holder(ANONYMOUS, "ipv4:127.0.0.1:1")
SCHEMA = pa.schema([("a", pa.int64())])

GiveUp = Callable[[Offers, bytes], object]


def opened(request: Request) -> ResultStream:
    del request
    return ResultStream(pa.RecordBatchReader.from_batches(SCHEMA, []))


def read(part: ResultPart, cancellation: Cancellation) -> PartRows:
    del part, cancellation
    return PartRows(pa.RecordBatchReader.from_batches(SCHEMA, []), lambda: None)


@pytest.fixture
def offers() -> Offers:
    return Offers(ServerConfig().service)


@pytest.mark.parametrize(
    ("give_up", "error"),
    [
        (lambda offers, _: offers.end(OWN.origin), BadRequestError),
        (lambda offers, handle: offers.cancel(handle, OWN), CancelledError),
    ],
    ids=["end", "cancel"],
)
def test_parts_go_with_their_plan(offers: Offers, give_up: GiveUp, error: type[GrismError]) -> None:
    released: list[str] = []
    early = offers.put(Planned(SCHEMA, opened, None), OWN, 1)
    offers.spread(early, OWN, ResultParts((), lambda: released.append("early"), read))
    assert not released
    give_up(offers, early)
    assert released == ["early"]
    late = offers.put(Planned(SCHEMA, opened, None), OWN, 1)
    give_up(offers, late)
    with pytest.raises(error):
        offers.spread(late, OWN, ResultParts((), lambda: released.append("late"), read))
    assert released == ["early", "late"]
