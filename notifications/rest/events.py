"""``POST /events``: transient events by producers.

``GET`` on the same path is the stream, which is routed among the ASGI applications.
"""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from notifications import services
from notifications.rest.drafts import parse_key, parse_transient
from notifications.rest.publish import ProducerView, idempotent_request, producer_of, respond


class EventsView(ProducerView):
    """``/events``"""

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
