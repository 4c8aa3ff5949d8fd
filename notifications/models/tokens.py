"""API tokens and used tickets: the credentials of programs.

What is stored of a credential cannot be used as one.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from notifications.filters import Filters

MAX_TOKEN_NAME_LENGTH = 100


class ApiToken(models.Model):
    """The credential of a program, with its scopes and its end.

    Only a hash of its text is stored. The text has 256 random bits, so nothing is gained by a slow hash, and
    whoever reads the table learns nothing.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(
        _("name"), max_length=MAX_TOKEN_NAME_LENGTH, help_text=_("What the token is for, such as ci-deploy.")
    )
    scopes = models.CharField(_("scopes"), max_length=50, help_text=_("Separated by spaces."))
    types = models.TextField(
        _("types"),
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "The event types that the token may send, separated by commas. orders.* allows "
            "all types that begin with “orders.”. Empty allows all."
        ),
    )
    topics = models.TextField(
        _("topics"),
        blank=True,
        default="",
        db_default="",
        help_text=_("The topics that the token may send on, separated by commas. Empty allows all."),
    )
    # Every request with a bearer token is one look at this index.
    token_hash = models.CharField(_("hash"), max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.CharField(
        _("created by"),
        max_length=254,
        blank=True,
        editable=False,
        help_text=_("The member of staff or the command."),
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        # What a token may do is decided when it is made; afterwards it can only be revoked.
        default_permissions = ("add", "view")
        permissions = (("revoke_apitoken", "Can revoke API token"),)

    def __str__(self) -> str:
        return self.name

    @property
    def scope_set(self) -> frozenset[str]:
        """The scopes as a set."""
        return frozenset(self.scopes.split())

    @property
    def send_limits(self) -> Filters:
        """The event types and topics that it may send and withdraw; an empty filter admits all."""
        return Filters.parse({"type": _split(self.types), "topic": _split(self.topics)})

    def is_usable(self, now: datetime) -> bool:
        """Return whether it is neither revoked nor expired, and its user is active."""
        is_expired = self.expires_at is not None and self.expires_at <= now
        return self.revoked_at is None and not is_expired and bool(self.user.is_active)


def _split(values: str) -> list[str]:
    return [values] if values else []


class UsedTicket(models.Model):
    """A ticket that has opened its stream. The key is what makes it single use, over all workers."""

    id = models.UUIDField(primary_key=True, editable=False)
    used_at = models.DateTimeField(_("used at"))

    class Meta:
        verbose_name = _("used ticket")
        verbose_name_plural = _("used tickets")
        default_permissions = ()
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="used_ticket_age", fields=["used_at"]),  # the sweeper: which can be forgotten
        ]

    def __str__(self) -> str:
        return str(self.id)
