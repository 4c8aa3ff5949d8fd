"""``POST /events``: transient events by producers. ``GET`` is the stream, which stands among the ASGI applications."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from notifications import services
from notifications.rest.drafts import parse_transient
from notifications.rest.publish import ProducerView, producer_of, respond


class EventsView(ProducerView):
    """``/events``"""

    @property
    def served_methods(self) -> list[str]:
        """With those that the stream takes."""
        return ["GET", "HEAD", *super().served_methods]

    def post(self, request: Request) -> HttpResponse:
        """Show an event on the open streams of its recipients. Nothing is stored, so an idempotency key means nothing."""
        transient = parse_transient(request.data)
        return respond(202, {"count": services.publish_transient(producer_of(request), transient)})
