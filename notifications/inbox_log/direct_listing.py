"""List one event for many recipients at once without staging it, for broadcasts.

This is done for recipients who have nothing staged that would have to be listed first.

A row that is staged is written twice, and each time into most of its indexes. Here the notification is stored
with its position, by one statement for all recipients (ADR 16). The rows are exactly those that
``inbox_log.sequencer`` and ``inbox_log.append`` would have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from notifications.exceptions import HubError
from notifications.inbox_log.content import check_event
from notifications.inbox_log.inboxes import announce_on_commit
from notifications.inbox_log.sequencer import count_on_commit
from notifications.models import Change, ChangeKind, Event, Inbox, Notification, Via, new_public_id
from notifications.sql.arrays import any_of, array_text, keys_text, sql_type
from notifications.sql.dialect import is_postgresql, table
from notifications.sql.statements import Statement, run_at_once

_LOCK_SKIPPING: Final = (
    "SELECT user_id FROM {inbox} WHERE user_id {any_of} ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED"
)
_WITH_STAGED: Final = """
    SELECT recipient_id FROM {notification}
    WHERE position IS NULL AND failed_at IS NULL AND deliver_at IS NULL AND recipient_id {any_of}
    UNION SELECT recipient_id FROM {notification}
    WHERE position IS NULL AND failed_at IS NULL AND deliver_at IS NOT NULL AND recipient_id {any_of}"""
# All parts of one statement see the rows as they were before it. That those do not change meanwhile is
# certain because an earlier statement has locked the inboxes.
_LIST: Final = """
    WITH listed AS (
        INSERT INTO {notification}
            (public_id, recipient_id, event_id, type, category, topic, level, expires_at, position,
             created_at)
        SELECT given.public_id, i.user_id, %(event)s, %(type)s, %(category)s, %(topic)s, %(level)s,
               %(expires_at)s, i.head + 1, greatest(%(now)s, i.changed_at)
        FROM unnest(%(keys)s::{key_type}[], %(public_ids)s::uuid[]) AS given(user_id, public_id)
        JOIN {inbox} i ON i.user_id = given.user_id ORDER BY i.user_id
        RETURNING id, recipient_id, position, created_at
    ), moved AS (
        UPDATE {inbox} i SET head = l.position, unread_count = i.unread_count + 1, changed_at = l.created_at
        FROM listed l WHERE i.user_id = l.recipient_id RETURNING i.user_id, i.unread_count
    )
    INSERT INTO {change} (inbox_id, position, kind, at, unread_count, notification_id, event_id,
                          created_position, created_at, read_category, reason, by, via)
    SELECT l.recipient_id, l.position, %(kind)s, l.created_at, m.unread_count, l.id, %(event)s,
           l.position, l.created_at, '', '', %(by)s, %(via)s
    FROM listed l JOIN moved m ON m.user_id = l.recipient_id ORDER BY l.recipient_id
    RETURNING inbox_id, position"""


def list_directly(event: Event, user_ids: Sequence[Any]) -> set[Any]:
    """Notify those of some users whose inbox exists, is not locked, and has nothing staged; return them.

    Transaction: the caller's, which must be short: it holds their inboxes to its end, waits for none, and
    announces them once it has committed. Two trips on PostgreSQL; on other databases nobody is notified, and
    no statement is made.

    Args:
        event: a stored event.
        user_ids: primary keys, none twice.

    Returns:
        The keys of the users who were notified. For all others the notification has to be staged.
    """
    if not is_postgresql() or event.withdrawn_at or not _can_be_shown(event):
        return set()
    keys = _lock_idle_inboxes(user_ids)
    if not keys:
        return set()
    heads = dict(_list(event, keys))
    announce_on_commit(heads)
    count_on_commit(len(heads), failed_count=0)
    return set(heads)


def _can_be_shown(event: Event) -> bool:
    try:
        check_event(event)
    except HubError:
        return False  # the sequencer records why
    return bool(event.category)  # the sequencer gives one to an event that did not come through the services


def _lock_idle_inboxes(user_ids: Sequence[Any]) -> list[Any]:
    """Lock the inboxes that nobody else has; return those with nothing staged and nothing scheduled."""
    key: Any = Inbox._meta.pk
    keys = keys_text(key, user_ids)
    locked, with_staged = run_at_once(
        [
            Statement(_with_table_names(_LOCK_SKIPPING), [keys]),
            Statement(_with_table_names(_WITH_STAGED), [keys, keys]),
        ]
    )
    busy = {user_id for (user_id,) in with_staged}
    return [user_id for (user_id,) in locked if user_id not in busy]


def _list(event: Event, keys: Sequence[Any]) -> list[tuple[Any, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            _with_table_names(_LIST),
            {
                "event": event.pk,
                "type": event.type,
                "category": event.category,
                "topic": event.topic,
                "level": event.level,
                "expires_at": event.expires_at,
                "now": timezone.now(),
                "keys": array_text(keys),
                "public_ids": array_text([new_public_id() for _ in keys]),
                "kind": ChangeKind.CREATED.value,
                "by": event.source,
                "via": Via.PRODUCER.value,
            },
        )
        rows: list[tuple[Any, int]] = cursor.fetchall()
        return rows


def _with_table_names(statement: str) -> str:
    key = Inbox._meta.pk
    return statement.format(
        notification=table(Notification),
        inbox=table(Inbox),
        change=table(Change),
        any_of=any_of(key),
        key_type=sql_type(key),
    )
