"""Give staged notifications their positions, in a short transaction of its own after the commit.

Inbox rows are locked in user order; staged rows are never locked. A second caller finds nothing staged and
does nothing, so the sequencer may be called by anybody, any number of times.

What cannot be listed is marked failed, and left alone until it is tried again (``retry_failed``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from notifications.conf import hub_config
from notifications.event_types import check_name, registry
from notifications.exceptions import HubError, InvalidInput
from notifications.inbox_log.append import Listed, LogBatch, StagedChanged, in_order
from notifications.inbox_log.content import check_event
from notifications.inbox_log.inboxes import announce, announce_on_commit, create_inboxes, lock_inboxes
from notifications.inbox_log.provenance import Provenance
from notifications.inbox_log.staged import Staged, events_of, staged_rows
from notifications.models import Event, Notification, Reason, Replay, Via
from notifications.signals import notifications_sequenced
from notifications.sql.arrays import AnyOf
from notifications.sql.rows import update_rows

logger = logging.getLogger(__name__)

MAX_ROWS: Final = 2_000
MAX_RETRIED: Final = 1_000
_NOTED_USERS: Final = "_notifications_noted_users"  # an attribute of the connection

Events = Mapping[int, Event]
_CollapseKey = tuple[Any, str, str, str]


def sequence_on_commit(user_ids: Iterable[Any], events: Iterable[Event] = ()) -> None:
    """Sequence what these users have staged, once the running transaction has committed.

    Every call registers a hook, because a savepoint that is rolled back takes its hooks along; the first hook
    to run takes all users noted on the connection, so that a transaction with many sends is sequenced at
    once.

    Args:
        user_ids: primary keys of users.
        events: what this transaction has checked and stored, which then need not be read. The hook holds
            them, so that none outlives a transaction that is rolled back: SQLite gives its key to another.
    """
    noted: set[Any] = transaction.get_connection().__dict__.setdefault(_NOTED_USERS, set())
    noted.update(user_ids)
    checked = {event.pk: event for event in events}

    def sequence_noted() -> None:  # Django names a hook that fails, and a partial has no name
        _sequence_noted(checked)

    transaction.on_commit(sequence_noted, robust=True)


def _sequence_noted(checked: Events) -> None:
    noted: set[Any] = transaction.get_connection().__dict__.pop(_NOTED_USERS, set())
    if missed := noted - _sequence(noted, checked, skip_locked=False).keys():
        # Another process's sweeper was quicker, and announced it. What this process emits next comes after it
        # all the same (I19).
        announce(missed)


def sequence(user_ids: Collection[Any], *, skip_locked: bool = False) -> int:
    """Give positions to everything that these users have staged and that is due.

    Transaction: one for each ``max_sequence_chunk`` inboxes, each announced by ``inbox_changed`` after its
    commit. A row that cannot be sequenced is marked ``failed_at`` and stops nobody else; an inbox whose lock
    is not had in time is left to the sweeper.

    Args:
        user_ids: primary keys of users; those without staged notifications cost little.
        skip_locked: leave out inboxes that another transaction has, instead of waiting.

    Returns:
        How many notifications were given a position.
    """
    return _sequence(user_ids, {}, skip_locked=skip_locked).total()


def _sequence(user_ids: Collection[Any], checked: Events, *, skip_locked: bool) -> Counter[Any]:
    """Sequence what these users have staged; return how many rows of each are done.

    Args:
        user_ids: primary keys of users.
        checked: events that this process has just checked and stored, by primary key.
        skip_locked: leave out inboxes that another transaction has.
    """
    ordered = sorted(set(user_ids))
    size = hub_config().max_sequence_chunk
    done: Counter[Any] = Counter()
    for start in range(0, len(ordered), size):
        done.update(_sequence_chunk(ordered[start : start + size], checked, skip_locked=skip_locked))
    return done


def _sequence_chunk(user_ids: Sequence[Any], checked: Events, *, skip_locked: bool) -> Counter[Any]:
    done: Counter[Any] = Counter()
    try:
        while rows := _sequence_rows(user_ids, checked, skip_locked=skip_locked, max_rows=MAX_ROWS):
            done.update(rows)
            if rows.total() < MAX_ROWS:
                break
    except OperationalError:
        logger.warning(
            "%d inboxes could not be locked in time; the sweeper has them", len(user_ids), exc_info=True
        )
    except DatabaseError:
        if len(user_ids) > 1:
            for user_id in user_ids:
                done.update(_sequence_chunk([user_id], checked, skip_locked=skip_locked))
        else:
            done[user_ids[0]] += _sequence_singly(user_ids[0])
    return done


def _sequence_singly(user_id: Any) -> int:
    """Sequence an inbox row by row after it has failed as a whole; the first row that fails alone is bad."""
    done = 0
    while True:
        try:
            count = _sequence_rows([user_id], {}, skip_locked=False, max_rows=1).total()
        except OperationalError:
            return done
        except DatabaseError as error:
            logger.exception("A staged notification of user %s cannot be sequenced", user_id)
            with transaction.atomic():
                lock_inboxes([user_id])
                bad = staged_rows([user_id], max_rows=1)
                _mark_failed([(row, str(error)) for row in bad])
                count_on_commit(0, failed_count=len(bad))
            if not bad:
                return done
            count = len(bad)
        if count == 0:
            return done
        done += count


def _sequence_rows(
    user_ids: Sequence[Any], checked: Events, *, skip_locked: bool, max_rows: int
) -> Counter[Any]:
    """Lock the inboxes that have something staged and write their logs, in one transaction.

    Returns:
        How many rows of each user are done, failed ones included.
    """
    while True:
        staged = staged_rows(user_ids, max_rows=max_rows)
        if not staged:
            return Counter()
        try:
            return _list_rows(staged, checked, skip_locked=skip_locked, max_rows=max_rows)
        except StagedChanged:
            logger.debug("Somebody else has sequenced some of %d staged notifications", len(staged))


def _list_rows(
    staged: Sequence[Staged], checked: Events, *, skip_locked: bool, max_rows: int
) -> Counter[Any]:
    """List staged rows that were read without a lock.

    They are read again under the locks if the locked inboxes show that the rows may be old.
    """
    heads = {row.recipient_id: row.head for row in staged}
    events = events_of(staged, checked)
    _categorize(_uncategorized(events))
    create_inboxes(user_id for user_id, head in heads.items() if head is None)
    with transaction.atomic():
        inboxes = lock_inboxes(heads, skip_locked=skip_locked)
        has_moved = any(inbox.head != (heads[user_id] or 0) for user_id, inbox in inboxes.items())
        was_cut_off = len(staged) == max_rows and len(inboxes) < len(heads)
        if has_moved or was_cut_off:
            staged = staged_rows(list(inboxes), max_rows=max_rows)
            events = events_of(staged, checked)
        rows = [row for row in staged if row.recipient_id in inboxes]
        if _uncategorized(events) or not events.keys() >= {row.event_id for row in rows}:
            raise StagedChanged
        failures = _failures(event for key, event in events.items() if key not in checked)
        _mark_failed([(row, failures[row.event_id]) for row in rows if row.event_id in failures])
        _remove_withdrawn([row.id for row in rows if row.is_withdrawn])
        good = [row for row in rows if row.event_id not in failures and not row.is_withdrawn]
        batch = LogBatch(inboxes, now=timezone.now())
        _append_changes(batch, good, events)
        announce_on_commit(batch.write())
        count_on_commit(len(good), failed_count=len(rows) - len(good))
    return Counter(row.recipient_id for row in rows)


def count_on_commit(count: int, *, failed_count: int) -> None:
    counted = partial(
        notifications_sequenced.send_robust, sender=Notification, count=count, failed_count=failed_count
    )
    transaction.on_commit(counted, robust=True)


def retry_failed(ids: Iterable[UUID] = (), *, event_id: int | None = None) -> int:
    """Let the sequencer try failed notifications again. What is still wrong fails again.

    Transaction: the caller's; they are sequenced right after the commit. Three statements before that.
    Notifications that have not failed are left alone, so doing it again changes nothing.

    Args:
        ids: public ids.
        event_id: instead of ids: the failed ones of one event, ``MAX_RETRIED`` at most.

    Returns:
        The number of notifications that are tried again.
    """
    failed = Notification.objects.filter(position__isnull=True, failed_at__isnull=False)
    failed = failed.filter(public_id__in=list(ids)) if event_id is None else failed.filter(event_id=event_id)
    with transaction.atomic():
        rows = dict(failed.order_by("pk").values_list("pk", "recipient_id")[:MAX_RETRIED])
        count = failed.filter(pk__in=rows).update(failed_at=None, failure="")
        sequence_on_commit(rows.values())
    return count


def _uncategorized(events: Events) -> list[Event]:
    """Return the events without a category, but for those whose type has no valid name.

    Such an event did not come through the services.
    """
    return [event for event in events.values() if not event.category and _has_type(event)]


def _has_type(event: Event) -> bool:
    try:
        check_name(event.type)
    except InvalidInput:
        return False
    return True


def _categorize(events: Iterable[Event]) -> None:
    """Store the category of events that came without one; it stays as it is from here on.

    No inbox is locked meanwhile, because whoever withdraws an event may wait for one.

    Raises:
        StagedChanged: somebody else has stored the category of one of them.
    """
    for event in events:
        event.category = registry.category_of(event.type)
        if not Event.objects.filter(pk=event.pk, category="").update(category=event.category):
            raise StagedChanged


def _failures(events: Iterable[Event]) -> dict[int, str]:
    """Return the reason why an event cannot be shown, by primary key; such events came past ``notify``."""
    failures: dict[int, str] = {}
    for event in events:
        try:
            check_event(event)
        except HubError as error:
            failures[event.pk] = str(error)
    return failures


def _mark_failed(rows: Sequence[tuple[Staged, str]]) -> None:
    for row, reason in rows:
        logger.error("Notification %s of user %s is marked failed: %s", row.id, row.recipient_id, reason)
    now = timezone.now()
    update_rows(
        Notification, ("id", "failed_at", "failure"), [(row.id, now, reason[:500]) for row, reason in rows]
    )


def _remove_withdrawn(keys: Sequence[int]) -> None:
    """Remove rows that were withdrawn while they were staged: nobody has seen them, so nothing is left."""
    if keys:
        Notification.objects.filter(pk__in=keys).delete()


def _append_changes(batch: LogBatch, staged: Sequence[Staged], events: dict[int, Event]) -> None:
    """Add the created changes in staging order, each after the deleted changes of what it replaces."""
    replaceable = _replaceable(staged, events)
    replayed, provenances = _replayed(staged), _provenances(staged)
    deleted: set[int] = set()
    for row in staged:
        event = events[row.event_id]
        if not row.collapse_key and row.replay_of is None:
            batch.create(row, event, provenances.get(row.replay_id))
            continue
        key = _collapse_key(row, event)
        provenance = provenances.get(row.replay_id) or Provenance(by=event.source, via=Via.PRODUCER)
        replaced = replaceable.pop(key, []) if row.collapse_key else []
        replaced = [*replaced, *replayed.get((row.recipient_id, row.replay_of), [])]
        for listed in in_order({old.id: old for old in replaced if old.id not in deleted}.values()):
            batch.delete(listed, Reason.REPLACED, provenance)
            deleted.add(listed.id)
        created = batch.create(row, event, provenance)
        if row.collapse_key:
            replaceable[key] = [created]


def _replayed(staged: Sequence[Staged]) -> dict[tuple[Any, UUID | None], list[Listed]]:
    """Return the listed notifications that staged rows re-deliver, by recipient and public id.

    One query, or none.
    """
    public_ids = [row.replay_of for row in staged if row.replay_of is not None]
    if not public_ids:
        return {}
    rows = Notification.objects.filter(Notification.LISTED, AnyOf(F("public_id"), public_ids))
    pairs = [(public_id, Listed(*row)) for public_id, *row in rows.values_list("public_id", *Listed._fields)]
    return {(listed.recipient_id, public_id): [listed] for public_id, listed in pairs}


def _provenances(staged: Sequence[Staged]) -> dict[UUID | None, Provenance]:
    """Return who made the staged rows of replays, by replay. One query, or none."""
    keys = {row.replay_id for row in staged if row.replay_id is not None}
    replays = Replay.objects.filter(pk__in=keys) if keys else ()
    return {replay.pk: Provenance(by=replay.by, via=Via.ADMIN, address=replay.address) for replay in replays}


def _collapse_key(row: Staged, event: Event) -> _CollapseKey:
    return (row.recipient_id, event.type, event.topic, row.collapse_key)


def _replaceable(staged: Sequence[Staged], events: dict[int, Event]) -> dict[_CollapseKey, list[Listed]]:
    """Find what is listed now under the collapse keys of the staged rows. One query, or none."""
    collapsing = [row for row in staged if row.collapse_key]
    if not collapsing:
        return {}
    keys = {_collapse_key(row, events[row.event_id]) for row in collapsing}
    rows = Notification.objects.filter(
        Notification.LISTED,
        AnyOf(F("recipient_id"), {key[0] for key in keys}),
        type__in={key[1] for key in keys},
        collapse_key__in={key[3] for key in keys},
    ).exclude(collapse_key="")
    found: dict[_CollapseKey, list[Listed]] = {}
    for *values, type_, topic, collapse_key in rows.values_list(
        *Listed._fields, "type", "topic", "collapse_key"
    ):
        listed = Listed(*values)
        key = (listed.recipient_id, type_, topic, collapse_key)
        if key in keys:
            found.setdefault(key, []).append(listed)
    return found
