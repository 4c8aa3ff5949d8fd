"""The sweeper's one run: whatever is due is sequenced, whatever has expired is deleted, whoever wrote it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.db import transaction
from django.utils import timezone

from notifications import selectors
from notifications.conf import hub_config
from notifications.models import Notification, Reason
from notifications.services.inboxes import announce_on_commit, lock_inboxes
from notifications.services.log import Listed, LogBatch
from notifications.services.origin import SYSTEM
from notifications.services.sequence import sequence

MAX_EXPIRED: Final = 500


class Swept(NamedTuple):
    """What one run did."""

    sequenced: int
    expired: int


def sweep() -> Swept:
    """Sequence everything staged that is due, and expire everything past its ``expires_at``.

    Transaction: several short ones; must not be called inside another. Inboxes that somebody else has locked are left for
    the next run. Any number of processes may sweep at once.
    """
    size = hub_config().max_sequence_chunk
    now = timezone.now()
    staged = selectors.recipients_with_staged(now, limit=size)
    sequenced = sequence(staged, skip_locked=True) if staged else 0
    expired = sum(_expire(user_id) for user_id in selectors.recipients_with_expired(now, limit=size))
    return Swept(sequenced, expired)


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
