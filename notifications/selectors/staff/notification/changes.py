"""The changes of one notification, with the all-read changes that read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Q

from notifications.change_kinds import OBJECT_KINDS
from notifications.models import Change, ChangeKind, Notification
from notifications.selectors.staff.counts import first_rows

MAX_CHANGES: Final = 200


def changes_of(notification: Notification) -> tuple[list[Change], bool]:
    """Read its newest changes and the all-read ones that read it, oldest first.

    The second value says whether older ones were left out.
    """
    if notification.position is None:
        return [], False
    own = Change.objects.filter(inbox_id=notification.recipient_id, notification=notification)
    newest, left_out = first_rows(own.order_by("-position"), MAX_CHANGES)
    changes = newest[::-1]
    if spans := _spans_read_by_all(changes, notification):
        changes = _merge(changes, _read_all(notification, spans))
    return changes, left_out


def _spans_read_by_all(changes: Sequence[Change], notification: Notification) -> list[Q]:
    """Find between which of its own changes it must have been read by an all-read change.

    Such a change names no notification.

    That is so where it was unread after one change, and the next one, or its state now, says that it was
    read.
    """
    spans: list[Q] = []
    following: list[Change | None] = [*changes[1:], None]
    for change, then in zip(changes, following, strict=True):
        if change.kind not in OBJECT_KINDS or change.read_at is not None:
            continue
        span = Q(position__gt=change.position)
        if then is None:
            if notification.read_at is not None:
                spans.append(span & Q(at=notification.read_at))
        elif then.kind == ChangeKind.UNREAD or then.read_at not in (None, then.at):
            spans.append(span & Q(position__lt=then.position))
    return spans


def _read_all(notification: Notification, spans: Sequence[Q]) -> list[Change]:
    """Read the all-read changes within the spans that cover the notification. One query."""
    anywhere = Q(pk__in=())
    for span in spans:
        anywhere |= span
    found: list[Any] = list(
        Change.objects.filter(
            anywhere,
            inbox_id=notification.recipient_id,
            kind=ChangeKind.READ_ALL,
            up_to__gte=notification.position,
            read_category__in=("", notification.category),
        ).order_by("position")[:MAX_CHANGES]
    )
    return found


def _merge(own: Sequence[Change], read_all: Sequence[Change]) -> list[Change]:
    """Merge by position, without all-read changes that found it read already."""
    merged: list[Change] = []
    for change in sorted([*own, *read_all], key=lambda change: change.position):
        found_read = bool(merged) and (
            merged[-1].kind == ChangeKind.READ_ALL or merged[-1].read_at is not None
        )
        if change.kind != ChangeKind.READ_ALL or not found_read:
            merged.append(change)
    return merged
