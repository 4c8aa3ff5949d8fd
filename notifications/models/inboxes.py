"""A user's inbox; its log of changes is in ``notifications.models.changes``.

Foreign keys do nothing on delete: a user's rows go in chunks, by ``services.erase_user``, because Django's
collector would load every one of them.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from notifications.protocol.cursors import Cursor, new_epoch


class Inbox(models.Model):
    """One user's notifications, and the head of their log. It exists from the first touch."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.DO_NOTHING,
        related_name="inbox",
        verbose_name=_("user"),
    )
    epoch = models.CharField(_("epoch"), max_length=8, default=new_epoch, editable=False)
    head = models.BigIntegerField(_("head"), default=0, db_default=0, editable=False)
    floor = models.BigIntegerField(_("floor"), default=0, db_default=0, editable=False)
    unread_count = models.BigIntegerField(_("unread"), default=0, db_default=0, editable=False)
    changed_at = models.DateTimeField(_("changed at"), null=True, editable=False)

    class Meta:
        verbose_name = _("inbox")
        verbose_name_plural = _("inboxes")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="inbox_epoch", fields=["epoch"]),  # the admin: whose a cursor is
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="inbox_counters",
                condition=Q(floor__gte=0, head__gte=F("floor"), unread_count__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.cursor}"

    @property
    def cursor(self) -> Cursor:
        """The head as a cursor."""
        return Cursor(self.epoch, self.head)
