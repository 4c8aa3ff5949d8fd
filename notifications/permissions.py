"""The hub's permissions, by the names that ``user.has_perm`` takes.

The models declare them, each beside what it is about; all code that checks one takes its name from here.
"""

from __future__ import annotations

from typing import Any, Final

APP_LABEL: Final = "notification_hub"

# With any of these, staff see that a notification exists and what became of it. As everywhere in Django's
# admin, whoever may change it may view it.
VIEW: Final = (f"{APP_LABEL}.view_notification", f"{APP_LABEL}.change_notification")
# In addition, to see the content of notifications.
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
    """Return whether a member of staff may see that notifications exist."""
    return any(map(user.has_perm, VIEW))


def may_view_content(user: Any) -> bool:
    """Return whether a member of staff may see the content of notifications; that includes ``may_view``."""
    return bool(user.has_perm(VIEW_CONTENT)) and may_view(user)
