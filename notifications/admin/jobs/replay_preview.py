"""A preview of a replay, before anything is sent.

It shows which notifications the replay would take, how many they are, and how many of them each verb fits.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.admin.jobs.job_admin import number
from notifications.admin.links import name_of, title_of
from notifications.models import Notification
from notifications.selectors.staff import counts
from notifications.selectors.staff.counts import RowCount, newest_of
from notifications.selectors.staff.states import State, state_of
from notifications.services.replay import Selection, count_replayable

SHOWN: Final = 5


class ShownNotification(NamedTuple):
    """One of the first."""

    notification: Notification
    state: State
    title: str
    username: str


class Total(RowCount):
    """A count of notifications, in words."""

    @classmethod
    def of(cls, rows: QuerySet[Notification]) -> Total:
        """Count some notifications, or estimate how many they are. Two queries at most."""
        return cls(*astuple(counts.count_rows(rows)))

    def __str__(self) -> str:
        if self.is_more:
            return _("more than %s") % number(self.count)
        return _("about %s") % number(self.count) if self.is_estimate else number(self.count)

    @property
    def words(self) -> str:
        """With the noun."""
        noun = ngettext("notification", "notifications", self.count)
        return f"{self} {noun}"


class Preview(NamedTuple):
    """The numbers and notifications that the page shows.

    Attributes:
        total: of the selection.
        fits: how many each verb fits; None when there are too many to look at each.
        user_count: recipients of the selection, as far as they were counted.
        shown: the newest of them.
    """

    total: Total
    fits: dict[str, int] | None
    user_count: int | None
    shown: list[ShownNotification]


def preview_replay(selection: Selection, user: Any) -> Preview:
    """Look at a selection. Seven queries at most, each over no more than ``counts.MAX_COUNT`` rows."""
    rows = selection.rows(user).order_by()
    total = Total.of(rows)
    shown = first_shown(rows)
    if total.is_estimate:
        return Preview(total, None, None, shown)
    counts_by_verb = count_replayable(rows, limit=counts.MAX_COUNT)
    return Preview(total, counts_by_verb.by_verb, counts_by_verb.user_count, shown)


def first_shown(rows: QuerySet[Notification]) -> list[ShownNotification]:
    """The newest of some notifications, to show which they are. One query."""
    now = timezone.now()
    return [
        ShownNotification(row, state_of(row, now), title_of(row.event), name_of(row.recipient))
        for row in newest_of(rows, limit=SHOWN)
    ]
