"""What the state of a notification means, in words for a member of staff."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from notifications.conf import hub_config
from notifications.models import Notification
from notifications.selectors.staff.states import State

# A staged notification older than this has been missed by the hook after its commit and by several sweeps.
SEQUENCING_DEADLINE: Final = timedelta(seconds=10)


def explain(notification: Notification, state: State, now: datetime) -> str:
    """Say what the state means and what, if anything, is to be done.

    It is for a member of staff who does not know the hub.
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
                "Its recipient no longer sees it. Deleting cannot be undone, but the "
                "notification can be re-delivered as a new one."
            )
        case State.SCHEDULED:
            return _(
                "It will be delivered at the time that was set. Until then its recipient cannot "
                "see it and it is not counted."
            )
        case State.FAILED:
            return _(
                "It could not be added to the inbox, so its recipient has never seen it. Correct "
                "what the failure names, then retry it."
            )
        case State.STAGED:
            return _explain_staged(notification, now)


def _explain_staged(notification: Notification, now: datetime) -> str:
    due_since = max(notification.staged_at, notification.deliver_at or notification.staged_at)
    if now - due_since <= SEQUENCING_DEADLINE:
        return _("It has been sent and is about to appear in the inbox. Reload this page in a moment.")
    return _(
        "It has been waiting to be added to the inbox for %(time)s. Serving processes "
        "look for waiting notifications every %(seconds)g s, so check that one is "
        "running. Nothing is lost, and it need not be sent again."
    ) % {"time": _waited(due_since, now), "seconds": hub_config().sweep_seconds}


def _waited(since: datetime, now: datetime) -> str:
    if (seconds := int((now - since).total_seconds())) < 60:
        return _("%d seconds") % seconds
    return timesince(since, now, depth=1)
