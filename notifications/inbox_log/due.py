"""What is due in all inboxes, whoever wrote it: the staged are sequenced, the expired are deleted."""

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
    """Sequence everything staged that is due; returns how many notifications.

    It goes part by part in user order, so that each user is looked at once, and locked ones keep nobody else
    waiting: they are left for the next time.

    Transaction: several short ones; must not be called inside another.
    """
    now, size = timezone.now(), hub_config().max_sequence_chunk
    done, last = 0, None
    while user_ids := selectors.recipients_with_staged(now, after=last, limit=size):
        done += sequence(user_ids, skip_locked=True)
        last = user_ids[-1]
    return done


def expire_due() -> int:
    """Delete everything past its ``expires_at``; returns how many notifications.

    Transaction: one for each inbox; must not be called inside another. Locked inboxes are left for the next
    time.
    """
    now, done = timezone.now(), 0
    while user_ids := selectors.recipients_with_expired(now, limit=MAX_EXPIRED):
        expired = sum(map(_expire, user_ids))
        done += expired
        if not expired:  # all of them are locked
            break
    return done


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
