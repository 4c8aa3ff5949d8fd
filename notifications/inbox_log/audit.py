"""Check a live database against the invariants of the log.

Each check is one statement over a range of inboxes, so all its findings come from one snapshot. Nothing is
locked and nothing is written; writers may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from django.db import connection

from notifications.change_kinds import (
    Carries,
    sql_contradicts,
    sql_covers,
    sql_is_unread,
    sql_kinds,
    sql_moves_count,
)
from notifications.models import Change, Event, Inbox, Notification
from notifications.notification_states import STATE
from notifications.sql.dialect import table

MAX_INBOXES: Final = 200
MAX_FINDINGS: Final = 100  # of one check in one range of inboxes; the next run of the command finds the rest


class Check(NamedTuple):
    """An invariant, and the statement that finds the rows that break it.

    Attributes:
        code: its stable name, which docs/operations.md explains.
        text: what is wrong, with the columns of a finding after the user's key as ``{0}``, ``{1}`` …
        statement: selects the user's key first; its two parameters are the first and the last key.
    """

    code: str
    text: str
    statement: str


class Problem(NamedTuple):
    """An invariant that does not hold for one user's inbox."""

    user_id: Any
    code: str
    text: str


def inbox_keys(*, after: Any = None, limit: int = MAX_INBOXES) -> list[Any]:
    """Return the users of the next inboxes, in the order of their keys. One query.

    Args:
        after: the last key of the range before; None for the first range.
        limit: the number of inboxes at most.
    """
    inboxes = Inbox.objects.order_by("pk") if after is None else Inbox.objects.filter(pk__gt=after)
    return list(inboxes.order_by("pk").values_list("pk", flat=True)[:limit])


def audit(user_ids: Sequence[Any]) -> Iterator[Problem]:
    """Yield each problem of the inboxes from the first to the last of these users.

    Queries: one for each check. Memory: at most ``MAX_FINDINGS`` findings of one check at a time.

    Args:
        user_ids: neighbouring keys in ascending order, as ``inbox_keys`` gives them.
    """
    if not user_ids:
        return
    key = Inbox._meta.pk
    bounds = [key.get_db_prep_value(user_ids[at], connection) for at in (0, -1)]
    for check in CHECKS:
        with connection.cursor() as cursor:
            cursor.execute(f"{_with_table_names(check.statement)} LIMIT {MAX_FINDINGS}", bounds)
            findings = cursor.fetchall()
        for user_id, *details in findings:
            yield Problem(key.to_python(user_id), check.code, check.text.format(*details))


def _with_table_names(statement: str) -> str:
    """Return a statement with the real names of the tables in it."""
    tables = {"inbox": Inbox, "change": Change, "notification": Notification, "event": Event}
    return statement.format(**{name: table(model) for name, model in tables.items()})


_IS_ALL_READ: Final = f"c.kind IN {sql_kinds(Carries.NOTHING)}"
_OTHER_STATES: Final = "".join(f"o.{name}, " for name in STATE if name != "read_at")
_STATE_DIFFERS: Final = " OR ".join(
    f"(n.{name} IS NULL) <> (f.{name} IS NULL) OR n.{name} <> f.{name}" for name in STATE
)
CHECKS: Final = (
    Check(
        "log",
        "{2} changes above the floor {0}, up to {3}; there must be one at each position up to the head {1}",
        """SELECT i.user_id, i.floor, i.head, count(c.id), coalesce(max(c.position), i.floor)
           FROM {inbox} i LEFT JOIN {change} c ON c.inbox_id = i.user_id AND c.position > i.floor
           WHERE i.user_id BETWEEN %s AND %s GROUP BY i.user_id, i.floor, i.head
           HAVING count(c.id) <> i.head - i.floor OR coalesce(max(c.position), i.floor) <> i.head""",
    ),
    Check(
        "unread",
        "{0} unread are counted, {2} after the newest change, and {1} rows are unread",
        """SELECT * FROM (
               SELECT i.user_id, i.unread_count AS counted,
                      (SELECT count(*) FROM {notification} n
                       WHERE n.recipient_id = i.user_id AND n.position IS NOT NULL AND n.deleted_at IS NULL
                         AND n.read_at IS NULL) AS is_unread,
                      coalesce((SELECT c.unread_count FROM {change} c
                                WHERE c.inbox_id = i.user_id AND c.position = i.head), 0) AS newest
               FROM {inbox} i WHERE i.user_id BETWEEN %s AND %s) counts
           WHERE counted <> is_unread OR counted <> newest""",
    ),
    Check(
        "order",
        "the change at {0} is earlier than the one at {1}, or changes the unread count by {2}",
        f"""SELECT inbox_id, position, coalesce(before, 0), step FROM (
               SELECT c.inbox_id, c.position, c.kind, c.at, i.floor,
                      lag(c.position) OVER log AS before, lag(c.at) OVER log AS before_at,
                      c.unread_count - coalesce(lag(c.unread_count) OVER log, 0) AS step
               FROM {{change}} c JOIN {{inbox}} i ON i.user_id = c.inbox_id
               WHERE c.inbox_id BETWEEN %s AND %s
               WINDOW log AS (PARTITION BY c.inbox_id ORDER BY c.position)) neighbours
           WHERE at < before_at OR (position > floor AND coalesce(before, 0) = position - 1
               AND NOT {sql_moves_count("kind", "step")})""",  # noqa: S608 (no input)
    ),
    Check(
        "owner",
        "the change at {0} is of a notification of user {1}",
        """SELECT c.inbox_id, c.position, n.recipient_id
           FROM {change} c JOIN {notification} n ON n.id = c.notification_id
           WHERE c.inbox_id BETWEEN %s AND %s AND n.recipient_id <> c.inbox_id""",
    ),
    Check(
        "shape",
        "the {1} change at {0} lacks what such a change has, or has what it must not",
        f"""SELECT c.inbox_id, c.position, c.kind FROM {{change}} c
           WHERE c.inbox_id BETWEEN %s AND %s AND (
               ({_IS_ALL_READ}) <> (c.notification_id IS NULL) OR ({_IS_ALL_READ}) <> (c.event_id IS NULL)
               OR ({_IS_ALL_READ}) <> (c.up_to IS NOT NULL)
               OR (c.kind IN {sql_kinds(Carries.ID)}) <> (c.reason <> '')
               OR ({_IS_ALL_READ}) <> (c.created_position IS NULL) OR {sql_contradicts("c")}
               OR c.kind = 'created' AND (c.created_position <> c.position OR c.created_at <> c.at))""",  # noqa: S608 (no input)
    ),
    Check(
        "fold",
        "notification {0} is not as the log leaves it: its newest change is {1} at {2}",
        # As the fold does: the last change of each notification that is no all-read, and the first all-read
        # after it that took the notification along.
        f"""WITH own AS (
               SELECT c.*, row_number() OVER (PARTITION BY c.notification_id ORDER BY c.position DESC) AS age
               FROM {{change}} c WHERE c.inbox_id BETWEEN %s AND %s AND NOT {_IS_ALL_READ}
           ), folded AS (
               SELECT o.inbox_id, o.notification_id, o.position, o.kind, o.at,
                      o.created_position, o.created_at, o.event_id, {_OTHER_STATES}
                      CASE WHEN {sql_is_unread("o")} THEN (
                          SELECT r.at FROM {{change}} r JOIN {{notification}} m ON m.id = o.notification_id
                          WHERE r.inbox_id = o.inbox_id AND r.kind IN {sql_kinds(Carries.NOTHING)}
                            AND {sql_covers("r", "o", "m.category")}
                          ORDER BY r.position LIMIT 1) ELSE o.read_at END AS read_at
               FROM own o WHERE o.age = 1
           )
           SELECT f.inbox_id, n.public_id, f.kind, f.position
           FROM folded f JOIN {{notification}} n ON n.id = f.notification_id
           WHERE (n.deleted_at IS NULL) <> (f.kind NOT IN {sql_kinds(Carries.ID)}) OR n.position IS NULL
              OR n.position <> f.created_position OR n.created_at <> f.created_at OR n.event_id <> f.event_id
              OR f.kind IN {sql_kinds(Carries.ID)} AND n.deleted_at <> f.at
              OR {_STATE_DIFFERS}""",  # noqa: S608 (no input)
    ),
    Check(
        "unlogged",
        "notification {0} has the position {1}, of which the log knows nothing",
        """SELECT n.recipient_id, n.public_id, n.position
           FROM {notification} n LEFT JOIN {inbox} i ON i.user_id = n.recipient_id
           WHERE n.recipient_id BETWEEN %s AND %s AND n.position IS NOT NULL
             AND NOT (n.deleted_at IS NOT NULL AND n.position <= coalesce(i.floor, 0))
             AND NOT EXISTS (SELECT 1 FROM {change} c WHERE c.notification_id = n.id)""",
    ),
    Check(
        "copies",
        "notification {0} was listed with another type, category, topic, level or expiry than its event has",
        """SELECT n.recipient_id, n.public_id FROM {notification} n JOIN {event} e ON e.id = n.event_id
           WHERE n.recipient_id BETWEEN %s AND %s AND n.position IS NOT NULL AND n.deleted_at IS NULL
             AND (n.type <> e.type OR n.topic <> e.topic OR n.level <> e.level
                  OR n.category <> e.category
                  OR (n.expires_at IS NULL) <> (e.expires_at IS NULL) OR n.expires_at <> e.expires_at)""",
    ),
)
