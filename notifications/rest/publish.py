"""The endpoints of producers: each parses, calls one service, and answers.

A request that repeats an idempotency key is answered as it was the first time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from notifications import selectors, services
from notifications.models import Broadcast, Scope
from notifications.rest.answers import job_body
from notifications.rest.drafts import parse_batch, parse_draft, parse_key, parse_transient, parse_withdrawal
from notifications.rest.http.authentication import HasScope, IsProducer, provenance_of, token_of
from notifications.rest.http.parsers import BatchJSONParser
from notifications.rest.http.throttles import ProducerThrottle
from notifications.rest.inbox import HubView
from notifications.services import Answer, Producer


class ProducerView(HubView):
    """The base of the endpoints for producers."""

    permission_classes = (IsAuthenticated, HasScope, IsProducer)
    throttle_classes = (ProducerThrottle,)

    def needed_scope(self, request: Request) -> str:
        """Return the scope for publishing."""
        return Scope.PUBLISH


class KeyedView(ProducerView, ABC):
    """An endpoint of producers that takes idempotency keys."""

    @abstractmethod
    def work(self, producer: Producer, body: Any) -> Callable[[], Answer]:
        """Check a body as far as that needs no database, and return the work that it asks for."""

    def post(self, request: Request) -> HttpResponse:
        """Do the work, once for each idempotency key."""
        key = parse_key(request.headers.get("Idempotency-Key"))
        work = self.work(producer_of(request), request.data)
        if key is None:
            return _response(work(), is_replayed=False)
        answer, is_replayed = services.answer_once(idempotent_request(request, key), work)
        return _response(answer, is_replayed=is_replayed)


class PublishView(KeyedView):
    """``/publish``"""

    def work(self, producer: Producer, body: Any) -> Callable[[], Answer]:
        """Send one event."""
        draft = parse_draft(body)
        return lambda: _sent(services.publish(producer, draft))


class BatchView(KeyedView):
    """``/publish/batch``"""

    parser_classes = (BatchJSONParser,)

    def work(self, producer: Producer, body: Any) -> Callable[[], Answer]:
        """Send several events, all or none."""
        drafts = parse_batch(body)
        return lambda: _answer(
            201, {"results": [_count_and_ids(ids) for ids in services.publish_batch(producer, drafts)]}
        )


class WithdrawView(KeyedView):
    """``/publish/withdraw``"""

    def work(self, producer: Producer, body: Any) -> Callable[[], Answer]:
        """Withdraw what the producer has sent."""
        withdrawal = parse_withdrawal(body)
        return lambda: _answer(
            200,
            {
                "changed": services.withdraw(
                    withdrawal.ids, topic=withdrawal.topic, type_name=withdrawal.type_name, producer=producer
                )
            },
        )


def respond(status: int, body: dict[str, Any], *, is_replayed: bool = False) -> HttpResponse:
    """Return an answer whose body is not stored."""
    return _response(_answer(status, body), is_replayed=is_replayed)


def idempotent_request(request: Request, key: str) -> services.IdempotentRequest:
    """Return what identifies a request with an idempotency key."""
    return services.IdempotentRequest(request.user.pk, request.path, key, request.data)


def producer_of(request: Request) -> Producer:
    """Return the producer: the user, within the limits of the token."""
    source, token = provenance_of(request).by, token_of(request)
    if token is None:
        return Producer(user_id=request.user.pk, source=source)
    return Producer(user_id=request.user.pk, source=source, limits=token.send_limits)


class EventsView(ProducerView):
    """``/events``: transient events by producers.

    ``GET`` on the same path is the stream, which is routed among the ASGI applications.
    """

    @property
    def served_methods(self) -> list[str]:
        """The methods of this view and those of the stream."""
        return ["GET", "HEAD", *super().served_methods]

    def post(self, request: Request) -> HttpResponse:
        """Show an event on the open streams of its recipients, once for each idempotency key.

        Nothing but the key is stored.
        """
        key = parse_key(request.headers.get("Idempotency-Key"))
        transient = parse_transient(request.data)
        idempotent = None if key is None else idempotent_request(request, key)
        event = services.publish_transient(producer_of(request), transient, idempotent)
        body = {"count": event.recipient_count, "id": event.event_id}
        return respond(202, body, is_replayed=event.is_replayed)


class JobView(HubView):
    """``/publish/jobs/{id}``: only the user's own sends; those of others look as if they did not exist."""

    permission_classes = (IsAuthenticated, HasScope, IsProducer)

    def needed_scope(self, request: Request) -> str:
        """Return the scope of sending."""
        return Scope.PUBLISH

    def get(self, request: Request, broadcast_id: UUID) -> Response:
        """Return its progress."""
        return Response(job_body(selectors.get_broadcast(broadcast_id, owner_id=request.user.pk)))

    def delete(self, request: Request, broadcast_id: UUID) -> Response:
        """Cancel it, and return how far it came.

        Users who have been notified stay so. A second call changes nothing.
        """
        return Response(job_body(services.cancel_broadcast(broadcast_id, owner_id=request.user.pk)))


def _sent(outcome: list[UUID] | Broadcast) -> Answer:
    if isinstance(outcome, Broadcast):
        return _answer(
            202, job_body(outcome), location=reverse("notification_hub_api:job", args=[outcome.pk])
        )
    return _answer(201, _count_and_ids(outcome))


def _count_and_ids(ids: list[UUID]) -> dict[str, Any]:
    return {"count": len(ids), "ids": ids}


def _answer(status: int, body: dict[str, Any], *, location: str = "") -> Answer:
    return Answer(status, orjson.dumps(body).decode(), location)


def _response(answer: Answer, *, is_replayed: bool) -> HttpResponse:
    headers = {"Location": answer.location} if answer.location else {}
    if is_replayed:
        headers["Idempotency-Replayed"] = "true"
    return HttpResponse(answer.body, status=answer.status, content_type="application/json", headers=headers)
