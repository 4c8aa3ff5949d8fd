"""Inboxes and places in their logs, as the pages of the admin show them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from notifications.models import Change, Inbox
from notifications.selectors.staff.counts import first_rows


def inbox_of(user_id: Any) -> Inbox | None:
    """A user's inbox; None when nothing has touched it yet. One query."""
    return Inbox.objects.filter(pk=user_id).first()


def inbox_of_epoch(epoch: str) -> Inbox | None:
    """The inbox that has an epoch now, with its user; None when there is none. One query."""
    return Inbox.objects.select_related("user").filter(epoch=epoch).first()


def change_at(inbox: Inbox, position: int) -> Change | None:
    """The change at a position, with its notification and event, without the long texts. One query.

    None when the log does not have it (any more).
    """
    return _changes(inbox).filter(position=position).first()


def changes_down_from(inbox: Inbox, position: int, *, limit: int) -> tuple[list[Change], bool]:
    """The changes at a position and before it, newest first, and whether there are older ones. One query.

    Each has its notification and event, as in ``change_at``.
    """
    return first_rows(_changes(inbox).filter(position__lte=position).order_by("-position"), limit)


def _changes(inbox: Inbox) -> QuerySet[Change]:
    changes = Change.objects.filter(inbox=inbox).select_related("notification", "event")
    return changes.defer("event__body", "event__data")
