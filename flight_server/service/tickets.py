"""Endpoints of flights: their tickets, for how long these are good, and the actions that cancel and renew them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from google.protobuf.message import Message

from engine.errors import UnsupportedError
from engine.rights import Identity
from flight_server.endpoint.tickets import TicketError, TicketSigner
from flight_server.proto import flight as messages
from flight_server.proto import sql
from flight_server.service.offers import Offers
from flight_server.service.request import Offer, Request
from flight_server.service.wire import BadRequestError, parse, unwrap, wrap

__all__ = ["Tickets"]

_RESULTS = {
    messages.CANCEL_STATUS_CANCELLED: sql.ActionCancelQueryResult.CANCEL_RESULT_CANCELLED,
    messages.CANCEL_STATUS_CANCELLING: sql.ActionCancelQueryResult.CANCEL_RESULT_CANCELLING,
    messages.CANCEL_STATUS_NOT_CANCELLABLE: sql.ActionCancelQueryResult.CANCEL_RESULT_NOT_CANCELLABLE,
}
_HERE = "arrow-flight-reuse-connection://?"  # Flight's location for the connection that is open already
_MAX_ENDPOINTS = 1000  # of one FlightInfo that is to be cancelled; ours have one


class Tickets:
    """Seals tickets, which are good for `ttl` seconds, and opens them for the identity that they were made for."""

    def __init__(self, signer: TicketSigner, offers: Offers, ttl: float) -> None:
        self._signer, self._offers, self._ttl = signer, offers, ttl

    def endpoint(self, message: Message, owner: Identity) -> messages.FlightEndpoint:
        """An endpoint on this server, whose ticket carries `message`."""
        expires_at = time.time() + self._ttl
        ticket = messages.Ticket(ticket=self._signer.seal(wrap(message), owner.name, expires_at))
        seconds, micros = divmod(int(expires_at * 1e6), 1_000_000)
        return messages.FlightEndpoint(ticket=ticket, expiration_time={"seconds": seconds, "nanos": micros * 1000})

    def parts(self, offer: Offer, owner: Identity) -> list[messages.FlightEndpoint]:
        """The endpoints of an offer's parts: at the workers or, where these are out of reach, here.

        What each carries beside its ticket cancels the query.
        """
        if not offer.parts:
            return []
        ours = self.endpoint(offer.ticket, owner)
        return [
            messages.FlightEndpoint(
                ticket=messages.Ticket(ticket=part.ticket),
                location=[messages.Location(uri=part.location), messages.Location(uri=_HERE)],
                expiration_time=ours.expiration_time,
                app_metadata=ours.ticket.ticket,
            )
            for part in offer.parts
        ]

    def open(self, ticket: bytes, owner: Identity) -> Message:
        """What a ticket carries. Raises BadRequestError where it was not made for `owner`, and after its end.

        It is no matter of who calls: told UNAUTHENTICATED, clients would log in again and come back with it.
        """
        try:
            return unwrap(self._signer.open(ticket, owner.name))
        except TicketError as error:
            raise BadRequestError(error.message) from None

    def cancel(
        self, request: Request, message: messages.CancelFlightInfoRequest
    ) -> Iterable[messages.CancelFlightInfoResult]:
        """CancelFlightInfo: stop the query that the info stands for, whether it runs, waits or has not begun."""
        yield messages.CancelFlightInfoResult(status=self._cancel_all(request, message.info))

    def cancel_query(
        self, request: Request, message: sql.ActionCancelQueryRequest
    ) -> Iterable[sql.ActionCancelQueryResult]:
        """CancelQuery, the older form of the same."""
        status = self._cancel_all(request, parse(messages.FlightInfo, message.info))
        yield sql.ActionCancelQueryResult(result=_RESULTS[status])

    def renew(
        self, request: Request, message: messages.RenewFlightEndpointRequest
    ) -> Iterable[messages.FlightEndpoint]:
        """RenewFlightEndpoint: the endpoint with a ticket that is good as long as a new one."""
        if message.endpoint.app_metadata:
            raise UnsupportedError("Rows that lie at workers are there for a fixed time; ask for the query again.")
        carried = self.open(message.endpoint.ticket.ticket, request.identity)
        if isinstance(carried, sql.TicketStatementQuery):
            self._offers.renew(carried.statement_handle, request.holder)
        yield self.endpoint(carried, request.identity)

    def _cancel_all(self, request: Request, info: messages.FlightInfo) -> messages.CancelStatus:
        """What came of it for all of the endpoints together."""
        if not 0 < len(info.endpoint) <= _MAX_ENDPOINTS:
            raise BadRequestError("Send the FlightInfo of the query, with the endpoints that it came with.")
        tickets = {endpoint.app_metadata or endpoint.ticket.ticket for endpoint in info.endpoint}
        found = {self._cancel(request, ticket) for ticket in tickets}
        order = (messages.CANCEL_STATUS_CANCELLING, messages.CANCEL_STATUS_CANCELLED)
        return next((status for status in order if status in found), messages.CANCEL_STATUS_NOT_CANCELLABLE)

    def _cancel(self, request: Request, ticket: bytes) -> messages.CancelStatus:
        carried = self.open(ticket, request.identity)
        if not isinstance(carried, sql.TicketStatementQuery):
            return messages.CANCEL_STATUS_NOT_CANCELLABLE  # metadata, which is there at once
        return self._offers.cancel(carried.statement_handle, request.holder)
