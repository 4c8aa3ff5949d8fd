"""Every read that the hub serves.

Reads use autocommit and take no lock. They look at no clock but the database's, to see which processes are
alive. A list is one statement, so that its rows and its cursor are one snapshot (I11). Elsewhere the inbox is
read first and its rows second, up to the head that was seen: what came in between is read the next time, and
never missed.
"""

from notifications.selectors.broadcasts import get_broadcast
from notifications.selectors.identity import (
    DatabaseIdentity,
    database_identity,
    installation,
    known_installation,
)
from notifications.selectors.listing import (
    Page,
    get_notification,
    list_page,
    list_slice,
    listed_notifications,
)
from notifications.selectors.log import changes_after, changes_since
from notifications.selectors.past import PastPage, first_change_at, past_page, position_at
from notifications.selectors.state import (
    Counts,
    InboxState,
    changed_inboxes,
    counts,
    inbox,
    inboxes,
    recipients_with_expired,
    recipients_with_staged,
)
from notifications.selectors.streams import (
    is_worker_alive,
    open_streams,
    open_streams_of_worker,
    streams_requested_to_end,
)
from notifications.selectors.tail import (
    WatchedChange,
    change_ids,
    changes_by_id,
    changes_of_inbox,
    changes_within,
    newest_change_id,
    transaction_horizon,
    transaction_mark,
)
from notifications.selectors.users import (
    active_user,
    has_permission,
    is_token_usable,
    token_with_user,
    user_of_session,
)

__all__ = [
    "Counts",
    "DatabaseIdentity",
    "InboxState",
    "Page",
    "PastPage",
    "WatchedChange",
    "active_user",
    "change_ids",
    "changed_inboxes",
    "changes_after",
    "changes_by_id",
    "changes_of_inbox",
    "changes_since",
    "changes_within",
    "counts",
    "database_identity",
    "first_change_at",
    "get_broadcast",
    "get_notification",
    "has_permission",
    "inbox",
    "inboxes",
    "installation",
    "is_token_usable",
    "is_worker_alive",
    "known_installation",
    "list_page",
    "list_slice",
    "listed_notifications",
    "newest_change_id",
    "open_streams",
    "open_streams_of_worker",
    "past_page",
    "position_at",
    "recipients_with_expired",
    "recipients_with_staged",
    "streams_requested_to_end",
    "token_with_user",
    "transaction_horizon",
    "transaction_mark",
    "user_of_session",
]
