"""Broadcasts: sends to very many users.

Each is a queue of its own, which any serving process works on, chunk by chunk.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifications.models.columns import ReadableDateTimeField
from notifications.models.events import MAX_COLLAPSE_KEY_LENGTH, Event
from notifications.models.jobs import Job


class Broadcast(Job):
    """One event to very many users, outside any request.

    Its recipients are taken in the order of their keys. ``last_recipient`` is written by the transaction that
    notifies the users up to there.
    """

    event = models.ForeignKey(
        Event, on_delete=models.DO_NOTHING, related_name="broadcasts", verbose_name=_("event")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="broadcasts",
        verbose_name=_("owner"),
        help_text=_("Who may look at its progress and cancel it."),
    )
    to_everyone = models.BooleanField(_("to everyone"), default=False, db_default=False)
    group_ids = models.JSONField(_("groups"), default=list)
    collapse_key = models.CharField(
        _("collapse key"), max_length=MAX_COLLAPSE_KEY_LENGTH, blank=True, default="", db_default=""
    )
    deliver_at = ReadableDateTimeField(_("deliver at"), null=True, blank=True)

    # No constraint: a user who is deleted meanwhile hurts nobody, and their key stays a place in the order.
    last_recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("last recipient"),
    )

    class Meta:
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        default_permissions = ("view",)
        permissions = (("cancel_broadcast", "Can cancel broadcast"),)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                name="broadcast_next",  # which one has waited longest for its next chunk
                fields=["last_worked_at"],
                condition=Q(state__in=["queued", "running"]),
            ),
            models.Index(
                name="broadcast_finished",  # retention: which can be removed
                fields=["finished_at"],
                condition=Q(finished_at__isnull=False),
            ),
        ]


class BroadcastRecipient(models.Model):
    """A user who is named as a recipient of a broadcast; removed when it ends."""

    broadcast = models.ForeignKey(
        Broadcast,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="recipients",
        verbose_name=_("broadcast"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("user"),
    )

    class Meta:
        verbose_name = _("recipient of a broadcast")
        verbose_name_plural = _("recipients of broadcasts")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # The next chunk of recipients, in the order of their keys.
            models.UniqueConstraint(name="broadcast_recipients", fields=["broadcast", "user"]),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} of {self.broadcast_id}"
