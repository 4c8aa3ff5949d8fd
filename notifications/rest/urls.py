"""The paths of the REST interface, included at ``api/v1/``. None ends in a slash, none redirects."""

from __future__ import annotations

from django.urls import path, register_converter

from notifications.rest import inbox
from notifications.rest.event_types import EventTypesView, EventTypeView
from notifications.rest.inputs import IdConverter
from notifications.rest.publish import BatchView, EventsView, JobView, PublishView, WithdrawView
from notifications.rest.schema.views import SchemaView
from notifications.rest.streams import StreamsView, StreamView, TicketView

register_converter(IdConverter, "hub_id")

app_name = "notification_hub_api"
urlpatterns = [
    path("notifications", inbox.ListView.as_view(), name="list"),
    path("notifications/actions", inbox.ActionsView.as_view(), name="actions"),
    path("notifications/changes", inbox.ChangesView.as_view(), name="changes"),
    path("notifications/counts", inbox.CountsView.as_view(), name="counts"),
    path("publish/jobs/<hub_id:broadcast_id>", JobView.as_view(), name="job"),
    path("schema", SchemaView.as_view(), name="schema"),
    path("event-types", EventTypesView.as_view(), name="event_types"),
    path("event-types/<str:name>", EventTypeView.as_view(), name="event_type"),
    path("events", EventsView.as_view(), name="events"),
    path("publish", PublishView.as_view(), name="publish"),
    path("publish/batch", BatchView.as_view(), name="publish_batch"),
    path("publish/withdraw", WithdrawView.as_view(), name="publish_withdraw"),
    path("streams", StreamsView.as_view(), name="streams"),
    path("streams/<hub_id:stream_id>", StreamView.as_view(), name="stream"),
    path("stream/ticket", TicketView.as_view(), name="ticket"),
    path("notifications/<hub_id:public_id>", inbox.NotificationView.as_view(), name="notification"),
]
