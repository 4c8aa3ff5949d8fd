"""System checks: what a project must set up so that its users are told everything."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core import checks

MIDDLEWARE: Final = "notifications.contrib.security.middleware.sign_in_middleware"
VALIDATOR: Final = "notifications.contrib.security.validators.PasswordChangeNotifier"
_SESSIONS: Final = "django.contrib.sessions.middleware.SessionMiddleware"


@checks.register
def check_middleware(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W001: without the middleware, a password change also ends the session that made it."""
    names = list(settings.MIDDLEWARE)
    if MIDDLEWARE in names and _SESSIONS in names and names.index(_SESSIONS) < names.index(MIDDLEWARE):
        return []
    return [
        checks.Warning(
            f"{MIDDLEWARE} does not come after {_SESSIONS} in MIDDLEWARE.",
            hint="Add it there. Without it, a password change also ends the session that made it.",
            id="notification_hub_security.W001",
        )
    ]


@checks.register
def check_validator(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W002: without the validator, nobody is told of a changed password."""
    if any(validator["NAME"] == VALIDATOR for validator in settings.AUTH_PASSWORD_VALIDATORS):
        return []
    return [
        checks.Warning(
            f"{VALIDATOR} is not in AUTH_PASSWORD_VALIDATORS.",
            hint="Add it. Without it, nobody is told of a changed password.",
            id="notification_hub_security.W002",
        )
    ]
