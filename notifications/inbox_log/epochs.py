"""Give inboxes new epochs after a restore from a backup.

Positions are used again then, and no cursor from before the restore may be taken for a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from notifications.inbox_log.inboxes import lock_inboxes
from notifications.models import Inbox
from notifications.protocol.cursors import new_epoch
from notifications.sql.rows import update_rows


def renew_epochs(user_ids: Sequence[Any]) -> int:
    """Give each of these inboxes a new epoch: every cursor that anybody holds of them ends.

    Transaction: one, which waits for the locks of all these inboxes; give it no more than some hundred.
    Nothing is
    announced: open streams are reset at the next reconciliation, the polling delta answers 410 at once.

    Returns:
        How many inboxes there were.

    Raises:
        OperationalError: a lock was not had within ``lock_timeout_seconds``; nothing was changed.
    """
    with transaction.atomic():
        inboxes = lock_inboxes(user_ids)
        update_rows(Inbox, ("user_id", "epoch"), [(user_id, new_epoch()) for user_id in inboxes])
    return len(inboxes)
