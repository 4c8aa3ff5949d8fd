"""The receivers of Django's signals about accounts; each calls one service."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model, user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models.signals import post_save
from django.http import HttpRequest

from notifications.contrib.security import services
from notifications.contrib.security.best_effort import best_effort
from notifications.contrib.security.clients import client_of

_CREATED: Final = "_notification_hub_security_created"


def connect() -> None:
    """Connect all receivers. A second call changes nothing."""
    user_logged_in.connect(on_logged_in)
    user_logged_out.connect(on_logged_out)
    user_login_failed.connect(on_login_failed)
    for model in apps.get_models():
        # The sender is the class that was saved, which may be a proxy of the user model.
        if issubclass(model, get_user_model()):
            post_save.connect(on_user_saved, sender=model)


def on_logged_in(*, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Record a login, and notify its user."""
    with best_effort("tell of a login"):
        services.signed_in(request, user)


def on_logged_out(*, request: HttpRequest, **kwargs: Any) -> None:
    """Record that the session ends; Django flushes it next."""
    with best_effort("note a logout"):
        services.signed_out(request.session)


def on_login_failed(
    *, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Count a failed login, and notify the user whom it names; a bad token, for example, names none."""
    username = credentials.get("username", credentials.get(get_user_model().USERNAME_FIELD))
    if isinstance(username, str):
        with best_effort("tell of a failed login"):
            services.sign_in_failed(username, client_of(request))


def on_user_saved(*, instance: AbstractBaseUser, created: bool, **kwargs: Any) -> None:
    """Remember on the instance whether this save created the user; the password hook runs right after it."""
    setattr(instance, _CREATED, created)


def was_just_created(user: AbstractBaseUser) -> bool:
    """Return whether the latest save of this instance created the user."""
    return bool(getattr(user, _CREATED, False))
