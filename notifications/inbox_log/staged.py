"""Read the notifications that are staged and due; it is SQL because every send waits for this statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from notifications.models import Event, Inbox, Notification
from notifications.sql.arrays import AnyOf, any_of, keys_text
from notifications.sql.dialect import is_postgresql, table
from notifications.sql.prepared import Prepared, Slots

# There are two halves because each has a partial index, and behind an OR SQLite finds neither. They are
# materialized because the database otherwise takes an index of all that the recipient ever got, which has the
# order. Subqueries rather than joins, which take PostgreSQL twice as long to plan.
_STAGED: Final = """
    WITH staged AS MATERIALIZED (
        SELECT id, recipient_id, event_id, collapse_key, replay_of, replay_id,
               read_at IS NOT NULL AS is_read FROM {notification}
        WHERE position IS NULL AND failed_at IS NULL AND deliver_at IS NULL AND recipient_id {any_of}
        UNION ALL
        SELECT id, recipient_id, event_id, collapse_key, replay_of, replay_id,
               read_at IS NOT NULL AS is_read FROM {notification}
        WHERE position IS NULL AND failed_at IS NULL AND deliver_at <= %s AND recipient_id {any_of}
    ) SELECT s.*, (SELECT e.withdrawn_at IS NOT NULL FROM {event} e WHERE e.id = s.event_id),
             (SELECT i.head FROM {inbox} i WHERE i.user_id = s.recipient_id)
      FROM staged s ORDER BY s.recipient_id, s.id LIMIT %s"""


class Staged(NamedTuple):
    """A notification that waits for its position.

    Attributes:
        replay_of: the public id of what it replaces, if its recipient still has that listed.
        replay_id: the staff's replay that made it.
        is_read: it is read from the beginning, and never counted as unread.
        is_withdrawn: its event was withdrawn, so nobody is to see it.
        head: of its inbox, in the same snapshot; None without an inbox. While it is the same, the
            notification still waits, unless it was deleted.
    """

    id: int
    recipient_id: Any
    event_id: int
    collapse_key: str
    replay_of: UUID | None
    replay_id: UUID | None
    is_read: bool
    is_withdrawn: bool
    head: int | None


def staged_rows(user_ids: Sequence[Any], *, max_rows: int) -> list[Staged]:
    """Return what these users have staged that is due now, in staging order. One query, no lock."""
    key: Any = Inbox._meta.pk
    keys = keys_text(key, user_ids)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_statement(connection.vendor), (keys, now, keys, max_rows))
        rows = cursor.fetchall()
    if is_postgresql():
        return [Staged(*row) for row in rows]
    return [
        Staged(
            pk,
            key.to_python(user_id),
            event_id,
            collapse_key,
            _uuid(replay_of),
            _uuid(replay_id),
            bool(is_read),
            bool(withdrawn),
            head,
        )
        for pk, user_id, event_id, collapse_key, replay_of, replay_id, is_read, withdrawn, head in rows
    ]


def events_of(staged: Iterable[Staged], known: Mapping[int, Event]) -> dict[int, Event]:
    """Return the events of staged notifications, by primary key. One query for those that are not known."""
    keys = {row.event_id for row in staged}
    events = {key: known[key] for key in keys & known.keys()}
    if len(events) < len(keys):
        rows = _EVENTS.rows(keys=keys - known.keys())
        events |= {row[0]: Event.from_db(connection.alias, _event_columns(), row) for row in rows}
    return events


@lru_cache(maxsize=2)
def _statement(vendor: str) -> str:
    return _STAGED.format(
        notification=table(Notification),
        event=table(Event),
        inbox=table(Inbox),
        any_of=any_of(Inbox._meta.pk),
    )


@lru_cache(maxsize=1)
def _event_columns() -> tuple[str, ...]:
    return tuple(field.attname for field in Event._meta.concrete_fields)


def _events() -> QuerySet[Event, Any]:
    keys = Slots("keys", Event._meta.pk)
    return Event.objects.filter(AnyOf(F("pk"), keys)).values_list(*_event_columns())


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


_EVENTS: Final = Prepared(_events)
