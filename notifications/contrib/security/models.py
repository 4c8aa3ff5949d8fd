"""Sign-ins and failed sign-ins, which the hub must remember to tell users what happens to their account.

Rows are written by ``notifications.contrib.security.services`` only.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from notifications.contrib.security.failures import FailureGroup
from notifications.http.user_agents import MAX_AGENT_LENGTH

MAX_ADDRESS_LENGTH = 45


class EndReason(models.TextChoices):
    """The reasons why a session has ended."""

    LOGOUT = "logout", _("Logged out")
    LOGIN = "login", _("Logged in again")
    PASSWORD_CHANGE = "password_change", _("Password changed")
    STAFF = "staff", _("Ended by staff")
    EXPIRED = "expired", _("Expired")


class SignIn(models.Model):
    """One login and its session. The session holds this row's key, so that its own key may change."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins", verbose_name=_("user")
    )
    # A credential: it is never shown, and deleted as soon as the session has ended.
    session_key = models.CharField(_("session key"), max_length=40, blank=True, editable=False)
    address = models.GenericIPAddressField(_("address"), null=True, blank=True, editable=False)
    agent = models.CharField(_("agent"), max_length=MAX_AGENT_LENGTH, blank=True, editable=False)
    browser = models.CharField(_("browser"), max_length=100, blank=True, editable=False)
    at = models.DateTimeField(_("logged in at"), editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)
    ended_reason = models.CharField(_("reason"), max_length=15, choices=EndReason, blank=True, editable=False)

    class Meta:
        verbose_name = _("login")
        verbose_name_plural = _("logins")
        default_permissions = ("view",)
        permissions = (("end_signin", "Can end sessions"),)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                name="sign_in_open",  # a password change: which sessions a user has
                fields=["user", "id"],
                condition=models.Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} from {self.address or '-'} at {self.at:%Y-%m-%d %H:%M}"


class FailedLogin(models.Model):
    """The stored form of a ``failures.FailureGroup``: at most ten rows for each user."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="failed_logins",
        db_index=False,
        verbose_name=_("user"),
    )
    number = models.PositiveSmallIntegerField(_("number"))
    earlier_uses = models.PositiveSmallIntegerField(_("earlier uses"))
    address = models.CharField(_("address"), max_length=MAX_ADDRESS_LENGTH, blank=True)
    several = models.BooleanField(_("several addresses"))
    hour_at = models.DateTimeField(_("hour"))
    count = models.PositiveIntegerField(_("count"))
    first_at = models.DateTimeField(_("first at"))
    last_at = models.DateTimeField(_("last at"))

    class Meta:
        verbose_name = _("failed login")
        verbose_name_plural = _("failed logins")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="failed_login_number", fields=["user", "number"]),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.count} from {self.address or '-'}"

    @property
    def group(self) -> FailureGroup:
        """The row as the value that ``failures`` works with."""
        return FailureGroup(
            number=self.number,
            earlier_uses=self.earlier_uses,
            address=self.address,
            several=self.several,
            hour_at=self.hour_at,
            count=self.count,
            first_at=self.first_at,
            last_at=self.last_at,
        )
