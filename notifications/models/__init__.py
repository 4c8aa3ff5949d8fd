"""The tables of the hub.

They hold inboxes and their notifications, broadcasts and replays, the credentials of programs, idempotency
keys, and the records of streams. Rows are written by ``notifications.services`` alone.
"""

from __future__ import annotations

from notifications.models.broadcasts import Broadcast, BroadcastRecipient
from notifications.models.changes import Change, ChangeKind, Reason, Via
from notifications.models.columns import new_public_id, staged_at
from notifications.models.events import (
    FIRST_SEGMENT,
    MAX_ACTOR_LENGTH,
    MAX_BODY_LENGTH,
    MAX_COLLAPSE_KEY_LENGTH,
    MAX_SOURCE_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    Event,
    Level,
)
from notifications.models.idempotency_keys import MAX_KEY_LENGTH, EventKey, EventKeyState, IdempotencyKey
from notifications.models.inboxes import Inbox
from notifications.models.jobs import Job, JobState
from notifications.models.notifications import Notification
from notifications.models.replays import MAX_REASON_LENGTH, Replay, ReplayedNotification, ReplayVerb
from notifications.models.streams import EndReason, OpenedBy, StreamSession, Worker
from notifications.models.tokens import MAX_TOKEN_NAME_LENGTH, ApiToken, UsedTicket
from notifications.scopes import Scope

__all__ = [
    "FIRST_SEGMENT",
    "MAX_ACTOR_LENGTH",
    "MAX_BODY_LENGTH",
    "MAX_COLLAPSE_KEY_LENGTH",
    "MAX_KEY_LENGTH",
    "MAX_REASON_LENGTH",
    "MAX_SOURCE_LENGTH",
    "MAX_TITLE_LENGTH",
    "MAX_TOKEN_NAME_LENGTH",
    "MAX_TOPIC_LENGTH",
    "ApiToken",
    "Broadcast",
    "BroadcastRecipient",
    "Change",
    "ChangeKind",
    "EndReason",
    "Event",
    "EventKey",
    "EventKeyState",
    "IdempotencyKey",
    "Inbox",
    "Job",
    "JobState",
    "Level",
    "Notification",
    "OpenedBy",
    "Reason",
    "Replay",
    "ReplayVerb",
    "ReplayedNotification",
    "Scope",
    "StreamSession",
    "UsedTicket",
    "Via",
    "Worker",
    "new_public_id",
    "staged_at",
]
