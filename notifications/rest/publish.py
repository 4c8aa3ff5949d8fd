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

from notifications import services
from notifications.models import Broadcast, Scope
from notifications.rest.answers import job_body
from notifications.rest.drafts import parse_batch, parse_draft, parse_key, parse_withdrawal
from notifications.rest.http.authentication import HasScope, IsProducer, token_of
from notifications.rest.http.parsers import BatchJSONParser
from notifications.rest.http.provenance import provenance_of
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
