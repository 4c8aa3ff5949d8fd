"""The one state that staff see a notification in, as a condition on rows and as a word with its
explanation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import models
from django.db.models import Q
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.conf import hub_config
from notifications.models import Notification
from notifications.payloads import NotificationRow

# A staged notification older than this has been missed by the hook after its commit and by several sweeps.
SEQUENCER_PATIENCE: Final = timedelta(seconds=10)


class State(models.TextChoices):
    """Each notification is in exactly one at any moment."""

    UNREAD = "unread", gettext_lazy("Unread")
    READ = "read", gettext_lazy("Read")
    ARCHIVED = "archived", gettext_lazy("Archived")
    DELETED = "deleted", gettext_lazy("Deleted")
    SCHEDULED = "scheduled", gettext_lazy("Scheduled")
    STAGED = "staged", gettext_lazy("Staged")
    FAILED = "failed", gettext_lazy("Failed")


# An index gives exactly these, and there are few of them.
INDEXED: Final = frozenset((State.SCHEDULED, State.STAGED, State.FAILED))


def state_of(notification: Notification, now: datetime) -> State:
    """The state of one row; the same as ``condition``, for a row that has been read."""
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


def condition(state: State, now: datetime) -> Q:
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


def explain(notification: Notification, state: State, now: datetime) -> str:
    """What the state means and what, if anything, is to be done: for a member of staff who does not know the
    hub.
    """
    match state:
        case State.UNREAD:
            return _("Its recipient sees it in the list and has not read it yet.")
        case State.READ:
            return _("Its recipient sees it in the list, marked as read.")
        case State.ARCHIVED:
            return _("Its recipient has archived it: it is read, and no longer in the list.")
        case State.DELETED:
            return _(
                "Its recipient no longer sees it. Deleting is final; re-delivered, it comes back as a new "
                "one."
            )
        case State.SCHEDULED:
            return _(
                "It waits for its time of delivery; until then nobody is shown it and it counts nowhere."
            )
        case State.FAILED:
            return _(
                "It could not be given a position in the inbox, so its recipient has never seen it. Put "
                "right what "
                "the failure names, then try it again."
            )
        case State.STAGED:
            return _explain_staged(notification, now)


def _explain_staged(notification: Notification, now: datetime) -> str:
    due_since = max(notification.staged_at, notification.deliver_at or notification.staged_at)
    if now - due_since <= SEQUENCER_PATIENCE:
        return _("It is committed and about to be given its position in the inbox; reload in a moment.")
    return _(
        "It waits for the sequencer, and has done so for %(time)s. Serving processes look for such ones "
        "every "
        "%(seconds)g s, so check that one is running. Nothing is lost, and it need not be sent again."
    ) % {"time": _waited(due_since, now), "seconds": hub_config().sweep_seconds}


def _waited(since: datetime, now: datetime) -> str:
    if (seconds := int((now - since).total_seconds())) < 60:
        return _("%d seconds") % seconds
    return timesince(since, now, depth=1)
