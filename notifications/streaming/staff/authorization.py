"""Authorizes staff streams by session and permissions, when they open and for as long as they are open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model

from notifications import permissions
from notifications.streaming.asgi import Headers
from notifications.streaming.credential import Credential
from notifications.streaming.door.credentials import identify_session
from notifications.streaming.frames import Ending
from notifications.streaming.process import credential_validity
from notifications.streaming.refusals import Refusal


class StaffRight(NamedTuple):
    """The right under which a staff stream is open.

    Attributes:
        credential: the session.
        needs_inbox: the stream shows one inbox, which takes another permission.
        sees_content: the user may see what notifications say.
    """

    credential: Credential
    needs_inbox: bool
    sees_content: bool


def authorize(headers: Headers, *, needs_inbox: bool) -> StaffRight:
    """Check the session and permissions of a request. Call it in a database thread.

    Args:
        headers: the headers of the request.
        needs_inbox: the stream shows one inbox.

    Raises:
        Refusal: there is no valid session (401), or its user may not see this (403).
    """
    credential = identify_session(headers)
    user = get_user_model()._default_manager.filter(pk=credential.user_id).first()
    if user is None or not _may_see(user, needs_inbox=needs_inbox):
        raise Refusal("forbidden", "This needs a member of staff with the permission to view notifications.")
    return StaffRight(credential, needs_inbox, user.has_perm(permissions.VIEW_CONTENT))


def ended_rights(rights: Iterable[StaffRight]) -> dict[StaffRight, Ending]:
    """Return the rights that have ended, with how their streams close. Call it in a database thread.

    A stream that shows more or less content than its user may see now is rotated.
    """
    all_rights = list(rights)
    over = credential_validity.invalidated({right.credential for right in all_rights})
    keys = {right.credential.user_id for right in all_rights}
    # Loaded again, because a user object caches its permissions.
    users = {user.pk: user for user in get_user_model()._default_manager.filter(pk__in=keys)}
    ends: dict[StaffRight, Ending] = {}
    for right in all_rights:
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
