"""The auditor: what must hold of every committed state of the log, asked of the database by SQL of its own
(I1, I2).
"""

from __future__ import annotations

from typing import Any

from django.db import connection

# One statement, so one snapshot: what it finds wrong was wrong at one moment, also while others write.
_LOGS = """
    SELECT i.user_id, i.floor, i.head, i.unread_count,
           (SELECT count(*) FROM notification_hub_change c
             WHERE c.inbox_id = i.user_id AND c.position > i.floor),
           (SELECT coalesce(max(c.position), 0) FROM notification_hub_change c WHERE c.inbox_id = i.user_id),
           (SELECT count(*) FROM notification_hub_notification n
             WHERE n.recipient_id = i.user_id AND n.position IS NOT NULL
               AND n.deleted_at IS NULL AND n.read_at IS NULL)
    FROM notification_hub_inbox i ORDER BY i.user_id"""
_CREATED = """
    SELECT count(*) FROM notification_hub_notification n
    LEFT JOIN notification_hub_change c ON c.notification_id = n.id AND c.kind = 'created'
    LEFT JOIN notification_hub_inbox i ON i.user_id = n.recipient_id
    WHERE (n.position IS NULL OR c.id IS NULL AND n.position <= i.floor) <> (c.id IS NULL)
          OR n.position <> c.position OR n.recipient_id <> c.inbox_id"""
_ORDER = """
    SELECT count(*) FROM notification_hub_change c
    JOIN notification_hub_change d ON d.inbox_id = c.inbox_id AND d.position = c.position + 1
    WHERE d.at < c.at OR abs(d.unread_count - c.unread_count) > 1 AND d.kind <> 'read_all'"""


def problems() -> list[str]:
    """What is wrong with any log right now; an empty list when nothing is."""
    found = []
    for user_id, floor, head, unread_count, change_count, newest, unread_rows in _rows(_LOGS):
        if change_count != head - floor or newest not in (head, 0):
            found.append(
                f"user {user_id}: {change_count} changes from {floor} to {newest}, but the head is {head}"
            )
        if unread_count != unread_rows:
            found.append(f"user {user_id}: {unread_count} unread counted, {unread_rows} rows")
    return found


def history_problems() -> list[str]:
    """What is wrong between rows and their changes, and between neighbours in a log."""
    questions = {"notifications and their created changes disagree": _CREATED, "times or counts jump": _ORDER}
    return [text for text, statement in questions.items() if _rows(statement)[0][0]]


def _rows(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
