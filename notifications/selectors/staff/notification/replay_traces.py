"""What replays have left of one notification.

That is which replays took it and what they made of it, and of which notification it was made itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from notifications.models import Notification, Replay, ReplayedNotification, ReplayVerb

MAX_TRACES: Final = 50  # the newest that took a notification
MAX_MADE: Final = 200


class Trace(NamedTuple):
    """One time that a notification was shown again, delivered again or copied.

    Attributes:
        at: when.
        verb: how.
        job: the replay; None when a producer sent it again, with ``replay_of``.
        made: what came of it, with recipients; nothing of what was shown again, and of what has been removed
            since.
    """

    at: datetime
    verb: ReplayVerb
    job: Replay | None
    made: Sequence[Notification] = ()


class Source(NamedTuple):
    """The notification of which another was made, and how.

    Attributes:
        verb: how.
        job: the replay; None when a producer sent it again.
        original: with its recipient; None when it has been removed, or erased for this recipient.
    """

    verb: ReplayVerb
    job: Replay | None
    original: Notification | None


def traces_of(notification: Notification) -> list[Trace]:
    """Tell what has become of a notification by replays, in no order. Three queries at most."""
    items = ReplayedNotification.objects.filter(notification=notification).select_related("replay")
    taken = list(items.order_by("-pk")[:MAX_TRACES])
    again = Notification.objects.filter(replay_of=notification.public_id)
    successors = list(again.select_related("recipient", "event", "replay").order_by("-pk")[:MAX_TRACES])
    copies = _copies(notification, [item.replay for item in taken if item.replay.verb == ReplayVerb.COPY])
    traces = [
        Trace(
            item.at,
            ReplayVerb(item.replay.verb),
            item.replay,
            [one for one in (*successors, *copies) if one.replay_id == item.replay_id],
        )
        for item in taken
    ]
    told = {item.replay_id for item in taken}
    return traces + [
        Trace(one.staged_at, ReplayVerb.REDELIVER, one.replay, [one])
        for one in successors
        if one.replay_id not in told
    ]


def source_of(notification: Notification) -> Source | None:
    """Tell of what a notification was made; None when it was simply sent.

    Two queries at most, and none when it was simply sent.
    """
    if notification.replay_of is not None:
        original = Notification.objects.filter(public_id=notification.replay_of)
        return Source(ReplayVerb.REDELIVER, notification.replay, original.select_related("recipient").first())
    if notification.replay_id is None:
        return None
    taken = ReplayedNotification.objects.filter(
        replay_id=notification.replay_id, notification__event_id=notification.event_id
    )
    item = taken.select_related("notification__recipient").order_by("pk").first()
    return Source(ReplayVerb.COPY, notification.replay, item.notification if item else None)


def _copies(notification: Notification, jobs: Sequence[Replay]) -> list[Notification]:
    """Find the copies that some replays made of it for others.

    They were staged after everything that those replays could take.
    """
    if not jobs:
        return []
    made = Notification.objects.filter(
        event_id=notification.event_id,
        pk__gt=min(job.until_id for job in jobs),
        replay_id__in=[job.pk for job in jobs],
        replay_of__isnull=True,
    )
    return list(made.select_related("recipient").order_by("pk")[:MAX_MADE])
