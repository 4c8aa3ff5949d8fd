"""Create inbox rows, lock them in user order, announce them after the commit, and renew their epochs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet

from notifications import selectors
from notifications.conf import hub_config
from notifications.exceptions import UserGone
from notifications.models import Inbox
from notifications.protocol.cursors import new_epoch
from notifications.selectors import InboxState
from notifications.signals import inbox_changed, streams_changed
from notifications.sql.arrays import AnyOf, given_rows
from notifications.sql.dialect import column, is_postgresql, table
from notifications.sql.locks import lock_timeout
from notifications.sql.prepared import Prepared, Slots
from notifications.sql.rows import insert_rows, update_rows
from notifications.sql.statements import Statement, run_at_once


def open_inbox(user_id: Any) -> InboxState:
    """Return the inbox of a user, and create it if there is none yet.

    One query when it exists, three statements otherwise.

    Args:
        user_id: primary key of a user.

    Raises:
        UserGone: there is no such user.
    """
    while (state := selectors.inbox(user_id)) is None:
        if not _create_for_existing([user_id]) and selectors.inbox(user_id) is None:
            raise UserGone
    return state


def ensure_inboxes(user_ids: Collection[Any]) -> None:
    """Create those inboxes that are missing, except for users who do not exist.

    One query, and one statement more when any is missing.
    """
    existing = set(Inbox.objects.filter(pk__in=user_ids).values_list("pk", flat=True))
    if missing := set(user_ids) - existing:
        _create_for_existing(missing)


def _create_for_existing(user_ids: Collection[Any]) -> int:
    """Create inboxes for those users who exist; return the number of new inboxes. One statement."""
    users, keys = get_user_model(), sorted(user_ids)
    fields = {"user_id": users._meta.pk, "epoch": Inbox._meta.get_field("epoch")}
    given, params = given_rows("given", fields, (keys, [new_epoch() for _ in keys]))
    insertion = (
        f"INSERT INTO {table(Inbox)} (user_id, epoch) SELECT given.user_id, given.epoch FROM {given} "  # noqa: S608 (names, placeholders)
        f"JOIN {table(users)} u ON u.{column(users, 'pk')} = given.user_id WHERE true ON CONFLICT DO NOTHING"
    )
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(insertion, params)
                return int(cursor.rowcount)
        except IntegrityError:  # one of them was deleted just now
            if not transaction.get_autocommit():
                raise


def create_inboxes(user_ids: Iterable[Any]) -> None:
    """Create inboxes for existing users; two processes may do so at once."""
    rows = [(user_id, new_epoch()) for user_id in sorted(user_ids)]
    insert_rows(Inbox, ("user_id", "epoch"), rows, ignore_conflicts=True)


def lock_inboxes(user_ids: Iterable[Any], *, skip_locked: bool = False) -> dict[Any, Inbox]:
    """Lock existing inboxes in user order until the transaction ends; return them by user.

    Inbox rows are locked before any other rows, and always in this order, so nothing can deadlock. On SQLite
    the transaction itself is the lock.

    Args:
        skip_locked: leave out those that another transaction has, instead of waiting.

    Raises:
        OperationalError: a lock was not had within ``lock_timeout_seconds``, or inside a caller's transaction
            within whatever is set there.
    """
    db = transaction.get_connection()
    if not db.in_atomic_block:
        raise transaction.TransactionManagementError("Inboxes are locked inside a transaction.")
    prepared = _LOCK_SKIPPING if skip_locked else _LOCK_WAITING
    statements = [Statement(*prepared.filled(keys=list(user_ids)))]
    # Not inside a caller's transaction, because the timeout would then hold for its later statements too.
    if is_postgresql(db) and not db.savepoint_ids:
        statements.insert(0, _lock_timeout())
    rows = prepared.converted(run_at_once(statements)[-1])
    return {row[0]: Inbox.from_db(db.alias, _COLUMNS, row) for row in rows}


def _locked(*, skip_locked: bool) -> QuerySet[Inbox, Any]:
    inboxes = (
        Inbox.objects.filter(AnyOf(F("pk"), Slots("keys", Inbox._meta.pk)))
        .order_by("pk")
        .values_list(*_COLUMNS)
    )
    return inboxes.select_for_update(skip_locked=skip_locked, no_key=True)


_COLUMNS: Final = ("user_id", "epoch", "head", "floor", "unread_count", "changed_at")
_LOCK_WAITING: Final = Prepared(partial(_locked, skip_locked=False))
_LOCK_SKIPPING: Final = Prepared(partial(_locked, skip_locked=True))


def lock_statements(user_id: Any) -> list[Statement]:
    """Return the statements that lock one existing inbox; the last of them gives one row, or none.

    They do what ``lock_inboxes`` does, for a caller that sends them and what follows in one trip. Outside of
    a transaction, the lock lasts for the transaction that the caller makes of the trip.
    """
    db = transaction.get_connection()
    key = Inbox._meta.pk
    statement = f"SELECT 1 FROM {table(Inbox)} WHERE user_id = %s"  # noqa: S608 (no input)
    params = [key.get_db_prep_value(user_id, db)]
    if not is_postgresql(db):
        return [Statement(statement, params)]
    lock = Statement(f"{statement} FOR NO KEY UPDATE", params)
    return [lock] if db.in_atomic_block else [_lock_timeout(), lock]


def announce_on_commit(heads: Mapping[Any, int]) -> None:
    """Send ``inbox_changed`` once the running transaction has committed.

    A transaction that is rolled back is never announced.
    """
    if heads:
        transaction.on_commit(
            partial(inbox_changed.send_robust, sender=Inbox, heads=dict(heads)), robust=True
        )


def announce(user_ids: Collection[Any]) -> None:
    """Send ``inbox_changed`` with the heads that are in the database now. One query."""
    heads = {user_id: state.head for user_id, state in selectors.inboxes(user_ids).items()}
    if heads:
        inbox_changed.send_robust(sender=Inbox, heads=heads)


def announce_streams_on_commit(user_ids: Iterable[Any]) -> None:
    """Send ``streams_changed`` once the running transaction has committed; outside of one, at once.

    Args:
        user_ids: primary keys of the users whose open streams may have to end.
    """
    keys = list(user_ids)
    if keys:
        transaction.on_commit(partial(streams_changed.send_robust, sender=Inbox, user_ids=keys), robust=True)


def renew_epochs(user_ids: Sequence[Any]) -> int:
    """Give each of these inboxes a new epoch, so that every cursor that clients hold of them is refused.

    It is for a restore from a backup: positions are used again then, and no cursor from before the restore
    may be taken for a new one.

    Transaction: one, which waits for the locks of all these inboxes; give it no more than some hundred.
    Nothing is announced: open streams are reset at the next reconciliation, the polling delta answers 410 at
    once.

    Returns:
        The number of inboxes that exist.

    Raises:
        OperationalError: a lock was not had within ``lock_timeout_seconds``; nothing was changed.
    """
    with transaction.atomic():
        inboxes = lock_inboxes(user_ids)
        update_rows(Inbox, ("user_id", "epoch"), [(user_id, new_epoch()) for user_id in inboxes])
    return len(inboxes)


def _lock_timeout() -> Statement:
    return lock_timeout(hub_config().lock_timeout_seconds)
