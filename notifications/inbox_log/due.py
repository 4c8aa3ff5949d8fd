"""Sequence what is staged and due in all inboxes, whoever committed it, and delete what has expired."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from notifications import selectors
from notifications.conf import hub_config
from notifications.inbox_log.append import Listed, LogBatch
from notifications.inbox_log.inboxes import announce_on_commit, lock_inboxes
from notifications.inbox_log.provenance import SYSTEM
from notifications.inbox_log.sequencer import sequence
from notifications.models import Notification, Reason

MAX_EXPIRED: Final = 500


def sequence_due() -> int:
    """Sequence everything staged that is due; return the number of notifications.

    It goes through the users once, in parts and in the order of their keys. Locked inboxes keep nobody else
    waiting: they are left for the next time.

    Transaction: several short ones; must not be called inside another.
    """
    now, size = timezone.now(), hub_config().max_sequence_chunk
    sequenced, last = 0, None
    while user_ids := selectors.recipients_with_staged(now, after=last, limit=size):
        sequenced += sequence(user_ids, skip_locked=True)
        last = user_ids[-1]
    return sequenced


def expire_due() -> int:
    """Delete everything past its ``expires_at``; return the number of notifications.

    Transaction: one for each inbox; must not be called inside another. Locked inboxes are left for the next
    time.
    """
    now, deleted = timezone.now(), 0
    while user_ids := selectors.recipients_with_expired(now, limit=MAX_EXPIRED):
        expired = sum(map(_expire, user_ids))
        deleted += expired
        if not expired:  # all of them are locked
            break
    return deleted


def _expire(user_id: Any) -> int:
    with transaction.atomic():
        inboxes = lock_inboxes([user_id], skip_locked=True)
        now = timezone.now()
        rows = Notification.objects.filter(Notification.LISTED, recipient_id__in=inboxes, expires_at__lte=now)
        expired = [
            Listed(*row) for row in rows.order_by("position").values_list(*Listed._fields)[:MAX_EXPIRED]
        ]
        batch = LogBatch(inboxes, now=now)
        for listed in expired:
            batch.delete(listed, Reason.EXPIRED, SYSTEM)
        announce_on_commit(batch.write())
    return len(expired)
