"""Write changes to the logs of inboxes; a log grows by this module alone.

Each change takes the next position of its inbox, and all of them are written as sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from notifications.change_kinds import transition, unread_step
from notifications.inbox_log.provenance import Provenance
from notifications.inbox_log.staged import Staged
from notifications.models import Change, ChangeKind, Event, Inbox, Notification, Reason, Via
from notifications.notification_states import STATE, State
from notifications.sql.rows import insertion, updating
from notifications.sql.statements import write_at_once

_NO_STATE: Final = State()  # of a change that is about no single notification


class StagedChanged(Exception):
    """A row that was staged when it was read, without a lock, was listed, marked failed or deleted since."""


class Listed(NamedTuple):
    """A listed notification, with the columns that its next change needs."""

    id: int
    recipient_id: Any
    event_id: int
    position: int
    created_at: datetime
    read_at: datetime | None
    archived_at: datetime | None

    @property
    def state(self) -> State:
        """The state that it has now."""
        return State(self.read_at, self.archived_at)


_CHANGE_COLUMNS: Final = (
    "inbox_id", "position", "kind", "at", "unread_count", "notification_id", "event_id", "created_position",
    "created_at", *STATE, "up_to", "read_category", "reason", "by", "via", "address",
)  # fmt: skip
_CREATED_COLUMNS: Final = (
    "id", "position", "created_at", "read_at", "type", "category", "topic", "level", "expires_at",
)  # fmt: skip


class LogBatch:
    """Changes of locked inboxes, collected in order and written by five statements at most, in one trip.

    Positions are gapless because the inbox is locked from before the first change until after ``write``.
    Times never go back within an inbox, whatever the clock does.
    """

    def __init__(self, inboxes: Mapping[Any, Inbox], *, now: datetime) -> None:
        """Begin a batch that holds no change yet.

        Args:
            inboxes: rows that this transaction has locked, by user.
            now: the time of the changes, unless an inbox has seen a later one.
        """
        self._inboxes = inboxes
        self._now = now
        self._changed_users: set[Any] = set()
        self._event_copies: dict[int, tuple[tuple[Any, ...], Provenance]] = {}
        self._changes: list[tuple[Any, ...]] = []
        self._created: list[tuple[Any, ...]] = []
        self._changed_states: list[tuple[Any, ...]] = []
        self._deleted: list[tuple[Any, ...]] = []

    def create(self, staged: Staged, event: Event, provenance: Provenance | None = None) -> Listed:
        """Give a staged notification its position; it is listed from here on.

        Args:
            provenance: who made it, if that is not the event's producer.
        """
        inbox = self._inboxes[staged.recipient_id]
        position, at = inbox.head + 1, self._time(inbox)
        state = State(read_at=at) if staged.is_read else _NO_STATE
        listed = Listed(staged.id, staged.recipient_id, staged.event_id, position, at, *state)
        if (copies := self._event_copies.get(event.pk)) is None:
            copies = self._event_copies[event.pk] = (
                _copied(event),
                Provenance(by=event.source, via=Via.PRODUCER),
            )
        columns, producer = copies
        self._append(
            inbox, ChangeKind.CREATED, unread_step(None, state), listed, provenance or producer, state=state
        )
        self._created.append((staged.id, position, at, state.read_at, *columns))
        return listed

    def set_state(self, listed: Listed, provenance: Provenance, **flags: bool) -> bool:
        """Change the state of a notification by one change; return False if it has that state already.

        Args:
            flags: the state that it is to have, by the names of ``fold.STATE_FLAGS``.
        """
        inbox = self._inboxes[listed.recipient_id]
        change = transition(listed.state, self._time(inbox), **flags)
        if change is None:
            return False
        kind, after = change
        self._append(inbox, kind, unread_step(listed.state, after), listed, provenance, state=after)
        self._changed_states.append((listed.id, *after))
        return True

    def delete(self, listed: Listed, reason: Reason | str, provenance: Provenance) -> bool:
        """Take a notification off the list for good. Always return True, as there is something to change."""
        inbox = self._inboxes[listed.recipient_id]
        step = unread_step(listed.state, None)
        self._append(inbox, ChangeKind.DELETED, step, listed, provenance, state=listed.state, reason=reason)
        self._deleted.append((listed.id, inbox.changed_at))
        return True

    def mark_all_read(
        self, inbox: Inbox, count: int, up_to: int, category: str, provenance: Provenance
    ) -> datetime:
        """Add one change by which ``count`` unread notifications are read at once; return its time.

        The caller writes that time to their rows.
        """
        self._append(
            inbox, ChangeKind.READ_ALL, -count, None, provenance, up_to=up_to, read_category=category
        )
        return self._time(inbox)

    def write(self) -> dict[Any, int]:
        """Write all changes; return the new heads by user, to be announced after the commit.

        Raises:
            StagedChanged: a notification was no longer staged when it was to be listed; the transaction must
                be rolled back.
        """
        changed = [self._inboxes[user_id] for user_id in sorted(self._changed_users)]
        if not changed:
            return {}
        counters = [(inbox.pk, inbox.head, inbox.unread_count, inbox.changed_at) for inbox in changed]
        statements = [
            insertion(Change, _CHANGE_COLUMNS, self._changes),
            updating(Inbox, ("user_id", "head", "unread_count", "changed_at"), counters),
        ]
        for columns, rows in ((("id", *STATE), self._changed_states), (("id", "deleted_at"), self._deleted)):
            if rows:
                statements.append(updating(Notification, columns, rows))
        if self._created:
            staged = ("position", "failed_at")
            statements.insert(0, updating(Notification, _CREATED_COLUMNS, self._created, where_null=staged))
        written = write_at_once(statements)
        if self._created and written[0] != len(self._created):
            raise StagedChanged
        return {inbox.pk: inbox.head for inbox in changed}

    def _append(
        self,
        inbox: Inbox,
        kind: str,
        unread: int,
        listed: Listed | None,
        provenance: Provenance,
        *,
        state: State = _NO_STATE,
        up_to: int | None = None,
        read_category: str = "",
        reason: str = "",
    ) -> None:
        inbox.changed_at = self._time(inbox)
        inbox.head += 1
        inbox.unread_count += unread
        self._changed_users.add(inbox.pk)
        subject = (listed.id, listed.event_id, listed.position, listed.created_at) if listed else (None,) * 4
        counters = (inbox.pk, inbox.head, str(kind), inbox.changed_at, inbox.unread_count)
        doer = (provenance.by, str(provenance.via), provenance.address)
        self._changes.append((*counters, *subject, *state, up_to, read_category, str(reason), *doer))

    def _time(self, inbox: Inbox) -> datetime:
        return max(self._now, inbox.changed_at) if inbox.changed_at else self._now


def in_order(rows: Iterable[Listed]) -> list[Listed]:
    """Return notifications oldest first, the order in which their changes take positions."""
    return sorted(rows, key=lambda row: row.position)


def _copied(event: Event) -> tuple[Any, ...]:
    return (event.type, event.category, event.topic, event.level, event.expires_at)
