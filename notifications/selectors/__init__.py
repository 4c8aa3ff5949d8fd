"""Every read that the hub serves. Readers use autocommit, take no lock and look at no clock (but the database's, for who is alive).

A list is one statement, so that its rows and its cursor are one snapshot (I11). Elsewhere the inbox is read first and its
rows second, up to the head that was seen: what came in between is then read next time, and never missed.
"""

from notifications.selectors.broadcasts import get_broadcast
from notifications.selectors.due import recipients_with_expired, recipients_with_staged
from notifications.selectors.listing import Page, get_notification, list_page, list_slice, listed_by_key
from notifications.selectors.log import changes_after, changes_since
from notifications.selectors.state import Counts, InboxState, counts, inbox, inboxes
from notifications.selectors.streams import (
    is_worker_alive,
    open_streams,
    open_streams_of_worker,
    streams_asked_to_end,
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
    "InboxState",
    "Page",
    "active_user",
    "changes_after",
    "changes_since",
    "counts",
    "get_broadcast",
    "get_notification",
    "has_permission",
    "inbox",
    "inboxes",
    "is_token_usable",
    "is_worker_alive",
    "list_page",
    "list_slice",
    "listed_by_key",
    "open_streams",
    "open_streams_of_worker",
    "recipients_with_expired",
    "recipients_with_staged",
    "streams_asked_to_end",
    "token_with_user",
    "user_of_session",
]
