"""Decide which rows are removed without being asked, after how long, and by which setting.

When rows are removed is decided here alone. How they are removed, a bounded number at a time, stands with the
services that own them. The sweeper removes rows for the hub's own use, ``manage.py prune_notifications`` what
users have been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from notifications.conf import hub_config
from notifications.inbox_log.compaction import Pruned, inboxes_to_prune, prune_broadcasts, prune_inbox
from notifications.models import (
    ApiToken,
    Broadcast,
    BroadcastRecipient,
    Change,
    Event,
    EventKey,
    IdempotencyKey,
    Inbox,
    Notification,
    Replay,
    ReplayedNotification,
    StreamSession,
    UsedTicket,
    Worker,
)
from notifications.services.credentials.tickets import remove_used_tickets
from notifications.services.idempotency import remove_idempotency_keys
from notifications.services.records.streams import remove_stream_records
from notifications.services.records.workers import remove_ended_workers
from notifications.services.transient.publishing import remove_event_keys


def prune_inboxes(
    cutoff: datetime, *, dry_run: bool = False, note: Callable[[Pruned], None] = lambda pruned: None
) -> int:
    """Delete old notifications from all inboxes, and compact their logs.

    Transaction: several short ones for each inbox; must not be called inside another. Inboxes that somebody
    else has locked are left alone.

    Args:
        cutoff: what is older is removed.
        dry_run: each inbox is rolled back after it was pruned, and nothing is announced.
        note: is told what was done to each inbox that had something old.

    Returns:
        The number of rows that were removed.
    """
    removed, prune = 0, _prune_and_roll_back if dry_run else prune_inbox
    user_ids = inboxes_to_prune(cutoff)
    while user_ids:
        for user_id in user_ids:
            pruned = prune(user_id, cutoff)
            removed += pruned.compacted + pruned.removed
            note(pruned)
        user_ids = inboxes_to_prune(cutoff, after=user_ids[-1])
    return removed


@dataclass(frozen=True, kw_only=True)
class RetentionRule:
    """A rule for how long some rows are kept.

    Attributes:
        description: the rows, in words.
        models: the models of the rows.
        days_setting: the setting that says for how many days they are kept; 0 keeps them for ever.
        fixed_period: how long they are kept where no setting says so.
        remove: removes what is older than a time, or a part of it; returns the number of rows.
    """

    description: str
    models: tuple[type[Model], ...]
    days_setting: str = ""
    fixed_period: timedelta = timedelta()
    remove: Callable[[datetime], int]

    def cutoff(self) -> datetime | None:
        """Return the time before which rows are removed now; None when they are kept for ever."""
        kept = (
            timedelta(days=getattr(hub_config(), self.days_setting))
            if self.days_setting
            else self.fixed_period
        )
        return timezone.now() - kept if kept else None

    def apply(self) -> int:
        """Remove what is older, or a part of it; return the number of rows."""
        cutoff = self.cutoff()
        return self.remove(cutoff) if cutoff is not None else 0


USED_TICKETS: Final = RetentionRule(
    description="marks of used tickets",
    models=(UsedTicket,),
    # A ticket is valid for 30 seconds. This is far longer, so that no difference between two machines' clocks
    # lets one in again.
    fixed_period=timedelta(hours=1),
    remove=remove_used_tickets,
)
IDEMPOTENCY_KEYS: Final = RetentionRule(
    description="idempotency keys of publishing requests, with their answers",
    models=(IdempotencyKey,),
    fixed_period=timedelta(hours=24),  # as the protocol says
    remove=remove_idempotency_keys,
)
EVENT_KEYS: Final = RetentionRule(
    description="idempotency keys of transient events",
    models=(EventKey,),
    fixed_period=timedelta(minutes=5),  # as the protocol says
    remove=remove_event_keys,
)
STREAM_RECORDS: Final = RetentionRule(
    description="records of streams, and of answered polls and lists",
    models=(StreamSession,),
    days_setting="stream_session_days",
    remove=remove_stream_records,
)
WORKERS: Final = RetentionRule(
    description="records of serving processes that have ended",
    models=(Worker,),
    days_setting="stream_session_days",
    remove=remove_ended_workers,
)
NOTIFICATIONS: Final = RetentionRule(
    description="notifications, and the changes that later ones supersede",
    models=(Notification, Change),
    days_setting="retention_days",
    remove=prune_inboxes,
)
BROADCASTS: Final = RetentionRule(
    description="broadcasts that have ended",
    models=(Broadcast,),
    days_setting="retention_days",
    remove=prune_broadcasts,
)

REMOVED_BY_SWEEPER: Final = (USED_TICKETS, IDEMPOTENCY_KEYS, EVENT_KEYS, STREAM_RECORDS, WORKERS)
REMOVED_BY_COMMAND: Final = (NOTIFICATIONS, BROADCASTS)
# The rows that no rule is about, and when they are removed.
REMOVED_OTHERWISE: Final[dict[type[Model], str]] = {
    Event: "with the last notification, change and broadcast that has it",
    ReplayedNotification: "with its notification",
    BroadcastRecipient: "when its broadcast ends",
    Inbox: "with its user",
    ApiToken: "with its user; a revoked or expired one stays on record",
    Replay: "never: it is the record of what staff did",
}


def remove_old() -> int:
    """Remove a part of what the sweeper is to remove; return the number of rows."""
    return sum(rule.apply() for rule in REMOVED_BY_SWEEPER)


def _prune_and_roll_back(user_id: Any, cutoff: datetime) -> Pruned:
    """Return what ``prune_inbox`` would do, and roll it back; nothing is announced."""
    with transaction.atomic():
        pruned = prune_inbox(user_id, cutoff)
        transaction.set_rollback(True)
    return pruned
