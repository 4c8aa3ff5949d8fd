"""Jobs: the fields that broadcasts and replays have in common.

A job is worked on in chunks, outside any request, by whichever serving process comes first.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from notifications.models.columns import new_public_id


class JobState(models.TextChoices):
    """The states of a job."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Failed")


class Job(models.Model):
    """Work in chunks, with its progress.

    The progress stands in its row, and is written by the transaction that does the work up to there, so
    whoever goes on after a crash does nothing twice. Until ``leased_until``, by the database's clock, nobody
    but the holder of ``lease`` works on it. The job whose ``last_worked_at`` is the oldest goes first.
    """

    id = models.UUIDField(primary_key=True, default=new_public_id, editable=False)
    state = models.CharField(
        _("state"), max_length=9, choices=JobState, default=JobState.QUEUED, db_default=JobState.QUEUED
    )
    total_count = models.BigIntegerField(_("total"), help_text=_("As counted when it was requested."))
    done_count = models.BigIntegerField(_("done"), default=0, db_default=0)
    failed_count = models.BigIntegerField(_("failed"), default=0, db_default=0)
    failure = models.CharField(_("failure"), max_length=500, blank=True, default="", db_default="")
    lease = models.UUIDField(_("lease"), null=True)
    leased_until = models.DateTimeField(_("leased until"), null=True)
    last_worked_at = models.DateTimeField(_("last worked on"), db_default=Now())
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    LIVE: ClassVar[Q] = Q(state__in=[JobState.QUEUED, JobState.RUNNING])

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.state in (JobState.QUEUED, JobState.RUNNING)

    @property
    def processed_count(self) -> int:
        """How many items have been dealt with, whatever became of them."""
        return self.done_count

    @property
    def rate(self) -> float | None:
        """How many items were dealt with per second, as of the last chunk; None before the first."""
        if self.started_at is None:
            return None
        seconds = ((self.finished_at or self.last_worked_at) - self.started_at).total_seconds()
        return round(self.processed_count / seconds, 1) if seconds > 0 else None
