"""The hook by which Django reports a changed password."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from notifications.contrib.security import services
from notifications.contrib.security.best_effort import best_effort
from notifications.contrib.security.receivers import was_just_created


class PasswordChangeNotifier:
    """A password validator that refuses nothing and notifies users of each change.

    It is listed in ``AUTH_PASSWORD_VALIDATORS``. Django calls ``password_changed`` from the ``save()`` after
    ``set_password()``, whichever form, command or code did it.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Accept every password."""

    def get_help_text(self) -> str:
        """Return what the change will do, shown with the rules for passwords."""
        return _("When a password changes, its owner is notified and all other sessions are ended.")

    def password_changed(self, password: str, user: Any = None) -> None:
        """Notify the user, unless the password was set when the account was created.

        Transaction: that of the ``save()``, if it runs in one. A failure here never fails the change itself.
        """
        if user is None or was_just_created(user):
            return
        with best_effort("tell of a changed password"):
            services.password_changed(user)
