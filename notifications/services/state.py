"""Change notifications for their user: read, unread, archive, unarchive, delete, mark all read.

All of these lock the one inbox row: inside a caller's transaction the lock lasts until that ends. All are
idempotent: a notification that is in the state already takes no position. Changes are announced after the
commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from notifications.exceptions import UserGone
from notifications.inbox_log.append import Listed, LogBatch
from notifications.inbox_log.inboxes import announce_on_commit, ensure_inboxes, lock_inboxes
from notifications.inbox_log.provenance import SYSTEM, Outcome, Provenance
from notifications.models import Inbox, Notification, Reason
from notifications.notification_states import VERBS, check_flags
from notifications.selectors import InboxState
from notifications.services.notify import recipient_key


def set_state(user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM, **flags: bool) -> Outcome:
    """Change the state of notifications.

    Each that is changed takes one position, however many flags change. One that is in that state already
    stays as it is, and takes none.

    Transaction: its own, or part of the caller's, until whose end it then locks the user's inbox. Announced
    after the commit.

    Args:
        user: the recipient, or its primary key.
        ids: public ids.
        provenance: who makes the change, and by which way in.
        flags: the state to have, by the names of ``fold.STATE_FLAGS``.

    Returns:
        How many were changed, the ids that are not listed in this inbox, and the inbox as it is then.

    Raises:
        UserGone: there is no such user, or there was until a moment ago.
        OperationalError: the inbox was locked by others for longer than ``lock_timeout_seconds``.
        InvalidInput: there is no such state.
    """
    check_flags(flags)
    return _change(user, ids, lambda batch, row: batch.set_state(row, provenance, **flags))


def mark_read(user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM) -> Outcome:
    """Mark notifications read. Transaction, arguments, answer and errors as for ``set_state``."""
    return set_state(user, ids, provenance=provenance, **VERBS["read"])


def mark_unread(user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM) -> Outcome:
    """Mark notifications unread. Transaction, arguments, answer and errors as for ``set_state``."""
    return set_state(user, ids, provenance=provenance, **VERBS["unread"])


def archive(user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM) -> Outcome:
    """Archive notifications, which also reads them.

    Transaction, arguments, answer and errors as for ``set_state``.
    """
    return set_state(user, ids, provenance=provenance, **VERBS["archive"])


def unarchive(user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM) -> Outcome:
    """Put archived notifications back into the list.

    Transaction, arguments, answer and errors as for ``set_state``.
    """
    return set_state(user, ids, provenance=provenance, **VERBS["unarchive"])


def delete(
    user: Any, ids: Iterable[UUID], *, reason: Reason | str = Reason.USER, provenance: Provenance = SYSTEM
) -> Outcome:
    """Take notifications off the list for good.

    Transaction, arguments, answer and errors as for ``set_state``.

    Args:
        reason: what the frame says: one of the protocol's closed list.

    Raises:
        ValueError: the reason is none of them.
    """
    valid_reason = Reason(reason)
    return _change(user, ids, lambda batch, row: batch.delete(row, valid_reason, provenance))


def mark_all_read(
    user: Any, *, up_to: int | None = None, category: str = "", provenance: Provenance = SYSTEM
) -> Outcome:
    """Mark everything read that the user had seen; what came later stays unread.

    It is one change, however many notifications there are.

    Transaction, answer and errors as for ``set_state``.

    Args:
        user: the recipient, or its primary key.
        up_to: the newest position that the user saw; None for the head.
        category: only this category.
        provenance: who makes the change, and by which way in.
    """
    user_id = recipient_key(user)
    ensure_inboxes([user_id])
    with transaction.atomic():
        inboxes = _lock(user_id)
        inbox = inboxes[user_id]
        last = inbox.head if up_to is None else min(up_to, inbox.head)
        unread = Notification.objects.filter(Notification.UNREAD, recipient_id=user_id, position__lte=last)
        if category:
            unread = unread.filter(category=category)
        count = unread.count()
        if count:
            batch = LogBatch(inboxes, now=timezone.now())
            unread.update(read_at=batch.mark_all_read(inbox, count, last, category, provenance))
            announce_on_commit(batch.write())
        return Outcome(changed=count, inbox=_state(inbox))


def _change(
    user: Any,
    ids: Iterable[UUID],
    change: Callable[[LogBatch, Listed], bool],
) -> Outcome:
    """Change each of these notifications; ``change`` returns whether there was anything to do."""
    user_id = recipient_key(user)
    public_ids = list(dict.fromkeys(UUID(str(public_id)) for public_id in ids))
    ensure_inboxes([user_id])
    with transaction.atomic():
        inboxes = _lock(user_id)
        rows = Notification.objects.filter(
            Notification.LISTED, recipient_id=user_id, public_id__in=public_ids
        )
        listed_by_id = {
            public_id: Listed(*values)
            for public_id, *values in rows.order_by("position").values_list("public_id", *Listed._fields)
        }
        batch = LogBatch(inboxes, now=timezone.now())
        changed = sum(change(batch, listed) for listed in listed_by_id.values())
        announce_on_commit(batch.write())
        return Outcome(
            changed=changed,
            inbox=_state(inboxes[user_id]),
            not_found=[public_id for public_id in public_ids if public_id not in listed_by_id],
        )


def _lock(user_id: Any) -> dict[Any, Inbox]:
    """Lock and return the user's inbox, by its key.

    Raises:
        UserGone: there is no such user.
    """
    if not (inboxes := lock_inboxes([user_id])):
        raise UserGone
    return inboxes


def _state(inbox: Inbox) -> InboxState:
    return InboxState(inbox.pk, inbox.epoch, inbox.head, inbox.floor, inbox.unread_count)


def _set(
    flags: Mapping[str, bool], user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM
) -> Outcome:
    return set_state(user, ids, provenance=provenance, **flags)


# What may be done with notifications by name, by whoever has them in front of them.
ACTIONS: Final[Mapping[str, Callable[..., Outcome]]] = {
    **{verb: partial(_set, flags) for verb, flags in VERBS.items()},
    "delete": delete,
}
