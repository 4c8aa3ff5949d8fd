"""Idempotency keys: the first answer to a producer's request, for whoever sends that request again."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

MAX_KEY_LENGTH = 255
MAX_PATH_LENGTH = 200


class IdempotencyKey(models.Model):
    """One answered request of a producer.

    The row is inserted before the work and in its transaction, so that it exists if, and only if, the work
    was done; a second request with the key waits at the unique index until it is known which.
    """

    producer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("producer"),
    )
    path = models.CharField(_("path"), max_length=MAX_PATH_LENGTH)
    key = models.CharField(_("key"), max_length=MAX_KEY_LENGTH)
    fingerprint = models.CharField(_("fingerprint of the body"), max_length=64)
    status = models.SmallIntegerField(_("status"), default=0)
    body = models.TextField(_("body"), default="")
    location = models.CharField(_("location"), max_length=MAX_PATH_LENGTH, default="")
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # The second request waits here, and then finds the first one's answer.
            models.UniqueConstraint(name="idempotency_key", fields=["producer", "path", "key"]),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="idempotency_search", fields=["key"]),  # the admin: what was sent with a key
            models.Index(
                name="idempotency_age", fields=["created_at"]
            ),  # the sweeper: which can be forgotten
        ]

    def __str__(self) -> str:
        return self.key


class EventKeyState(models.IntegerChoices):
    """How far the one sending of a transient event has come."""

    SENDING = 0, _("being sent")
    IN_DOUBT = 1, _("may have been sent")
    TAKEN = 2, _("taken by the channel layer")


class EventKey(models.Model):
    """One transient event that a producer sent with an idempotency key.

    Redis takes part in no transaction, so this row is committed before the event is sent: whatever is killed
    in between, the event goes out at most once. The row goes again if it is certain that nothing was sent.
    """

    producer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("producer"),
    )
    key = models.CharField(_("key"), max_length=MAX_KEY_LENGTH)
    fingerprint = models.CharField(_("fingerprint of the body"), max_length=64)
    event_id = models.UUIDField(_("id of the event"))
    recipient_count = models.PositiveIntegerField(_("recipients"))
    state = models.SmallIntegerField(_("state"), choices=EventKeyState.choices, default=EventKeyState.SENDING)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("idempotency key of a transient event")
        verbose_name_plural = _("idempotency keys of transient events")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # One request has the key, and the same one sent again finds it.
            models.UniqueConstraint(name="event_key", fields=["producer", "key"]),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="event_key_age", fields=["created_at"]),  # the sweeper: which can be forgotten
        ]

    def __str__(self) -> str:
        return self.key
