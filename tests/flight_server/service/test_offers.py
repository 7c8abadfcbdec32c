"""What lies at workers for a plan goes with it, also where the plan is given up while it runs."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, GrismError
from engine.rights import ANONYMOUS
from engine.runtime import PartRows, QueryResult, ResultPart, ResultParts
from engine.statements.context import StatementContext
from flight_server.config import ServerConfig
from flight_server.service import BadRequestError
from flight_server.service.offers import Offers
from flight_server.service.request import PlannedAnswer
from flight_server.service.store import Holder

OWN = Holder(ANONYMOUS, "ipv4:127.0.0.1:1")
SCHEMA = pa.schema([("a", pa.int64())])

GiveUp = Callable[[Offers, bytes], object]


def read(part: ResultPart, cancellation: Cancellation) -> PartRows:
    del part, cancellation
    return PartRows(pa.RecordBatchReader.from_batches(SCHEMA, []), lambda: None)


class _Query:
    """An answer that is still to be computed."""

    schema = SCHEMA

    def open(self, context: StatementContext) -> QueryResult:
        raise AssertionError("nobody fetches it")


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
    early = offers.put(PlannedAnswer(_Query()), OWN, 1)
    offers.keep_parts(early, OWN, ResultParts((), lambda: released.append("early"), read))
    assert not released
    give_up(offers, early)
    assert released == ["early"]
    late = offers.put(PlannedAnswer(_Query()), OWN, 1)
    give_up(offers, late)
    with pytest.raises(error):
        offers.keep_parts(late, OWN, ResultParts((), lambda: released.append("late"), read))
    assert released == ["early", "late"]
