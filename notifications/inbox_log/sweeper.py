"""The sweeper's one run: whatever is due is sequenced, whatever has expired is deleted, whoever wrote it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

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


class Swept(NamedTuple):
    """What one run did."""

    sequenced: int
    expired: int


def sweep() -> Swept:
    """Sequence everything staged that is due, and expire everything past its ``expires_at``.

    Transaction: several short ones; must not be called inside another. Inboxes that somebody else has locked
    are left for the next run. Any number of processes may sweep at once.
    """
    now = timezone.now()
    return Swept(_sequence_due(now), _expire_due(now))


def _sequence_due(now: datetime) -> int:
    """Part by part in user order, so that each user is looked at once, and locked ones keep nobody else
    waiting.
    """
    size = hub_config().max_sequence_chunk
    done, last = 0, None
    while user_ids := selectors.recipients_with_staged(now, after=last, limit=size):
        done += sequence(user_ids, skip_locked=True)
        last = user_ids[-1]
    return done


def _expire_due(now: datetime) -> int:
    done = 0
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
            batch.deleted(listed, Reason.EXPIRED, SYSTEM)
        announce_on_commit(batch.write())
    return len(expired)
