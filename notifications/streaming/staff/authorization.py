"""By what right staff have streams of their own: a session of theirs, and permissions, asked again for as
long as a stream is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model

from notifications import permissions
from notifications.streaming.asgi import Headers
from notifications.streaming.connection.credential import Credential
from notifications.streaming.door.credentials import identify_session
from notifications.streaming.frames import Ending
from notifications.streaming.process import credential_validity
from notifications.streaming.refusal import Refusal


class StaffRight(NamedTuple):
    """What a stream is open by.

    Attributes:
        credential: the session.
        needs_inbox: it shows one inbox, which takes a permission more.
        sees_content: it shows what notifications say.
    """

    credential: Credential
    needs_inbox: bool
    sees_content: bool


def admit(headers: Headers, *, needs_inbox: bool) -> StaffRight:
    """Check who asks. Asks the database; call it in the private pool.

    Raises:
        Refusal: there is no valid session (401), or its user may not see this (403).
    """
    credential = identify_session(headers)
    user = get_user_model()._default_manager.filter(pk=credential.user_id).first()
    if user is None or not _may_see(user, needs_inbox=needs_inbox):
        raise Refusal("forbidden", "This needs a member of staff with the permission to view notifications.")
    return StaffRight(credential, needs_inbox, user.has_perm(permissions.VIEW_CONTENT))


def ended(given: Iterable[StaffRight]) -> dict[StaffRight, Ending]:
    """Those that hold no more, with why their streams close. One that shows more or less content than its
    user may see now begins again. Asks the database; call it in the private pool.
    """
    held = list(given)
    over = credential_validity.invalidated({right.credential for right in held})
    keys = {right.credential.user_id for right in held}
    # Loaded anew, because a user remembers the permissions that they had.
    users = {user.pk: user for user in get_user_model()._default_manager.filter(pk__in=keys)}
    ends: dict[StaffRight, Ending] = {}
    for right in held:
        user = users.get(right.credential.user_id)
        if user is None or not _may_see(user, needs_inbox=right.needs_inbox):
            ends[right] = Ending("revoked")
        elif right.credential in over:
            ends[right] = over[right.credential]
        elif user.has_perm(permissions.VIEW_CONTENT) != right.sees_content:
            ends[right] = Ending("rotate")
    return ends


def _may_see(user: Any, *, needs_inbox: bool) -> bool:
    return (
        user.is_active
        and getattr(user, "is_staff", False)
        and any(user.has_perm(permission) for permission in permissions.VIEW)
        and (not needs_inbox or user.has_perm(permissions.VIEW_INBOX))
    )
