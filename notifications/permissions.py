"""The hub's permissions by the names by which ``user.has_perm`` knows them.

The models declare them, each beside what it is about; everything that asks for one takes its name from here.
"""

from __future__ import annotations

from typing import Any, Final

APP_LABEL: Final = "notification_hub"

# Staff see that a notification is there, and what became of it, if they have any one of these: who may change
# it sees it, as everywhere in Django's admin.
VIEW: Final = (f"{APP_LABEL}.view_notification", f"{APP_LABEL}.change_notification")
# What notifications say, in addition.
VIEW_CONTENT: Final = f"{APP_LABEL}.view_content"
VIEW_INBOX: Final = f"{APP_LABEL}.view_inbox"
VIEW_STREAMS: Final = f"{APP_LABEL}.view_streamsession"
END_STREAMS: Final = f"{APP_LABEL}.end_streamsession"
REPLAY: Final = f"{APP_LABEL}.replay"
COMPOSE: Final = f"{APP_LABEL}.compose"
ERASE: Final = f"{APP_LABEL}.erase"
REVOKE_TOKENS: Final = f"{APP_LABEL}.revoke_apitoken"
# What a producer needs to send over HTTP, by whatever token.
SEND: Final = f"{APP_LABEL}.add_notification"


def may_view(user: Any) -> bool:
    """Whether a member of staff may see that notifications are there."""
    return any(map(user.has_perm, VIEW))


def may_view_content(user: Any) -> bool:
    """Whether a member of staff may see what notifications say: those that they may see at all."""
    return bool(user.has_perm(VIEW_CONTENT)) and may_view(user)
