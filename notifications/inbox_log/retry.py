"""Trying again what the sequencer has marked failed, once its cause is gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db import transaction

from notifications.inbox_log.sequencer import sequence_on_commit
from notifications.models import Notification

MAX_RETRIED: Final = 1_000


def retry_failed(ids: Iterable[UUID] = (), *, event_id: int | None = None) -> int:
    """Let the sequencer try notifications again that it has marked failed. What is still wrong fails again.

    Transaction: the caller's; they are sequenced right after the commit. Three statements before that. Others
    than failed ones are left alone, so doing it again changes nothing.

    Args:
        ids: public ids.
        event_id: instead of ids: those of one event, ``MAX_RETRIED`` at most.

    Returns:
        How many are tried again.
    """
    failed = Notification.objects.filter(position__isnull=True, failed_at__isnull=False)
    failed = failed.filter(public_id__in=list(ids)) if event_id is None else failed.filter(event_id=event_id)
    with transaction.atomic():
        rows = dict(failed.order_by("pk").values_list("pk", "recipient_id")[:MAX_RETRIED])
        count = failed.filter(pk__in=rows).update(failed_at=None, failure="")
        sequence_on_commit(rows.values())
    return count
