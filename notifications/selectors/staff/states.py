"""The one state that staff see a notification in, as a condition on rows and as a word."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from notifications.models import Notification
from notifications.payloads import NotificationRow


class State(models.TextChoices):
    """Each notification is in exactly one at any moment."""

    UNREAD = "unread", gettext_lazy("Unread")
    READ = "read", gettext_lazy("Read")
    ARCHIVED = "archived", gettext_lazy("Archived")
    DELETED = "deleted", gettext_lazy("Deleted")
    SCHEDULED = "scheduled", gettext_lazy("Scheduled")
    STAGED = "staged", gettext_lazy("Queued")
    FAILED = "failed", gettext_lazy("Failed")


# An index gives exactly these, and there are few of them.
INDEXED: Final = frozenset((State.SCHEDULED, State.STAGED, State.FAILED))


def state_of(notification: Notification, now: datetime) -> State:
    """The state of one row; the same as ``in_state``, for a row that has been read."""
    if notification.position is None:
        if notification.failed_at is not None:
            return State.FAILED
        scheduled = notification.deliver_at is not None and notification.deliver_at > now
        return State.SCHEDULED if scheduled else State.STAGED
    if notification.deleted_at is not None:
        return State.DELETED
    return listed_state(notification)


def listed_state(row: Notification | NotificationRow) -> State:
    """The state of one that is listed."""
    if row.archived_at is not None:
        return State.ARCHIVED
    return State.UNREAD if row.read_at is None else State.READ


def in_state(state: State, now: datetime) -> Q:
    """The rows in one state, written as the partial indexes of the model are."""
    match state:
        case State.UNREAD:
            return Notification.UNREAD
        case State.READ:
            return Notification.IN_LIST & Q(read_at__isnull=False)
        case State.ARCHIVED:
            return Notification.ARCHIVED
        case State.DELETED:
            return Q(position__isnull=False, deleted_at__isnull=False)
        case State.SCHEDULED:
            return Notification.STAGED & Q(deliver_at__gt=now)
        case State.STAGED:
            return Notification.STAGED & (Q(deliver_at__isnull=True) | Q(deliver_at__lte=now))
        case State.FAILED:
            return Q(position__isnull=True, failed_at__isnull=False)
