"""All writes of the security app: sign-ins, failed sign-ins, changed passwords and ended sessions.

Each notifies the users whom it concerns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import asdict
from importlib import import_module
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import services
from notifications.contrib.security.clients import Client, client_of
from notifications.contrib.security.failures import FailureGroup, add_failure, is_reported
from notifications.contrib.security.models import EndReason, FailedLogin, SignIn
from notifications.contrib.security.notification_events import (
    LoginFailed,
    PasswordChanged,
    RevokedBy,
    SessionNew,
    SessionRevoked,
)
from notifications.payloads import timestamp

TOPIC: Final = "account"
SOURCE: Final = "notifications.security"
# The entry of a session that holds its sign-in's key. The session's own key would not do, because Django
# replaces it whenever the password changes.
SESSION_MARK: Final = "notification_hub_security_sign_in"
current_request: Final[ContextVar[HttpRequest | None]] = ContextVar(
    "notification_hub_security_request", default=None
)


def signed_in(request: HttpRequest, user: AbstractBaseUser) -> SignIn:
    """Record a login by its session, and notify the user.

    A login whose request was made in code, as by Django's test client, is recorded, but there is no client to
    report. Logging in once more in the same session ends the earlier sign-in.

    Transaction: its own, or the caller's.
    """
    session, client, now = request.session, client_of(request), timezone.now()
    with transaction.atomic():
        _mark_ended([session.get(SESSION_MARK)], EndReason.LOGIN)
        if session.session_key is None:
            # Django has flushed another user's session and would make the key only with the answer.
            session.create()
        sign_in = SignIn.objects.create(
            user_id=user.pk,
            session_key=session.session_key or "",
            address=client.address or None,
            agent=client.agent,
            browser=client.browser,
            at=now,
        )
        session[SESSION_MARK] = sign_in.pk
        if request.method is not None:
            _notify_of_sign_in(user, client)
    return sign_in


def signed_out(session: SessionBase) -> None:
    """Record that a session ends by logging out; the caller flushes it."""
    _mark_ended([session.get(SESSION_MARK)], EndReason.LOGOUT)


def follow_session(session: SessionBase) -> None:
    """Record the new key that Django has given a session."""
    if mark := session.get(SESSION_MARK):
        SignIn.objects.filter(pk=mark, ended_at=None).update(session_key=session.session_key)


def sign_in_failed(username: str, client: Client) -> None:
    """Count a failed login, and notify the active user of that name, if there is one.

    ``failures`` describes the bounds.

    Transaction: its own, or the caller's. It locks the user's row, so that failures at the same time are
    counted one by one and reported in order; a name that nobody has costs one read and leaves nothing behind.
    """
    users = get_user_model()._default_manager
    named = {get_user_model().USERNAME_FIELD: username, "is_active": True}
    if not users.filter(**named).exists():
        return
    with transaction.atomic():
        # Without NO KEY, inserts of rows that refer to the user would wait as well.
        user = users.select_for_update(no_key=True).filter(**named).first()
        if user is None:
            return
        groups = [row.group for row in FailedLogin.objects.filter(user=user)]
        group = add_failure(groups, address=client.address, at=timezone.now())
        FailedLogin.objects.update_or_create(user=user, number=group.number, defaults=asdict(group))
        if is_reported(group.count):
            _notify_of_failures(user, group)


def password_changed(user: AbstractBaseUser) -> int:
    """Notify a user of their changed password and end their other sessions.

    The session of the running request continues: Django's views give it a new key and the new password's
    hash. A command has no session, so all are ended.

    Transaction: its own, or the caller's; the notifications, the sign-ins and Django's sessions are changed
    together.

    Returns:
        How many sessions were ended.
    """
    current, client = current_sign_in(), client_of(current_request.get())
    actor = current.user if current else None
    with transaction.atomic():
        open_ones = _lock_open(user=user)
        if current is not None:
            open_ones = [sign_in for sign_in in open_ones if sign_in.pk != current.pk]
        ended = _end(open_ones, EndReason.PASSWORD_CHANGE)
        services.notify(
            user,
            PasswordChanged(address=client.address, browser=client.browser),
            title=_("Your password was changed"),
            body=f"{_from(client)} {_('If this was not you, contact staff at once.')}".strip(),
            actor=actor,
            topic=TOPIC,
            source=SOURCE,
        )
        if ended:
            _notify_of_revoked(user, len(ended), by="password_change", actor=actor)
    return len(ended)


def end_sessions(keys: Iterable[int], *, by: AbstractBaseUser) -> int:
    """End the sessions of some sign-ins for a member of staff, and notify their users.

    Sessions that have ended already stay as they are.

    Transaction: its own, or the caller's.

    Args:
        keys: primary keys of sign-ins.
        by: the member of staff. Their own current session is left out: it ends by logging out.

    Returns:
        How many sessions were ended.
    """
    current = current_sign_in()
    with transaction.atomic():
        open_ones = _lock_open(pk__in=list(keys))
        ended = _end(
            [sign_in for sign_in in open_ones if current is None or sign_in.pk != current.pk],
            EndReason.STAFF,
        )
        for user_id, count in Counter(sign_in.user_id for sign_in in ended).items():
            _notify_of_revoked(user_id, count, by="staff", actor=by)
    return len(ended)


def current_sign_in() -> SignIn | None:
    """Return the sign-in of the running request's session; None without a request or a sign-in.

    It reads the session and never ``request.user``: in the middle of a password change, that would find the
    session's hash outdated and flush the session.
    """
    request = current_request.get()
    session = getattr(request, "session", None)
    mark = session.get(SESSION_MARK) if session is not None else None
    return SignIn.objects.select_related("user").filter(pk=mark).first() if mark else None


def _lock_open(**condition: Any) -> list[SignIn]:
    """Lock the sign-ins that have not ended, in one order, so that two callers do not both count one."""
    return list(SignIn.objects.select_for_update().filter(ended_at=None, **condition).order_by("pk"))


def _end(sign_ins: Iterable[SignIn], reason: EndReason) -> list[SignIn]:
    """Delete the sessions and mark the sign-ins; return those whose session was still live."""
    store_class = cast("type[SessionBase]", import_module(settings.SESSION_ENGINE).SessionStore)
    live, gone = [], []
    for sign_in in sign_ins:
        store = store_class(sign_in.session_key)
        # The entry inside the session decides, not the key alone: a flushed or expired session is empty.
        if store.get(SESSION_MARK) == sign_in.pk:
            store.delete()
            live.append(sign_in)
        else:
            gone.append(sign_in)
    _mark_ended([sign_in.pk for sign_in in live], reason)
    _mark_ended([sign_in.pk for sign_in in gone], EndReason.EXPIRED)
    services.announce_streams_on_commit({sign_in.user_id for sign_in in live})
    return live


def _mark_ended(keys: Iterable[Any], reason: EndReason) -> None:
    if known := [key for key in keys if key is not None]:
        SignIn.objects.filter(pk__in=known, ended_at=None).update(
            ended_at=timezone.now(), ended_reason=reason, session_key=""
        )


def _notify_of_sign_in(user: AbstractBaseUser, client: Client) -> None:
    services.notify(
        user,
        SessionNew(address=client.address, browser=client.browser, agent=client.agent),
        title=_("New login: %(browser)s") % {"browser": client.browser or _("unknown browser")},
        body=_("From %(address)s. If this was not you, change your password: that ends all other sessions.")
        % {"address": client.address or _("an unknown address")},
        url=_password_page(),
        topic=TOPIC,
        source=SOURCE,
    )


def _notify_of_failures(user: AbstractBaseUser, group: FailureGroup) -> None:
    names = {"count": group.count, "address": group.address or _("an unknown address")}
    if group.several:
        title = _("%(count)d failed logins from several addresses, last from %(address)s") % names
    else:
        title = (
            ngettext("Failed login from %(address)s", "%(count)d failed logins from %(address)s", group.count)
            % names
        )
    services.notify(
        user,
        LoginFailed(
            address=group.address,
            count=group.count,
            first_at=timestamp(group.first_at),
            last_at=timestamp(group.last_at),
            several=group.several,
        ),
        title=title,
        body=_(
            "Somebody entered your username and a wrong password. If it was not you, you "
            "need not do anything."
        ),
        url=_password_page(),
        topic=TOPIC,
        collapse_key=f"group:{group.number}",
        source=SOURCE,
    )


def _notify_of_revoked(user: Any, count: int, *, by: RevokedBy, actor: AbstractBaseUser | None) -> None:
    because = (
        _("It was ended by staff.") if by == "staff" else _("It was ended because your password was changed.")
    )
    services.notify(
        user,
        SessionRevoked(count=count, by=by),
        title=ngettext("A session of yours was ended", "%(count)d sessions of yours were ended", count)
        % {"count": count},
        body=because,
        actor=actor,
        topic=TOPIC,
        source=SOURCE,
    )


def _password_page() -> str:
    """Return the URL of Django's own page for changing one's password; empty in a project without it."""
    try:
        return reverse("password_change")
    except NoReverseMatch:
        return ""


def _from(client: Client) -> str:
    if client.browser and client.address:
        return _("%(browser)s, from %(address)s.") % {"browser": client.browser, "address": client.address}
    known = client.browser or client.address
    return f"{known}." if known else ""
