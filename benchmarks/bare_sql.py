"""The least that `notify()` could do: the statements of its two transactions, as they would be written by
hand, and nothing else.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

# The same text for both drivers but for the placeholder and the lock.
STAGE: Final = (
    (
        "INSERT INTO notification_hub_event (type, category, topic, level, title, body, url, actor, data, "
        "source) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id"
    ),
    (
        "INSERT INTO notification_hub_notification (public_id, recipient_id, event_id, collapse_key) "
        "VALUES (%s, %s, %s, '') RETURNING id"
    ),
)
LIST: Final = (
    "SELECT head, unread_count FROM notification_hub_inbox WHERE user_id = %s",
    (
        "UPDATE notification_hub_notification SET position = %s, created_at = CURRENT_TIMESTAMP, type = %s, "
        "category = %s, level = %s WHERE id = %s"
    ),
    (
        "INSERT INTO notification_hub_change (inbox_id, position, kind, at, unread_count, notification_id, "
        "event_id, created_position, "
        "created_at, read_category, reason, by, via) "
        "VALUES (%s, %s, 'created', CURRENT_TIMESTAMP, %s, %s, %s, %s, CURRENT_TIMESTAMP, '', '', '', "
        "'producer')"
    ),
    (
        "UPDATE notification_hub_inbox SET head = %s, unread_count = %s, changed_at = CURRENT_TIMESTAMP "
        "WHERE user_id = %s"
    ),
)
TYPE: Final = "bench.notify.sent"
TITLE: Final = "A notification"
BODY: Final = "It says a little more in its body than in its title."


def notify(cursor: Any, user_id: Any, *, begin: str, locks: bool, placeholder: str = "%s") -> None:
    """Send one, in two transactions, through a driver's own cursor in autocommit.

    Args:
        begin: how a transaction begins.
        locks: the database knows `FOR UPDATE`.
        placeholder: of the driver.
    """

    def run(statement: str, *params: Any) -> Any:
        return cursor.execute(statement.replace("%s", placeholder), params)

    cursor.execute(begin)
    run(STAGE[0], TYPE, "bench", "", "info", TITLE, BODY, "/orders/7/", "", '{"order_id":7}', "")
    [event_id] = cursor.fetchone()
    run(STAGE[1], uuid4() if locks else uuid4().hex, user_id, event_id)
    [key] = cursor.fetchone()
    cursor.execute("COMMIT")
    cursor.execute(begin)
    run(LIST[0] + (" FOR NO KEY UPDATE" if locks else ""), user_id)
    head, unread_count = cursor.fetchone()
    run(LIST[1], head + 1, TYPE, "bench", "info", key)
    run(LIST[2], user_id, head + 1, unread_count + 1, key, event_id, head + 1)
    run(LIST[3], head + 1, unread_count + 1, user_id)
    cursor.execute("COMMIT")
